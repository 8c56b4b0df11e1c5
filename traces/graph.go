package traces

import (
	"cmp"
	"slices"
	"time"
)

// typeClient is the node of whoever sent the first requests.
const typeClient = "client"

// Node is a service in a graph. Source: GetServiceGraph.
type Node struct {
	Service
	Reference  int
	Root       bool
	Start, End time.Time
	Statistics Statistics
	Edges      []*Edge
}

// Edge is who a service calls.
type Edge struct {
	To         *Node
	Start, End time.Time
	Statistics Statistics
}

// Statistics count what came of requests.
type Statistics struct {
	OK, Errors, Throttles, Faults int // Throttles are among the Errors
	Total                         int
	ResponseTime                  time.Duration         // of all together
	Histogram                     map[time.Duration]int // response times, in milliseconds
}

func (s *Statistics) count(g *Segment) {
	isError, isFault, throttled := g.failed()
	switch {
	case isFault:
		s.Faults++
	case isError:
		s.Errors++
	default:
		s.OK++
	}
	if throttled && !isFault {
		s.Throttles++
	}
	s.Total++
	s.ResponseTime += g.Duration()
	if s.Histogram == nil {
		s.Histogram = map[time.Duration]int{}
	}
	s.Histogram[g.Duration().Round(time.Millisecond)]++
}

type graph struct {
	nodes []*Node
	by    map[Service]*Node
}

func newGraph() *graph { return &graph{by: map[Service]*Node{}} }

// add counts the requests of one trace.
func (g *graph) add(t *Trace) {
	owners := t.ids()
	called := map[string]bool{} // segments and subsegments that another service answered
	for _, s := range t.Segments {
		called[s.ParentID] = true
	}
	for _, s := range t.Segments {
		to := g.visit(s.service(), s)
		to.Statistics.count(s)
		if from := owners[s.ParentID]; from != nil {
			g.edge(g.node(from.service()), to, s)
		} else {
			to.Root = true
			client := g.visit(Service{Name: s.Name, Type: typeClient}, s)
			client.Statistics.count(s)
			g.edge(client, to, s)
		}
		s.walk(func(sub *Segment) {
			if sub == s || (sub.Namespace != "aws" && sub.Namespace != "remote") || called[sub.ID] {
				return
			}
			// It called somebody who doesn't send segments.
			there := g.visit(inferredService(sub), sub)
			there.Statistics.count(sub)
			g.edge(to, there, sub)
		})
	}
}

// inferredService names the other side of a call.
func inferredService(sub *Segment) Service {
	if sub.Namespace == "aws" {
		return Service{Name: sub.Name, Type: "AWS::" + sub.Name}
	}
	return Service{Name: sub.Name, Type: sub.Namespace}
}

func (g *graph) node(s Service) *Node {
	n := g.by[s]
	if n == nil {
		n = &Node{Service: s, Reference: len(g.nodes)}
		g.by[s] = n
		g.nodes = append(g.nodes, n)
	}
	return n
}

func (g *graph) visit(s Service, by *Segment) *Node {
	n := g.node(s)
	n.Start, n.End = widen(n.Start, n.End, by)
	return n
}

func (g *graph) edge(from, to *Node, by *Segment) {
	i := slices.IndexFunc(from.Edges, func(e *Edge) bool { return e.To == to })
	if i < 0 {
		i = len(from.Edges)
		from.Edges = append(from.Edges, &Edge{To: to})
	}
	e := from.Edges[i]
	e.Start, e.End = widen(e.Start, e.End, by)
	e.Statistics.count(by)
}

func widen(start, end time.Time, by *Segment) (earliest, latest time.Time) {
	if start.IsZero() || by.Start().Before(start) {
		start = by.Start()
	}
	if by.End().After(end) {
		end = by.End()
	}
	return start, end
}

// Times returns the response times that occurred and how often, shortest first.
func (s *Statistics) Times() []time.Duration {
	times := make([]time.Duration, 0, len(s.Histogram))
	for d := range s.Histogram {
		times = append(times, d)
	}
	slices.SortFunc(times, cmp.Compare)
	return times
}
