package filter

import (
	"encoding/json"
	"strconv"
	"strings"
)

// path is a JSON selector: $.a.b[0] as its steps.
type path struct {
	text  string
	steps []step
}

// step goes into an object's member, an array's element, or with all into each.
type step struct {
	name  string
	index int // -1 when it is a name
	all   bool
}

// parseJSON reads { condition } over selectors.
func parseJSON(pattern string) (*Filter, error) {
	p := &parser{scanner: scanner{text: pattern, pos: 1}, ends: "})"}
	var paths []path
	p.selector = func() (any, error) {
		at, err := p.path()
		paths = append(paths, at)
		return at, err
	}
	condition, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take("}") {
		return nil, wrong("&&, || or } is missing at %q", p.text[p.pos:])
	}
	if p.space(); p.more() {
		return nil, wrong("text follows the }: %q", p.text[p.pos:])
	}
	return &Filter{hasRegex: p.regexes > 0, match: func(message string, extract map[string]string) bool {
		if i := strings.IndexFunc(message, func(r rune) bool { return r > ' ' }); i < 0 || message[i] != '{' && message[i] != '[' {
			return false
		}
		d := json.NewDecoder(strings.NewReader(message))
		d.UseNumber()
		var root any
		if d.Decode(&root) != nil {
			return false
		}
		find := func(selector any) []value {
			at, _ := selector.(path) // parseJSON has no others
			return valuesAt(root, at.steps, nil)
		}
		if !condition.holds(find) {
			return false
		}
		for _, at := range paths {
			if vs := find(at); extract != nil && len(vs) > 0 {
				extract[at.text] = vs[0].text
			}
		}
		return true
	}}, nil
}

// path reads a selector.
func (p *parser) path() (path, error) {
	if !p.take("$") {
		return path{}, wrong("a selector that begins with $ is missing at %q", p.text[p.pos:])
	}
	start := p.pos - 1
	var steps []step
	for {
		switch p.peek() {
		case '.':
			p.pos++
			if p.peek() == '[' {
				continue // $.['name'] is $['name']
			}
			from := p.pos
			for p.more() && !isSpace(p.peek()) && strings.IndexByte(`.[]()=!<>&|{},"%`, p.peek()) < 0 {
				p.pos++
			}
			name := p.text[from:p.pos]
			if name == "" {
				return path{}, wrong("a selector ends in a dot")
			}
			steps = append(steps, step{name: name, index: -1, all: name == "*"})
		case '[':
			st, err := p.bracket()
			if err != nil {
				return path{}, err
			}
			steps = append(steps, st)
		default:
			return path{p.text[start:p.pos], steps}, nil
		}
	}
}

// bracket reads [0], [*], ['name'] or ["name"].
func (p *parser) bracket() (step, error) {
	p.pos++
	p.space()
	var st step
	switch c := p.peek(); c {
	case '\'', '"':
		end := strings.IndexByte(p.text[p.pos+1:], c)
		if end < 0 {
			return st, wrong("a quotation mark isn't closed")
		}
		st = step{name: p.text[p.pos+1 : p.pos+1+end], index: -1}
		p.pos += end + 2
	case '*':
		st.all = true
		p.pos++
	default:
		from := p.pos
		for p.peek() >= '0' && p.peek() <= '9' {
			p.pos++
		}
		n, err := strconv.Atoi(p.text[from:p.pos])
		if err != nil {
			return st, wrong("an array's index is a number or *")
		}
		st.index = n
	}
	if !p.take("]") {
		return st, wrong("a bracket isn't closed")
	}
	return st, nil
}

// valuesAt appends the values that steps lead to from a place in a document.
func valuesAt(at any, steps []step, found []value) []value {
	if len(steps) == 0 {
		return append(found, valueOf(at))
	}
	st, rest := steps[0], steps[1:]
	switch at := at.(type) {
	case map[string]any:
		if st.all {
			for _, v := range at {
				found = valuesAt(v, rest, found)
			}
		} else if v, ok := at[st.name]; ok && st.index < 0 {
			found = valuesAt(v, rest, found)
		}
	case []any:
		if st.all {
			for _, v := range at {
				found = valuesAt(v, rest, found)
			}
		} else if st.index >= 0 && st.index < len(at) {
			found = valuesAt(at[st.index], rest, found)
		}
	}
	return found
}

func valueOf(v any) value {
	switch v := v.(type) {
	case string:
		return value{text: v}
	case json.Number:
		n, _ := v.Float64() // out of range is infinite, which compares rightly
		return value{kind: isNumber, text: v.String(), num: n}
	case bool:
		if v {
			return value{kind: isTrue, text: "true"}
		}
		return value{kind: isFalse, text: "false"}
	case nil:
		return value{kind: isNull, text: "null"}
	}
	b, _ := json.Marshal(v) // it came out of JSON
	return value{kind: isCompound, text: string(b)}
}
