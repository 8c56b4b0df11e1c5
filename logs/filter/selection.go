package filter

import (
	"fmt"
	"slices"
	"strings"
)

// The system fields of records, of which criteria are made. Source: CloudWatch Logs,
// PutSubscriptionFilter, fieldSelectionCriteria and emitSystemFields.
const (
	AccountField = "@aws.account"
	RegionField  = "@aws.region"
	SourceField  = "@source.log"
)

// SystemFields are all there are.
var SystemFields = []string{AccountField, RegionField, SourceField}

// Selection is an expression over the system fields of records, such as
//
//	@aws.region = "us-east-1" AND @aws.account NOT IN ["111111111111"]
type Selection struct{ of condition }

// condition is a part of a Selection.
type condition func(field func(name string) string) bool

// ParseSelection reads an expression: fields compared with =, !=, IN and NOT IN, joined
// with AND, OR, NOT and parentheses. An empty one selects everything. Its error says what
// is wrong with it.
func ParseSelection(text string) (*Selection, error) {
	p := &selectionParser{text: text}
	p.next()
	if p.word == "" && p.err == "" {
		return &Selection{func(func(string) string) bool { return true }}, nil
	}
	c := p.or(0)
	if p.err == "" && p.word != "" {
		p.fail("unexpected " + p.word)
	}
	if p.err != "" {
		return nil, fmt.Errorf("the field selection criteria are invalid: %s", p.err)
	}
	return &Selection{c}, nil
}

// Match says whether a record whose fields are these is selected.
func (s *Selection) Match(field func(name string) string) bool { return s.of(field) }

// maxSelectionDepth bounds parentheses in parentheses.
const maxSelectionDepth = 50

// selectionParser reads from left to right, a word ahead.
type selectionParser struct {
	text   string
	word   string // what is next: a name, a symbol or a text; "" at the end
	quoted bool   // word is a text
	err    string
}

func (p *selectionParser) fail(reason string) condition {
	if p.err == "" {
		p.err = reason
	}
	p.word, p.text = "", ""
	return func(func(string) string) bool { return false }
}

// next reads the next word.
func (p *selectionParser) next() {
	p.text, p.word, p.quoted = strings.TrimLeft(p.text, " \t\r\n"), "", false
	if p.text == "" {
		return
	}
	n := 1
	switch c := p.text[0]; {
	case c == '"' || c == '\'':
		end := strings.IndexByte(p.text[1:], c)
		if end < 0 {
			p.fail("a quotation mark isn't closed")
			return
		}
		p.word, p.quoted, p.text = p.text[1:1+end], true, p.text[end+2:]
		return
	case strings.HasPrefix(p.text, "!="):
		n = 2
	case !strings.ContainsRune("=()[],", rune(c)):
		if n = strings.IndexAny(p.text, " \t\r\n=!()[],\"'"); n < 0 {
			n = len(p.text)
		}
		n = max(n, 1)
	}
	p.word, p.text = p.text[:n], p.text[n:]
}

// take takes a symbol or a keyword, in capitals or not, if it is next.
func (p *selectionParser) take(word string) bool {
	if p.quoted || !strings.EqualFold(p.word, word) {
		return false
	}
	p.next()
	return true
}

func (p *selectionParser) or(depth int) condition {
	c := p.and(depth)
	for p.take("OR") {
		a, b := c, p.and(depth)
		c = func(f func(string) string) bool { return a(f) || b(f) }
	}
	return c
}

func (p *selectionParser) and(depth int) condition {
	c := p.one(depth)
	for p.take("AND") {
		a, b := c, p.one(depth)
		c = func(f func(string) string) bool { return a(f) && b(f) }
	}
	return c
}

func (p *selectionParser) one(depth int) condition {
	switch {
	case depth > maxSelectionDepth:
		return p.fail("it is too deep")
	case p.take("NOT"):
		c := p.one(depth + 1)
		return func(f func(string) string) bool { return !c(f) }
	case p.take("("):
		c := p.or(depth + 1)
		if !p.take(")") {
			return p.fail("a parenthesis isn't closed")
		}
		return c
	}
	return p.comparison()
}

func (p *selectionParser) comparison() condition {
	name := p.word
	if p.quoted || !slices.Contains(SystemFields, name) {
		return p.fail("a field is expected, one of " + strings.Join(SystemFields, ", "))
	}
	p.next()
	not := false
	var values []string
	switch {
	case p.take("="):
		values = p.values(false)
	case p.take("!="):
		not, values = true, p.values(false)
	case p.take("IN"):
		values = p.values(true)
	case p.take("NOT") && p.take("IN"):
		not, values = true, p.values(true)
	default:
		return p.fail("=, !=, IN or NOT IN is expected after " + name)
	}
	return func(f func(string) string) bool { return slices.Contains(values, f(name)) != not }
}

// values reads a text, or a list of them.
func (p *selectionParser) values(list bool) []string {
	if list && !p.take("[") {
		p.fail("a list in [ ] is expected")
		return nil
	}
	var values []string
	for {
		if !p.quoted {
			p.fail("a text in quotation marks is expected")
			return nil
		}
		values = append(values, p.word)
		if p.next(); !list {
			return values
		}
		if p.take(",") {
			continue
		}
		if !p.take("]") {
			p.fail("a list isn't closed")
		}
		return values
	}
}
