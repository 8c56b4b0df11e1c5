package exposition

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

// The formats' content types.
const (
	textType        = "text/plain; version=0.0.4; charset=utf-8"
	openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// Page is what is written in answer to one request. Each family is written once, with
// all its samples.
type Page struct {
	b    bytes.Buffer
	open bool // OpenMetrics
	name string
	typ  string
}

// NewPage begins a page in the format that a request's Accept header prefers.
func NewPage(accept string) *Page {
	return &Page{open: prefersOpenMetrics(accept)}
}

// prefersOpenMetrics says whether OpenMetrics is asked for, and plain text not more.
func prefersOpenMetrics(accept string) bool {
	open, plain := 0.0, 0.0
	for one := range strings.SplitSeq(accept, ",") {
		media, parameters, _ := strings.Cut(one, ";")
		q := 1.0
		for p := range strings.SplitSeq(parameters, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				if f, err := strconv.ParseFloat(v, 64); err == nil {
					q = f
				}
			}
		}
		switch strings.TrimSpace(media) {
		case "application/openmetrics-text":
			open = max(open, q)
		case "text/plain", "text/*":
			plain = max(plain, q)
		}
	}
	return open > 0 && open >= plain
}

// ContentType is the page's.
func (p *Page) ContentType() string {
	if p.open {
		return openMetricsType
	}
	return textType
}

// Bytes returns the page, ended.
func (p *Page) Bytes() []byte {
	if p.open {
		p.b.WriteString("# EOF\n")
	}
	return p.b.Bytes()
}

// Label is a name and a value that tell the samples of a family apart.
type Label struct{ Name, Value string }

// Counter begins a family of what only rises. Its name has no _total at its end.
func (p *Page) Counter(name, help string) { p.family(name, "counter", help) }

// Gauge begins a family of what goes up and down.
func (p *Page) Gauge(name, help string) { p.family(name, "gauge", help) }

// Histogram begins a family of distributions.
func (p *Page) Histogram(name, help string) { p.family(name, "histogram", help) }

func (p *Page) family(name, typ, help string) {
	p.name, p.typ = name, typ
	shown := name
	if typ == "counter" && !p.open {
		shown += "_total"
	}
	p.b.WriteString("# HELP " + shown + " " + escapeHelp.Replace(help) + "\n# TYPE " + shown + " " + typ + "\n")
}

// Sample writes a value of the family.
func (p *Page) Sample(v float64, labels ...Label) {
	suffix := ""
	if p.typ == "counter" {
		suffix = "_total"
	}
	p.line(suffix, v, labels, Label{})
}

// Distribution writes a distribution of the family, divided by unit, in buckets up to
// each of the bounds. What isn't spread is all in the last bucket.
func (p *Page) Distribution(d *wick.Distribution, unit float64, bounds []float64, labels ...Label) {
	bins := d.Bins()
	seen, next := 0.0, 0
	for _, le := range bounds {
		for next < len(bins) && bins[next].From/unit <= le {
			seen += bins[next].Count
			next++
		}
		p.line("_bucket", seen, labels, Label{"le", float(le)})
	}
	p.line("_bucket", d.Count, labels, Label{"le", "+Inf"})
	p.line("_sum", d.Sum/unit, labels, Label{})
	p.line("_count", d.Count, labels, Label{})
}

func (p *Page) line(suffix string, v float64, labels []Label, last Label) {
	p.b.WriteString(p.name + suffix)
	sep := byte('{')
	for _, l := range append(labels[:len(labels):len(labels)], last) {
		if l.Name == "" {
			continue
		}
		p.b.WriteByte(sep)
		p.b.WriteString(l.Name + `="` + escapeLabel.Replace(l.Value) + `"`)
		sep = ','
	}
	if sep == ',' {
		p.b.WriteByte('}')
	}
	p.b.WriteString(" " + float(v) + "\n")
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
)

func float(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
