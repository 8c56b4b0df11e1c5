package filter

import (
	"strconv"
	"strings"
)

// fieldPattern is one entry of a space-delimited pattern.
type fieldPattern struct {
	name      string
	condition expression
}

// parseFields reads [name, name condition, ..., name]: one entry for each field of the
// message, with "..." for any number of them.
func parseFields(pattern string) (*Filter, error) {
	p := &parser{scanner: scanner{text: pattern, pos: 1}, alone: true, ends: ",])"}
	var fields []fieldPattern
	gap := -1 // the index in fields that "..." stands before
	for {
		if p.take("...") {
			if gap >= 0 {
				return nil, wrong("... stands in it more than once")
			}
			gap = len(fields)
		} else {
			f, err := p.field()
			if err != nil {
				return nil, err
			}
			fields = append(fields, f)
		}
		if p.take(",") {
			continue
		}
		if !p.take("]") {
			return nil, wrong("a comma or ] is missing at %q", p.text[p.pos:])
		}
		break
	}
	if p.space(); p.more() {
		return nil, wrong("text follows the ]: %q", p.text[p.pos:])
	}
	return &Filter{hasRegex: p.regexes > 0, match: func(message string, extract map[string]string) bool {
		return matchFields(fields, gap, splitFields(message), extract)
	}}, nil
}

// field reads one entry. All conditions in it are about the one field.
func (p *parser) field() (fieldPattern, error) {
	var f fieldPattern
	p.selector = func() (any, error) {
		p.space()
		start := p.pos
		for p.more() && !isSpace(p.peek()) && !strings.ContainsRune(`,]()=!<>&|`, rune(p.peek())) {
			p.pos++
		}
		if name := p.text[start:p.pos]; f.name == "" {
			f.name = name
		} else if name != f.name {
			return nil, wrong("the conditions of one field name two: %s and %s", f.name, name)
		}
		return nil, nil
	}
	var err error
	f.condition, err = p.or()
	return f, err
}

func matchFields(fields []fieldPattern, gap int, found []string, extract map[string]string) bool {
	switch {
	case gap < 0 && len(found) != len(fields), len(found) < len(fields):
		return false
	}
	skipped := len(found) - len(fields)
	for i, f := range fields {
		at := i
		if gap >= 0 && i >= gap {
			at += skipped
		}
		v := value{text: found[at]}
		if n, err := strconv.ParseFloat(v.text, 64); err == nil && looksNumeric(v.text) {
			v.kind, v.num = isNumber, n
		}
		if !f.condition.holds(func(any) []value { return []value{v} }) {
			return false
		}
	}
	if extract == nil {
		return true
	}
	for at, text := range found {
		name := strconv.Itoa(at + 1) // of those that have none
		i := at
		if gap >= 0 && at >= gap+skipped {
			i -= skipped
		} else if gap >= 0 && at >= gap {
			i = len(fields)
		}
		if i < len(fields) && fields[i].name != "" {
			name = fields[i].name
		}
		extract["$"+name] = text
	}
	return true
}

// splitFields splits a message at spaces; what is in [brackets] or "quotes" is one
// field, without them.
func splitFields(message string) []string {
	var fields []string
	rest := strings.TrimSpace(message)
	for rest != "" {
		end, skip := 0, 0
		switch rest[0] {
		case '[':
			end, skip = strings.IndexByte(rest, ']'), 1
		case '"':
			if i := strings.IndexByte(rest[1:], '"'); i >= 0 {
				end, skip = i+1, 1
			}
		}
		if skip == 0 || end < skip {
			if end = strings.IndexAny(rest, " \t\r\n"); end < 0 {
				end = len(rest)
			}
			skip = 0
		}
		fields = append(fields, rest[skip:end])
		rest = strings.TrimLeft(rest[min(end+skip, len(rest)):], " \t\r\n")
	}
	return fields
}
