package traces

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wick-run/wick"
)

// Bounds of a filter expression: AWS has the first, the second keeps the parser's own
// stack small.
const (
	maxFilter = 2000
	maxDepth  = 50
)

// Filter is a parsed filter expression.
// Source: X-Ray developer guide, filter expressions.
type Filter struct{ e expression }

// Match says whether a trace passes.
func (f *Filter) Match(t *Trace) bool {
	return f.e == nil || f.e.match(&scope{trace: t, segments: t.Segments})
}

// ParseFilter reads a filter expression; "" is one that everything passes. Its errors
// are InvalidParameter and say where it stopped making sense.
func ParseFilter(text string) (*Filter, error) {
	if strings.TrimSpace(text) == "" {
		return &Filter{}, nil
	}
	if len(text) > maxFilter {
		return nil, wick.Errorf(wick.InvalidParameter, "Invalid filter expression: it has %d characters; %d are allowed.", len(text), maxFilter)
	}
	p := parser{text: text}
	p.next()
	e := p.or(0)
	if p.err == nil && p.token.kind != tokenEnd {
		p.fail("AND, OR or the end")
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Filter{e}, nil
}

// tokenKind is what a token is.
type tokenKind int

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a keyword: letters, digits, dots
	tokenText             // "…"
	tokenNumber           // 0.5
	tokenMark             // ( ) { } [ ] , : ! = != < > <= >=
)

type token struct {
	kind   tokenKind
	text   string
	number float64
	at     int
}

// parser reads by recursive descent; the first error stays.
type parser struct {
	text  string
	pos   int
	token token
	err   error
}

func (p *parser) fail(wanted string) {
	if p.err != nil {
		return
	}
	found := strconv.Quote(p.token.text)
	if p.token.kind == tokenEnd {
		found = "its end"
	}
	p.err = wick.Errorf(wick.InvalidParameter, "Invalid filter expression: at character %d there is %s instead of %s.", p.token.at+1, found, wanted)
	p.token = token{kind: tokenEnd, at: p.token.at}
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// next reads a token.
func (p *parser) next() {
	if p.err != nil {
		return
	}
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	at := p.pos
	if at == len(p.text) {
		p.token = token{kind: tokenEnd, at: at}
		return
	}
	c := p.text[at]
	switch {
	case c == '"':
		p.quoted()
	case c >= '0' && c <= '9', c == '-' && at+1 < len(p.text) && p.text[at+1] >= '0' && p.text[at+1] <= '9':
		for p.pos++; p.pos < len(p.text) && isWordByte(p.text[p.pos]); p.pos++ {
		}
		p.token = token{kind: tokenNumber, text: p.text[at:p.pos], at: at}
		var err error
		if p.token.number, err = strconv.ParseFloat(p.token.text, 64); err != nil {
			p.fail("a number")
		}
	case isWordByte(c):
		for ; p.pos < len(p.text) && isWordByte(p.text[p.pos]); p.pos++ {
		}
		p.token = token{kind: tokenWord, text: p.text[at:p.pos], at: at}
	default:
		n := 1
		if _, size := utf8.DecodeRuneInString(p.text[at:]); size > 1 {
			n = size
		} else if strings.IndexByte("!<>", c) >= 0 && strings.HasPrefix(p.text[at+1:], "=") {
			n = 2
		}
		p.pos += n
		p.token = token{kind: tokenMark, text: p.text[at:p.pos], at: at}
	}
}

// quoted reads "…", in which \" and \\ stand for themselves.
func (p *parser) quoted() {
	at := p.pos
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			p.token = token{kind: tokenText, text: b.String(), at: at}
			return
		case c == '\\' && p.pos+1 < len(p.text) && (p.text[p.pos+1] == '"' || p.text[p.pos+1] == '\\'):
			p.pos++
			b.WriteByte(p.text[p.pos])
		default:
			b.WriteByte(c)
		}
	}
	p.token = token{kind: tokenEnd, at: p.pos}
	p.fail(`a closing "`)
}

// mark takes a mark if it is the next token.
func (p *parser) mark(m string) bool {
	if p.token.kind != tokenMark || p.token.text != m {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(m string) {
	if !p.mark(m) {
		p.fail(m)
	}
}

// word takes one of AND, OR, … if it is the next token.
func (p *parser) word(w string) bool {
	if p.token.kind != tokenWord || !strings.EqualFold(p.token.text, w) {
		return false
	}
	p.next()
	return true
}

func (p *parser) or(depth int) expression {
	e := p.and(depth)
	for p.word("OR") {
		e = anyOf{e, p.and(depth)}
	}
	return e
}

func (p *parser) and(depth int) expression {
	e := p.not(depth)
	for p.word("AND") {
		e = allOf{e, p.not(depth)}
	}
	return e
}

func (p *parser) not(depth int) expression {
	if depth > maxDepth {
		p.fail("less nesting")
		return nil
	}
	switch {
	case p.mark("!"), p.word("NOT"):
		return negation{p.not(depth + 1)}
	case p.mark("("):
		e := p.or(depth + 1)
		p.expect(")")
		return e
	}
	return p.condition(depth)
}

// condition reads a keyword and what belongs to it.
func (p *parser) condition(depth int) expression {
	if p.token.kind != tokenWord {
		p.fail("a keyword")
		return nil
	}
	keyword := p.token.text
	switch lower := strings.ToLower(keyword); {
	case lower == "service":
		p.next()
		p.expect("(")
		e := ofService{id: p.identity(")")}
		p.expect(")")
		e.inner = p.block(depth)
		return e
	case lower == "edge":
		p.next()
		p.expect("(")
		e := ofEdge{from: p.identity(",")}
		p.expect(",")
		e.to = p.identity(")")
		p.expect(")")
		e.inner = p.block(depth)
		return e
	case lower == "annotation":
		p.next()
		p.expect("[")
		key := p.token.text
		if p.token.kind == tokenEnd || p.token.kind == tokenMark {
			p.fail("an annotation's key")
		}
		p.next()
		p.expect("]")
		return p.comparison(annotated(key))
	case strings.HasPrefix(lower, "annotation.") && len(keyword) > len("annotation."):
		p.next()
		return p.comparison(annotated(keyword[len("annotation."):]))
	case flags[lower] != nil:
		p.next()
		return p.flag(flags[lower])
	case values[lower] != nil:
		p.next()
		e := p.comparison(values[lower])
		if p.err == nil && e.operator == "" {
			p.fail("a comparison with " + keyword)
		}
		return e
	}
	p.fail("a keyword Wick knows")
	return nil
}

// flag reads what may follow a boolean keyword: = true, != false.
func (p *parser) flag(f func(*scope) bool) expression {
	negate := false
	switch {
	case p.mark("="):
	case p.mark("!="):
		negate = true
	default:
		return flag(f)
	}
	switch {
	case p.word("true"):
	case p.word("false"):
		negate = !negate
	default:
		p.fail("true or false")
	}
	if negate {
		return negation{flag(f)}
	}
	return flag(f)
}

// block reads { … } behind service() and edge().
func (p *parser) block(depth int) expression {
	if !p.mark("{") {
		return nil
	}
	if depth >= maxDepth {
		p.fail("less nesting")
		return nil
	}
	e := p.or(depth + 1)
	p.expect("}")
	return e
}

// identity reads which services are meant: "name", or id(name: "…", type: "…",
// account.id: "…"), or nothing for all.
func (p *parser) identity(end string) identity {
	var id identity
	switch {
	case p.token.kind == tokenMark && p.token.text == end:
	case p.token.kind == tokenText:
		id.name, id.named = p.token.text, true
		p.next()
	case p.word("id"):
		p.expect("(")
		for first := true; p.err == nil && !p.mark(")"); first = false {
			if !first {
				p.expect(",")
			}
			id.field(p)
		}
	default:
		p.fail(`a service's "name" or id(…)`)
	}
	return id
}

// field reads one field of id(…).
func (i *identity) field(p *parser) {
	name := p.token.text
	if p.token.kind != tokenWord {
		p.fail("name, type or account.id")
	}
	p.next()
	p.expect(":")
	if p.token.kind != tokenText {
		p.fail("a value in quotes")
	}
	value := p.token.text
	p.next()
	switch strings.ToLower(name) {
	case "name":
		i.name, i.named = value, true
	case "type":
		i.typ = value
	case "account.id":
		i.account = value
	default:
		p.fail("name, type or account.id")
	}
}

var comparisons = []string{"=", "!=", "<", ">", "<=", ">="}

// comparison reads an operator and a value; without one it asks whether there is any.
func (p *parser) comparison(of func(*scope) []any) comparison {
	c := comparison{of: of}
	switch {
	case p.token.kind == tokenMark && slices.Contains(comparisons, p.token.text):
		c.operator = p.token.text
	case p.token.kind == tokenWord:
		switch w := strings.ToUpper(p.token.text); w {
		case "CONTAINS", "BEGINSWITH", "ENDSWITH":
			c.operator = w
		default:
			return c
		}
	default:
		return c
	}
	p.next()
	switch p.token.kind {
	case tokenText:
		c.value = p.token.text
	case tokenNumber:
		c.value = p.token.number
	case tokenWord:
		switch strings.ToLower(p.token.text) {
		case "true":
			c.value = true
		case "false":
			c.value = false
		}
	}
	if c.value == nil {
		p.fail("a value: a number, true, false or text in quotes")
		return c
	}
	if _, isNumber := c.value.(float64); !isNumber && strings.ContainsAny(c.operator, "<>") {
		p.fail(fmt.Sprintf("a number behind %s", c.operator))
	}
	if _, isText := c.value.(string); !isText && c.operator[0] >= 'A' && c.operator[0] <= 'Z' {
		p.fail("text in quotes behind " + c.operator)
	}
	p.next()
	return c
}
