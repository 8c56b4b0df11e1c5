package protocol

import (
	"net/http"
	"net/url"
	"strings"
)

// router finds the operation of a method and a path: the model's URI templates as
// a tree of path segments.
type router struct{ root node }

type node struct {
	fixed  map[string]*node
	label  *node // any one segment
	greedy []route
	routes []route
}

// route is where an operation's template ends.
type route struct {
	op     *operation
	labels []string   // names, in the order of the path
	query  url.Values // what the template's query asks for
}

// add puts an operation's template in the tree.
func (t *router) add(op *operation) {
	path, query, _ := strings.Cut(op.URI, "?")
	rt := route{op: op}
	if query != "" {
		rt.query, _ = url.ParseQuery(query) // of the model: "find=LayerVersion"
	}
	n := &t.root
	for seg := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		name, isLabel := strings.CutPrefix(seg, "{")
		if !isLabel {
			if n.fixed == nil {
				n.fixed = map[string]*node{}
			}
			if n.fixed[seg] == nil {
				n.fixed[seg] = &node{}
			}
			n = n.fixed[seg]
			continue
		}
		name = strings.TrimSuffix(name, "}")
		if greedy, ok := strings.CutSuffix(name, "+"); ok {
			rt.labels = append(rt.labels, greedy)
			n.greedy = insert(n.greedy, rt)
			return
		}
		rt.labels = append(rt.labels, name)
		if n.label == nil {
			n.label = &node{}
		}
		n = n.label
	}
	n.routes = insert(n.routes, rt)
}

// insert keeps the routes that ask for more of the query in front.
func insert(rs []route, rt route) []route {
	i := 0
	for i < len(rs) && len(rs[i].query) >= len(rt.query) {
		i++
	}
	return append(rs[:i:i], append([]route{rt}, rs[i:]...)...)
}

// match returns the operation a request is for and its path labels decoded, or nil.
// Like AWS it takes a path with or without a slash at its end.
func (t *router) match(r *http.Request) (*operation, map[string]string) {
	path := strings.Trim(r.URL.EscapedPath(), "/")
	var values [8]string
	var query url.Values
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	rt, labels := t.root.find(path, r.Method, query, values[:0])
	if rt == nil {
		return nil, nil
	}
	if len(labels) == 0 {
		return rt.op, nil
	}
	decoded := make(map[string]string, len(labels))
	for i, name := range rt.labels {
		plain, err := url.PathUnescape(labels[i])
		if err != nil { // net/http refuses such a path before it comes here
			return nil, nil
		}
		decoded[name] = plain
	}
	return rt.op, decoded
}

// find walks the rest of a path. A fixed segment is tried before a label.
func (n *node) find(rest, method string, query url.Values, labels []string) (*route, []string) {
	if rest == "" {
		return pick(n.routes, method, query), labels
	}
	seg, next, _ := strings.Cut(rest, "/")
	if child := n.fixed[seg]; child != nil {
		if rt, ls := child.find(next, method, query, labels); rt != nil {
			return rt, ls
		}
	}
	if n.label != nil && seg != "" && len(labels) < cap(labels) {
		if rt, ls := n.label.find(next, method, query, append(labels, seg)); rt != nil {
			return rt, ls
		}
	}
	if rt := pick(n.greedy, method, query); rt != nil {
		return rt, append(labels, rest)
	}
	return nil, nil
}

func pick(rs []route, method string, query url.Values) *route {
	for i := range rs {
		if rs[i].op.Method == method && has(query, rs[i].query) {
			return &rs[i]
		}
	}
	return nil
}

func has(query, wanted url.Values) bool {
	for k, vs := range wanted {
		if len(vs) > 0 && (!query.Has(k) || query.Get(k) != vs[0]) {
			return false
		}
	}
	return true
}
