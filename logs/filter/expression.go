package filter

import (
	"regexp"
	"strconv"
	"strings"
)

// value is what a selector finds.
type value struct {
	kind kind
	text string // of a string; of a number as it stands in the message
	num  float64
}

type kind int

const (
	isString kind = iota
	isNumber
	isTrue
	isFalse
	isNull
	isCompound // an object or array: nothing but its being there can be asked
)

// expression is a condition over the values that selectors find.
type expression interface {
	holds(find func(selector any) []value) bool
}

type (
	anyOf  []expression
	allOf  []expression
	always struct{}
	// comparison holds when one of the values its selector finds does what op says.
	comparison struct {
		selector any
		op       string
		literal  literal
	}
)

func (l anyOf) holds(find func(any) []value) bool {
	for _, e := range l {
		if e.holds(find) {
			return true
		}
	}
	return false
}

func (l allOf) holds(find func(any) []value) bool {
	for _, e := range l {
		if !e.holds(find) {
			return false
		}
	}
	return true
}

func (always) holds(func(any) []value) bool { return true }

func (c comparison) holds(find func(any) []value) bool {
	found := find(c.selector)
	if c.op == opNotExists {
		return len(found) == 0
	}
	for _, v := range found {
		if c.literal.compare(c.op, v) {
			return true
		}
	}
	return false
}

// Operators beside =, !=, <, <=, > and >=.
const (
	opNotExists = "NOT EXISTS"
	opExists    = "EXISTS"
	opIs        = "IS"
)

// literal is what a value is compared with.
type literal struct {
	text    string
	number  bool // and it is one that isn't in quotes
	num     float64
	pattern *regexp.Regexp // of a regular expression, or of text with *
	is      kind           // of IS
}

func (l literal) compare(op string, v value) bool {
	switch op {
	case opIs:
		return v.kind == l.is
	case opExists:
		return true
	case "=", "!=":
		switch v.kind {
		case isString, isNumber:
			return l.equals(v) == (op == "=")
		case isTrue, isFalse:
			v.text = strconv.FormatBool(v.kind == isTrue)
			return l.equals(v) == (op == "=")
		}
		return false
	}
	n, ok := v.number()
	if !ok || !l.number {
		return false
	}
	switch op {
	case "<":
		return n < l.num
	case "<=":
		return n <= l.num
	case ">":
		return n > l.num
	}
	return n >= l.num
}

func (l literal) equals(v value) bool {
	if l.number {
		if n, ok := v.number(); ok {
			return n == l.num
		}
	}
	if l.pattern != nil {
		return l.pattern.MatchString(v.text)
	}
	return l.text == v.text
}

// number returns a value as a number; fields of text are numbers when they look so.
func (v value) number() (float64, bool) {
	if v.kind == isNumber {
		return v.num, true
	}
	return 0, false
}

// parser reads conditions: || over &&, parentheses, comparisons.
type parser struct {
	scanner
	depth int
	// selector reads what stands on the left of an operator.
	selector func() (any, error)
	// alone says that a selector without an operator is a condition that holds.
	alone bool
	ends  string // the bytes that end an unquoted literal
}

// maxNesting bounds parentheses in parentheses.
const maxNesting = 100

func (p *parser) or() (expression, error) {
	var list anyOf
	for {
		e, err := p.and()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !p.take("||") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func (p *parser) and() (expression, error) {
	var list allOf
	for {
		e, err := p.operand()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !p.take("&&") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func (p *parser) operand() (expression, error) {
	if !p.take("(") {
		return p.comparison()
	}
	if p.depth++; p.depth > maxNesting {
		return nil, wrong("too many parentheses")
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, wrong("a parenthesis isn't closed")
	}
	p.depth--
	return e, nil
}

func (p *parser) comparison() (expression, error) {
	selector, err := p.selector()
	if err != nil {
		return nil, err
	}
	c := comparison{selector: selector}
	switch {
	case p.word("IS"):
		c.op = opIs
		switch {
		case p.word("TRUE"):
			c.literal.is = isTrue
		case p.word("FALSE"):
			c.literal.is = isFalse
		case p.word("NULL"):
			c.literal.is = isNull
		default:
			return nil, wrong("IS is followed by TRUE, FALSE or NULL")
		}
		return c, nil
	case p.word("NOT"):
		c.op = opNotExists
		if !p.word("EXISTS") {
			return nil, wrong("NOT is followed by EXISTS")
		}
		return c, nil
	case p.word("EXISTS"):
		c.op = opExists
		return c, nil
	}
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(op) {
			c.op = op
			break
		}
	}
	if c.op == "" {
		if p.alone {
			return always{}, nil
		}
		return nil, wrong("a comparison is missing at %q", p.text[p.pos:])
	}
	if c.literal, err = p.literal(); err != nil {
		return nil, err
	}
	if strings.ContainsAny(c.op, "<>") && !c.literal.number {
		return nil, wrong("%s compares with a number", c.op)
	}
	return c, nil
}

func (p *parser) literal() (literal, error) {
	p.space()
	switch p.peek() {
	case '"':
		text, err := p.quoted()
		return wildcard(text), err
	case '%':
		re, err := p.regex()
		return literal{pattern: re}, err
	}
	start := p.pos
	for p.more() && !isSpace(p.peek()) && strings.IndexByte(p.ends, p.peek()) < 0 &&
		!strings.HasPrefix(p.text[p.pos:], "&&") && !strings.HasPrefix(p.text[p.pos:], "||") {
		p.pos++
	}
	text := p.text[start:p.pos]
	if text == "" {
		return literal{}, wrong("a value is missing")
	}
	l := wildcard(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil && looksNumeric(text) {
		l.number, l.num = true, n
	}
	return l, nil
}

// looksNumeric excludes what ParseFloat takes beside decimal numbers.
func looksNumeric(s string) bool {
	return s != "" && strings.Trim(s, "+-.eE0123456789") == "" && strings.ContainsAny(s, "0123456789")
}

// wildcard is text in which * stands for anything.
func wildcard(text string) literal {
	l := literal{text: text}
	if strings.Contains(text, "*") {
		parts := strings.Split(text, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		l.pattern = regexp.MustCompile(`(?s)\A` + strings.Join(parts, `.*`) + `\z`)
	}
	return l
}
