package protocol

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// formNode is a parameter of a form with those below it: MetricData.member.1.Value is
// Value in 1 in member in MetricData.
type formNode struct {
	value string
	below map[string]*formNode
}

// maxFormDepth bounds the parts of a parameter's name; no input comes near.
const maxFormDepth = 32

// queryToJSON returns a form's parameters as the JSON document that says the same.
// Source: Smithy, AWS query protocol.
func queryToJSON(c *codec, values url.Values) ([]byte, error) {
	root := &formNode{}
	for name, vs := range values {
		if len(vs) == 0 {
			continue
		}
		at := root
		if strings.Count(name, ".") >= maxFormDepth {
			return nil, serialization("The parameter " + name[:min(len(name), 64)] + "… is nested too deeply")
		}
		for part := range strings.SplitSeq(name, ".") {
			next := at.below[part]
			if next == nil {
				if at.below == nil {
					at.below = make(map[string]*formNode)
				}
				next = &formNode{}
				at.below[part] = next
			}
			at = next
		}
		at.value = vs[0]
	}
	return appendFormStruct(make([]byte, 0, 1024), c, root), nil
}

func appendFormStruct(b []byte, c *codec, n *formNode) []byte {
	b = append(b, '{')
	first := true
	for i := range c.fields {
		f := &c.fields[i]
		below := n.below[f.member.WireName]
		if below == nil {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, f.member.WireName), ':')
		b = appendFormValue(b, f.codec, below)
	}
	return append(b, '}')
}

func appendFormValue(b []byte, c *codec, n *formNode) []byte {
	switch c.kind {
	case kindStruct:
		return appendFormStruct(b, c, n)
	case kindList:
		b = append(b, '[')
		for i, one := range n.below["member"].numbered() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendFormValue(b, c.element, one)
		}
		return append(b, ']')
	case kindMap:
		b = append(b, '{')
		for i, one := range n.below["entry"].numbered() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, one.named("key").value), ':')
			b = appendFormValue(b, c.element, one.named("value"))
		}
		return append(b, '}')
	case kindInt, kindFloat:
		// What isn't a number goes on as text, and is refused as such.
		d := decoder{data: []byte(n.value)}
		if _, err := d.number(); err == nil && d.pos == len(n.value) {
			return append(b, n.value...)
		}
	case kindBool:
		if v, err := strconv.ParseBool(n.value); err == nil {
			return strconv.AppendBool(b, v)
		}
	}
	return appendString(b, n.value)
}

// numbered returns what is below a node by number, in order; none of no node.
func (n *formNode) numbered() []*formNode {
	if n == nil {
		return nil
	}
	type entry struct {
		at   int
		node *formNode
	}
	var entries []entry
	for name, one := range n.below {
		if i, err := strconv.Atoi(name); err == nil {
			entries = append(entries, entry{i, one})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.at - b.at })
	nodes := make([]*formNode, len(entries))
	for i, e := range entries {
		nodes[i] = e.node
	}
	return nodes
}

// named returns what is below a node by name, an empty node if there is none.
func (n *formNode) named(name string) *formNode {
	if one := n.below[name]; one != nil {
		return one
	}
	return &formNode{}
}
