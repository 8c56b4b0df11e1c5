package traces

import (
	"encoding/json"
	"strings"
)

// scope is what a condition is about: a trace, or the segments of a service in it.
type scope struct {
	trace    *Trace
	segments []*Segment
	within   bool // segments are a service's
}

// expression is a filter expression or a part of one.
type expression interface{ match(s *scope) bool }

type (
	allOf    [2]expression
	anyOf    [2]expression
	negation [1]expression
	flag     func(*scope) bool
)

func (e allOf) match(s *scope) bool    { return e[0].match(s) && e[1].match(s) }
func (e anyOf) match(s *scope) bool    { return e[0].match(s) || e[1].match(s) }
func (e negation) match(s *scope) bool { return !e[0].match(s) }
func (e flag) match(s *scope) bool     { return e(s) }

// identity says which services are meant.
type identity struct {
	name, typ, account string
	named              bool
}

func (i identity) of(s *Segment) bool {
	service := s.service()
	return (!i.named || i.name == service.Name) && (i.typ == "" || i.typ == service.Type) &&
		(i.account == "" || i.account == service.Account)
}

// ofService holds for a trace with a segment of a service for which inner holds. Within
// another's braces it is about that one's segments: the work doesn't grow with nesting.
type ofService struct {
	id    identity
	inner expression
}

func (e ofService) match(s *scope) bool {
	for _, g := range s.segments {
		if e.id.of(g) && (e.inner == nil || e.inner.match(&scope{trace: s.trace, segments: []*Segment{g}, within: true})) {
			return true
		}
	}
	return false
}

// ofEdge holds for a trace in which a service calls another and inner holds for that.
type ofEdge struct {
	from, to identity
	inner    expression
}

func (e ofEdge) match(s *scope) bool {
	owners := s.trace.ids()
	for _, g := range s.segments {
		from := owners[g.ParentID]
		if from != nil && e.from.of(from) && e.to.of(g) &&
			(e.inner == nil || e.inner.match(&scope{trace: s.trace, segments: []*Segment{g}, within: true})) {
			return true
		}
	}
	return false
}

// comparison holds when some of the values compares so.
type comparison struct {
	of       func(*scope) []any
	operator string // "": there is one
	value    any
}

func (e comparison) match(s *scope) bool {
	values := e.of(s)
	if e.operator == "" {
		return len(values) > 0
	}
	for _, v := range values {
		if compare(v, e.operator, e.value) {
			return true
		}
	}
	return false
}

func compare(v any, operator string, value any) bool {
	switch operator {
	case "=":
		return v == value
	case "!=":
		return v != value
	}
	switch want := value.(type) {
	case float64:
		n, ok := v.(float64)
		switch {
		case !ok:
			return false
		case operator == "<":
			return n < want
		case operator == "<=":
			return n <= want
		case operator == ">":
			return n > want
		case operator == ">=":
			return n >= want
		}
	case string:
		text, ok := v.(string)
		switch {
		case !ok:
			return false
		case operator == "CONTAINS":
			return strings.Contains(text, want)
		case operator == "BEGINSWITH":
			return strings.HasPrefix(text, want)
		case operator == "ENDSWITH":
			return strings.HasSuffix(text, want)
		}
	}
	return false
}

// flags are the boolean keywords. Of a trace, error and fault are about its root, as
// in its summary; of a service, about any of its segments.
var flags = map[string]func(*scope) bool{
	"ok": func(s *scope) bool {
		isError, isFault, throttled := s.failed()
		return !isError && !isFault && !throttled
	},
	"error":    func(s *scope) bool { is, _, _ := s.failed(); return is },
	"fault":    func(s *scope) bool { _, is, _ := s.failed(); return is },
	"throttle": func(s *scope) bool { _, _, is := s.failed(); return is },
	"partial":  func(s *scope) bool { return s.some(func(g *Segment) bool { return g.InProgress }) },
	"inferred": func(s *scope) bool { return s.some(func(g *Segment) bool { return g.Inferred }) },
	"remote":   func(s *scope) bool { return s.someBelow(func(g *Segment) bool { return g.Namespace == "remote" }) },
	"root":     func(s *scope) bool { root := s.trace.Root(); return s.some(func(g *Segment) bool { return g == root }) },
	"first":    func(s *scope) bool { return s.some(func(g *Segment) bool { return g == s.trace.Segments[0] }) },
	"last": func(s *scope) bool {
		return s.some(func(g *Segment) bool { return g == s.trace.Segments[len(s.trace.Segments)-1] })
	},
	"coldstart": func(s *scope) bool {
		return s.someBelow(func(g *Segment) bool { return g.Name == "Initialization" && g.Namespace == "" })
	},
}

// values are the keywords that are compared with something.
var values = map[string]func(*scope) []any{
	"responsetime": func(s *scope) []any {
		if s.within {
			return s.each(func(g *Segment) any { return g.Duration().Seconds() })
		}
		if root := s.trace.Root(); root != nil {
			return []any{root.Duration().Seconds()}
		}
		return nil
	},
	"duration": func(s *scope) []any {
		if s.within {
			return s.each(func(g *Segment) any { return g.Duration().Seconds() })
		}
		return []any{s.trace.Duration().Seconds()}
	},
	"http.status": func(s *scope) []any {
		return s.each(func(g *Segment) any {
			if n := g.status(); n != 0 {
				return float64(n)
			}
			return nil
		})
	},
	"http.method":    request(func(r *HTTPRequest) string { return r.Method }),
	"http.url":       request(func(r *HTTPRequest) string { return r.URL }),
	"http.useragent": request(func(r *HTTPRequest) string { return r.UserAgent }),
	"http.clientip":  request(func(r *HTTPRequest) string { return r.ClientIP }),
	"user":           text(func(g *Segment) string { return g.User }),
	"resource.arn":   text(func(g *Segment) string { return g.ResourceARN }),
	"type":           text(func(g *Segment) string { return g.Origin }),
	"name": func(s *scope) []any {
		var names []any
		for _, g := range s.segments {
			g.walk(func(sub *Segment) { names = append(names, sub.Name) })
		}
		return names
	},
	"message": func(s *scope) []any {
		var messages []any
		for _, g := range s.segments {
			g.walk(func(sub *Segment) { messages = append(messages, sub.messages()...) })
		}
		return messages
	},
}

// annotated returns the values that segments have under an annotation's key.
func annotated(key string) func(*scope) []any {
	return func(s *scope) []any {
		var found []any
		for _, g := range s.segments {
			g.walk(func(sub *Segment) {
				if v, ok := sub.Annotations[key]; ok {
					found = append(found, scalar(v)...)
				}
			})
		}
		return found
	}
}

// scalar leaves out what no annotation can be, and can't be compared.
func scalar(v any) []any {
	switch v.(type) {
	case string, float64, bool:
		return []any{v}
	}
	return nil
}

func request(of func(*HTTPRequest) string) func(*scope) []any {
	return text(func(g *Segment) string {
		if g.HTTP == nil || g.HTTP.Request == nil {
			return ""
		}
		return of(g.HTTP.Request)
	})
}

func text(of func(*Segment) string) func(*scope) []any {
	return func(s *scope) []any {
		return s.each(func(g *Segment) any {
			if v := of(g); v != "" {
				return v
			}
			return nil
		})
	}
}

// each returns what of says of the segments, and leaves out nil.
func (s *scope) each(of func(*Segment) any) []any {
	var list []any
	for _, g := range s.segments {
		if v := of(g); v != nil {
			list = append(list, v)
		}
	}
	return list
}

func (s *scope) some(is func(*Segment) bool) bool {
	for _, g := range s.segments {
		if is(g) {
			return true
		}
	}
	return false
}

func (s *scope) someBelow(is func(*Segment) bool) bool {
	found := false
	for _, g := range s.segments {
		g.walk(func(sub *Segment) { found = found || is(sub) })
	}
	return found
}

func (s *scope) failed() (isError, isFault, throttled bool) {
	for _, g := range s.segments {
		e, f, t := g.failed()
		if s.within || g == s.trace.Root() {
			isError, isFault = isError || e, isFault || f
		}
		throttled = throttled || t
	}
	return isError, isFault, throttled
}

// messages returns those of a segment's exceptions.
func (s *Segment) messages() []any {
	var c struct {
		Exceptions []struct {
			Message string `json:"message"`
		} `json:"exceptions"`
	}
	if len(s.Cause) == 0 || s.Cause[0] != '{' || json.Unmarshal(s.Cause, &c) != nil {
		return nil // a cause may be the ID of another's
	}
	var list []any
	for _, e := range c.Exceptions {
		list = append(list, e.Message)
	}
	return list
}
