package traces

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// Bounds of what one question reads. Source: X-Ray API; how many traces are looked at
// for one page, or for a graph, is Wick's own.
const (
	storePage     = 25 // each may have wick.MaxTraceBytes
	summariesPage = 100
	maxScanned    = 2000
	maxGraphed    = 20000
	maxRange      = 24 * time.Hour
	maxGraphRange = 6 * time.Hour
)

// Get returns traces in the order of their IDs, and the IDs of those there are none of.
func (t *Traces) Get(ctx context.Context, account, region string, ids []string) (found []*Trace, missing []string, err error) {
	if err := t.sync(ctx); err != nil {
		return nil, nil, err
	}
	stored, err := t.o.Store.TracesByID(ctx, account, region, ids)
	if err != nil {
		return nil, nil, err
	}
	have := make(map[string]bool, len(stored))
	for i := range stored {
		found = append(found, assemble(stored[i]))
		have[stored[i].ID] = true
	}
	for _, id := range ids {
		if !have[id] {
			missing = appendNew(missing, id)
		}
	}
	return found, missing, nil
}

// Query selects traces.
type Query struct {
	Account, Region string
	From, To        time.Time // when they began; at most 24 hours apart
	Filter          string    // a filter expression, "" for all
	Token           string    // of the page before
}

// Page is a part of a list, latest first.
type Page struct {
	Summaries []Summary
	Scanned   int    // traces that were looked at
	Next      string // "" on the last page
}

// Summaries returns a page of the traces a query selects. InvalidParameter for a range
// of time, a filter or a token that makes no sense. A page can be empty and not the
// last: each looks at a bounded number of traces.
func (t *Traces) Summaries(ctx context.Context, q Query) (*Page, error) {
	if err := checkRange(q.From, q.To, maxRange); err != nil {
		return nil, err
	}
	filter, err := ParseFilter(q.Filter)
	if err != nil {
		return nil, err
	}
	before, err := decodeToken(q.Token)
	if err != nil {
		return nil, err
	}
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	page := &Page{}
	sq := wick.TraceQuery{Account: q.Account, Region: q.Region, From: q.From, To: q.To, Before: before, Limit: storePage}
	for page.Scanned < maxScanned {
		stored, err := t.o.Store.Traces(ctx, sq)
		if err != nil {
			return nil, err
		}
		for i := range stored {
			sq.Before = wick.TraceCursor{Start: stored[i].Start, ID: stored[i].ID}
			page.Scanned++
			tr := assemble(stored[i])
			if !filter.Match(tr) {
				continue
			}
			page.Summaries = append(page.Summaries, tr.Summarize())
			if len(page.Summaries) == summariesPage {
				page.Next = encodeToken(sq.Before)
				return page, nil
			}
		}
		if len(stored) < storePage {
			return page, nil
		}
	}
	page.Next = encodeToken(sq.Before)
	return page, nil
}

// Graph returns the services of the traces that began in a range of time, six hours at
// most. InvalidParameter for a range that makes no sense.
func (t *Traces) Graph(ctx context.Context, account, region string, from, to time.Time) ([]*Node, error) {
	if err := checkRange(from, to, maxGraphRange); err != nil {
		return nil, err
	}
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	g := newGraph()
	err := t.each(ctx, account, region, from, to, g.add)
	return g.nodes, err
}

// each calls f with the traces that began in a range of time, latest first.
func (t *Traces) each(ctx context.Context, account, region string, from, to time.Time, f func(*Trace)) error {
	sq := wick.TraceQuery{Account: account, Region: region, From: from, To: to, Limit: storePage}
	for scanned := 0; scanned < maxGraphed; scanned += storePage {
		stored, err := t.o.Store.Traces(ctx, sq)
		if err != nil {
			return err
		}
		for i := range stored {
			sq.Before = wick.TraceCursor{Start: stored[i].Start, ID: stored[i].ID}
			f(assemble(stored[i]))
		}
		if len(stored) < storePage {
			break
		}
	}
	return nil
}

// Window is what came of the requests that began in a period.
type Window struct {
	Start time.Time
	Statistics
}

// Series returns the statistics of the traces that a filter expression selects, by
// period, oldest first; periods without traces are left out. InvalidParameter for a
// range or a filter that makes no sense.
func (t *Traces) Series(ctx context.Context, account, region string, from, to time.Time, period time.Duration, expression string) ([]Window, error) {
	if err := checkRange(from, to, maxRange); err != nil {
		return nil, err
	}
	filter, err := ParseFilter(expression)
	if err != nil {
		return nil, err
	}
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	windows := map[time.Time]*Window{}
	err = t.each(ctx, account, region, from, to, func(tr *Trace) {
		root := tr.Root()
		if root == nil || !filter.Match(tr) {
			return
		}
		start := tr.Start().Truncate(period)
		w := windows[start]
		if w == nil {
			w = &Window{Start: start}
			windows[start] = w
		}
		w.count(root)
	})
	if err != nil {
		return nil, err
	}
	list := make([]Window, 0, len(windows))
	for _, start := range slices.SortedFunc(maps.Keys(windows), time.Time.Compare) {
		list = append(list, *windows[start])
	}
	return list, nil
}

// GraphOf returns the services of some traces.
func GraphOf(list []*Trace) []*Node {
	g := newGraph()
	for _, tr := range list {
		g.add(tr)
	}
	return g.nodes
}

func checkRange(from, to time.Time, most time.Duration) error {
	switch {
	case to.Before(from):
		return wick.Errorf(wick.InvalidParameter, "Invalid time range: the end is before the start.")
	case to.Sub(from) > most:
		return wick.Errorf(wick.InvalidParameter, "Time range cannot be longer than %d hours", int(most.Hours()))
	}
	return nil
}

func encodeToken(c wick.TraceCursor) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.Start.UnixMicro(), 10) + " " + c.ID))
}

func decodeToken(token string) (wick.TraceCursor, error) {
	if token == "" {
		return wick.TraceCursor{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	start, id, ok := strings.Cut(string(b), " ")
	us, numErr := strconv.ParseInt(start, 10, 64)
	if err != nil || !ok || numErr != nil {
		return wick.TraceCursor{}, wick.Errorf(wick.InvalidParameter, "Invalid NextToken.")
	}
	return wick.TraceCursor{Start: time.UnixMicro(us), ID: id}, nil
}
