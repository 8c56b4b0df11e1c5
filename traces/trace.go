package traces

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/wick-run/wick"
)

// Trace is a trace as it is read: its segments, each with the subsegments that were
// sent for it, wherever they came from.
type Trace struct {
	ID            string
	Segments      []*Segment // by their start
	LimitExceeded bool
}

// assemble makes a trace of what was stored.
func assemble(stored wick.StoredTrace) *Trace {
	t := &Trace{ID: stored.ID, LimitExceeded: stored.LimitExceeded}
	for _, text := range join(stored.Documents) {
		var s Segment
		if json.Unmarshal(text, &s) != nil {
			continue // it was read before it was stored, so it can be read
		}
		s.Document = string(text)
		t.Segments = append(t.Segments, &s)
	}
	slices.SortStableFunc(t.Segments, func(a, b *Segment) int { return cmp.Compare(a.StartTime, b.StartTime) })
	return t
}

// part is a document that may stand alone or be put into another.
type part struct {
	text   []byte
	fields map[string]any // nil until something is put into it, or it into another
	into   *part
	grown  bool
}

// join puts the subsegments that were sent apart into the segments they belong to,
// and returns what is then left.
func join(documents [][]byte) [][]byte {
	if !slices.ContainsFunc(documents, func(d []byte) bool { return bytes.Contains(d, []byte(`"subsegment"`)) }) {
		return documents
	}
	type place struct {
		part *part
		node map[string]any
	}
	parts := make([]*part, 0, len(documents))
	places := map[string]place{}
	for _, text := range documents {
		p := &part{text: text}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber() // a number stays as it was written
		if d.Decode(&p.fields) != nil {
			continue
		}
		parts = append(parts, p)
		walkFields(p.fields, func(id string, node map[string]any) { places[id] = place{p, node} })
	}
	for _, p := range parts {
		if p.fields["type"] != "subsegment" {
			continue
		}
		parent, _ := p.fields["parent_id"].(string) // "" is nobody's
		to, ok := places[parent]
		if !ok || to.part.isIn(p) {
			continue
		}
		subs, _ := to.node["subsegments"].([]any) // none, then
		to.node["subsegments"] = append(subs, p.fields)
		p.into = to.part
		for q := to.part; q != nil; q = q.into {
			q.grown = true
		}
		for _, k := range []string{"type", "trace_id", "parent_id"} { // what its place says
			delete(p.fields, k)
		}
	}
	left := make([][]byte, 0, len(parts))
	for _, p := range parts {
		if p.into != nil {
			continue
		}
		text := p.text
		if p.grown {
			sortSubsegments(p.fields)
			whole, err := json.Marshal(p.fields)
			if err != nil { // what was decoded can be encoded
				panic(err)
			}
			text = whole
		}
		left = append(left, text)
	}
	return left
}

// isIn says whether p is q or has been put into it, at whatever depth.
func (p *part) isIn(q *part) bool {
	for ; p != nil; p = p.into {
		if p == q {
			return true
		}
	}
	return false
}

func walkFields(node map[string]any, visit func(id string, node map[string]any)) {
	if id, ok := node["id"].(string); ok {
		visit(id, node)
	}
	subs, _ := node["subsegments"].([]any) // none, then
	for _, s := range subs {
		if sub, ok := s.(map[string]any); ok {
			walkFields(sub, visit)
		}
	}
}

func sortSubsegments(node map[string]any) {
	subs, _ := node["subsegments"].([]any) // none, then
	start := func(v any) float64 {
		sub, _ := v.(map[string]any)
		n, _ := sub["start_time"].(json.Number)
		f, _ := n.Float64() // 0 for what isn't a number sorts first
		return f
	}
	slices.SortStableFunc(subs, func(a, b any) int { return cmp.Compare(start(a), start(b)) })
	for _, s := range subs {
		if sub, ok := s.(map[string]any); ok {
			sortSubsegments(sub)
		}
	}
}

// Root returns the segment that all began with: the first that no other called.
func (t *Trace) Root() *Segment {
	known := t.ids()
	for _, s := range t.Segments {
		if s.ParentID == "" || known[s.ParentID] == nil {
			return s
		}
	}
	return nil
}

// ids maps the ID of every segment and subsegment to the segment at the top that it is in.
func (t *Trace) ids() map[string]*Segment {
	ids := map[string]*Segment{}
	for _, top := range t.Segments {
		top.walk(func(s *Segment) { ids[s.ID] = top })
	}
	return ids
}

// Start returns when the first segment began.
func (t *Trace) Start() time.Time {
	if len(t.Segments) == 0 {
		return time.Time{}
	}
	return t.Segments[0].Start()
}

// Duration returns the time from there to the end of the last one.
func (t *Trace) Duration() time.Duration {
	var end time.Time
	for _, s := range t.Segments {
		if e := s.End(); e.After(end) {
			end = e
		}
	}
	return max(end.Sub(t.Start()), 0)
}

// Service names what a segment is of: a node of the service graph.
type Service struct {
	Name, Type, Account string
}

// service returns whose a segment is.
func (s *Segment) service() Service {
	account, _ := s.AWS["account_id"].(string) // most don't say
	return Service{Name: s.Name, Type: s.Origin, Account: account}
}

// Summary is what a list of traces shows of one. Source: GetTraceSummaries.
type Summary struct {
	ID                              string
	Start                           time.Time
	Duration, ResponseTime          time.Duration
	HasError, HasFault, HasThrottle bool
	Partial                         bool
	HTTP                            *HTTP // of its root
	Annotations                     map[string][]AnnotationValue
	Users                           []string
	Services                        []Service
	ResourceARNs                    []string
	EntryPoint                      Service
	Revision                        int
}

// AnnotationValue is a value some segment has under an annotation's key, and whose it
// is. Value is a string, float64 or bool.
type AnnotationValue struct {
	Value    any
	Services []Service
}

// Summarize sums a trace up.
func (t *Trace) Summarize() Summary {
	m := Summary{ID: t.ID, Start: t.Start(), Duration: t.Duration(), Annotations: map[string][]AnnotationValue{}, Revision: len(t.Segments)}
	if root := t.Root(); root != nil {
		m.ResponseTime = root.Duration()
		m.HasError, m.HasFault, _ = root.failed()
		m.HTTP, m.EntryPoint = root.HTTP, root.service()
	}
	for _, top := range t.Segments {
		service := top.service()
		m.Services = appendNew(m.Services, service)
		if top.ResourceARN != "" {
			m.ResourceARNs = appendNew(m.ResourceARNs, top.ResourceARN)
		}
		if top.User != "" {
			m.Users = appendNew(m.Users, top.User)
		}
		m.Partial = m.Partial || top.InProgress
		_, _, throttled := top.failed()
		m.HasThrottle = m.HasThrottle || throttled
		top.walk(func(s *Segment) {
			for k, v := range s.Annotations {
				m.annotate(k, v, service)
			}
		})
	}
	return m
}

func (m *Summary) annotate(key string, value any, service Service) {
	switch value.(type) {
	case string, float64, bool:
	default: // no annotation
		return
	}
	values := m.Annotations[key]
	for i := range values {
		if values[i].Value == value {
			values[i].Services = appendNew(values[i].Services, service)
			return
		}
	}
	m.Annotations[key] = append(values, AnnotationValue{Value: value, Services: []Service{service}})
}

func appendNew[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}
