package insights

import (
	"math"
	"regexp"
	"strings"
	"time"
)

// expression is evaluated for a row.
type expression interface{ eval(r *row) any }

type (
	name    string
	literal struct{ v any }
	not     struct{ of expression }
	binary  struct {
		op   string
		a, b expression
	}
	// like is like and =~ with a text or a regular expression.
	like struct {
		of   expression
		text expression
		re   *regexp.Regexp
	}
	in struct {
		of   expression
		list []expression
	}
	// bin is a time cut off to a period.
	bin struct {
		of     expression
		period period
		up     bool
	}
	call struct {
		fn   func([]any) any
		args []expression
	}
)

func (n name) eval(r *row) any  { return r.get(string(n)) }
func (l literal) eval(*row) any { return l.v }
func (n not) eval(r *row) any   { return !truth(n.of.eval(r)) }
func (c call) eval(r *row) any {
	args := make([]any, len(c.args))
	for i, a := range c.args {
		args[i] = a.eval(r)
	}
	return c.fn(args)
}

func (l like) eval(r *row) any {
	v := l.of.eval(r)
	if v == nil {
		return false
	}
	if l.re != nil {
		return l.re.MatchString(text(v))
	}
	return strings.Contains(text(v), text(l.text.eval(r)))
}

func (i in) eval(r *row) any {
	v := i.of.eval(r)
	for _, e := range i.list {
		if v != nil && compare(v, e.eval(r)) == 0 {
			return true
		}
	}
	return false
}

func (b bin) eval(r *row) any {
	n, ok := number(b.of.eval(r))
	if !ok {
		return nil
	}
	ms := int64(n)
	if months := b.period.months; months > 0 {
		at := time.UnixMilli(ms).UTC()
		month := at.Year()*12 + int(at.Month()) - 1
		cut := time.Date(0, time.Month(month-month%months+1), 1, 0, 0, 0, 0, time.UTC)
		if b.up && cut.Before(at) {
			cut = cut.AddDate(0, months, 0)
		}
		return cut
	}
	length := b.period.length.Milliseconds()
	cut := ms - ((ms%length)+length)%length
	if b.up && cut != ms {
		cut += length
	}
	return time.UnixMilli(cut).UTC()
}

func (b binary) eval(r *row) any {
	switch b.op {
	case "or":
		return truth(b.a.eval(r)) || truth(b.b.eval(r))
	case "and":
		return truth(b.a.eval(r)) && truth(b.b.eval(r))
	}
	x, y := b.a.eval(r), b.b.eval(r)
	switch b.op {
	case "=", "!=", "<", "<=", ">", ">=":
		if x == nil || y == nil {
			return b.op == "!=" && (x == nil) != (y == nil)
		}
		c := compare(x, y)
		return map[string]bool{"=": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[b.op]
	}
	m, ok1 := number(x)
	n, ok2 := number(y)
	if !ok1 || !ok2 {
		return nil
	}
	var f float64
	switch b.op {
	case "+":
		f = m + n
	case "-":
		f = m - n
	case "*":
		f = m * n
	case "/":
		f = m / n
	case "%":
		f = math.Mod(m, n)
	default:
		f = math.Pow(m, n)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

// maxNesting bounds expressions in expressions.
const maxNesting = 200

func (p *parser) or() (expression, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail("the expression is too deep")
	}
	defer func() { p.depth-- }()
	return p.chain(p.and, func() string {
		if p.word("or") {
			return "or"
		}
		return ""
	})
}

// chain reads operands with operators of one rank between them.
func (p *parser) chain(operand func() (expression, error), operator func() string) (expression, error) {
	e, err := operand()
	for err == nil {
		op := operator()
		if op == "" {
			return e, nil
		}
		var b expression
		b, err = operand()
		e = binary{op, e, b}
	}
	return nil, err
}

func (p *parser) and() (expression, error) {
	return p.chain(p.negation, func() string {
		if p.word("and") {
			return "and"
		}
		return ""
	})
}

func (p *parser) negation() (expression, error) {
	if !p.word("not") {
		return p.comparison()
	}
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail("the expression is too deep")
	}
	defer func() { p.depth-- }()
	e, err := p.negation()
	return not{e}, err
}

func (p *parser) comparison() (expression, error) {
	e, err := p.sum()
	if err != nil {
		return nil, err
	}
	switch {
	case p.word("like"), p.take("=~"):
		return p.like(e)
	case p.word("in"):
		return p.in(e)
	case p.word("not"):
		var inner expression
		switch {
		case p.word("like"):
			inner, err = p.like(e)
		case p.word("in"):
			inner, err = p.in(e)
		default:
			err = p.unexpected()
		}
		return not{inner}, err
	}
	for _, op := range []string{"!=", "<=", ">=", "==", "=", "<", ">"} {
		if p.take(op) {
			b, err := p.sum()
			if op == "==" {
				op = "="
			}
			return binary{op, e, b}, err
		}
	}
	return e, nil
}

func (p *parser) like(of expression) (expression, error) {
	p.space()
	if p.peek() == '/' {
		re, err := p.regex()
		return like{of: of, re: re}, err
	}
	s, err := p.sum()
	return like{of: of, text: s}, err
}

func (p *parser) in(of expression) (expression, error) {
	if !p.take("[") && !p.take("(") {
		return nil, p.unexpected()
	}
	i := in{of: of}
	for {
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		if i.list = append(i.list, e); p.take(",") {
			continue
		}
		if p.take("]") || p.take(")") {
			return i, nil
		}
		return nil, p.unexpected()
	}
}

func (p *parser) symbol(symbols ...string) func() string {
	return func() string {
		for _, s := range symbols {
			if p.take(s) {
				return s
			}
		}
		return ""
	}
}

func (p *parser) sum() (expression, error)     { return p.chain(p.product, p.symbol("+", "-")) }
func (p *parser) product() (expression, error) { return p.chain(p.power, p.symbol("*", "/", "%")) }
func (p *parser) power() (expression, error)   { return p.chain(p.atom, p.symbol("^")) }

func (p *parser) atom() (expression, error) {
	p.space()
	switch b := p.peek(); {
	case b == '(':
		p.pos++
		e, err := p.or()
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		return e, err
	case b == '"' || b == '\'':
		s, err := p.str()
		return literal{s}, err
	case b == '-':
		p.pos++
		if p.depth++; p.depth > maxNesting {
			return nil, p.fail("the expression is too deep")
		}
		defer func() { p.depth-- }()
		e, err := p.atom()
		return binary{"-", literal{0.0}, e}, err
	}
	if n, ok := p.number(); ok {
		return literal{n}, nil
	}
	quoted := p.peek() == '`'
	s, err := p.name()
	if err != nil {
		return nil, err
	}
	if !quoted && p.peek() == '(' {
		p.pos++
		return p.call(s)
	}
	return name(s), nil
}

// call reads a function's arguments.
func (p *parser) call(fn string) (expression, error) {
	lower := strings.ToLower(fn)
	switch lower {
	case "bin", "datefloor", "dateceil":
		b := bin{of: name("@timestamp"), up: lower == "dateceil"}
		var err error
		if lower != "bin" {
			if b.of, err = p.or(); err != nil {
				return nil, err
			}
			if !p.take(",") {
				return nil, p.unexpected()
			}
		}
		if b.period, err = p.period(); err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.unexpected()
		}
		return b, nil
	}
	if aggregates[lower] && p.stats != nil {
		return p.aggregate(lower)
	}
	if aggregates[lower] && p.inside {
		return nil, p.fail("an aggregate in an aggregate: " + fn)
	}
	if aggregates[lower] { // an aggregate's column, as sort names it
		start := p.pos
		for p.pos < len(p.text) && p.peek() != ')' {
			p.pos++
		}
		if !p.take(")") {
			return nil, p.unexpected()
		}
		return name(fn + "(" + p.text[start:p.pos]), nil
	}
	f, ok := functions[lower]
	if !ok {
		return nil, p.fail("there is no function " + fn)
	}
	c := call{fn: f.eval}
	for !p.take(")") {
		if len(c.args) > 0 && !p.take(",") {
			return nil, p.unexpected()
		}
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, e)
	}
	if len(c.args) < f.least || len(c.args) > f.most {
		return nil, p.fail("wrong number of arguments of " + fn)
	}
	return c, nil
}
