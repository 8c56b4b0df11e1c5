package expression

import (
	"fmt"
	"strconv"
	"strings"
)

// Expression is a metric math expression that can be evaluated.
type Expression struct {
	root node
	refs []string
	all  bool
}

// References returns the ids that the expression uses, each once; all says that it uses
// METRICS(), so whatever there is.
func (e *Expression) References() (ids []string, all bool) { return e.refs, e.all }

// node is a part of an expression.
type node interface {
	eval(in *input) (Value, error)
}

type (
	number float64
	text   string
	ref    string
	unary  struct {
		op string
		of node
	}
	binary struct {
		op          string
		left, right node
	}
	list []node
	call struct {
		name string
		args []node
		f    function
	}
)

// maxDepth bounds nesting: expressions have 2,048 characters at most.
const maxDepth = 100

// parser reads an expression by recursive descent.
type parser struct {
	in    string
	pos   int
	depth int
	seen  map[string]bool
	out   Expression
}

// Parse reads an expression. Its error says what is wrong where.
func Parse(s string) (*Expression, error) {
	p := &parser{in: s, seen: map[string]bool{}}
	root, err := p.binary(0)
	if err == nil {
		if p.space(); p.pos < len(p.in) {
			err = p.errorf("unexpected %q", p.in[p.pos:min(len(p.in), p.pos+10)])
		}
	}
	if err != nil {
		return nil, err
	}
	p.out.root = root
	return &p.out, nil
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s at character %d", fmt.Sprintf(format, args...), p.pos+1)
}

func (p *parser) space() {
	for p.pos < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.pos]) >= 0 {
		p.pos++
	}
}

// levels are the binary operators, those that bind least first.
var levels = [][]string{
	{"||", "OR"}, {"&&", "AND"}, {"==", "!=", "<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/"},
}

// binary reads operations of a level and all that bind more.
func (p *parser) binary(level int) (node, error) {
	if level == len(levels) {
		return p.power()
	}
	left, err := p.binary(level + 1)
	for err == nil {
		op := p.operator(levels[level])
		if op == "" {
			return left, nil
		}
		var right node
		right, err = p.binary(level + 1)
		left = &binary{op, left, right}
	}
	return nil, err
}

// operator reads one of some operators; "" if there is none.
func (p *parser) operator(ops []string) string {
	p.space()
	for _, op := range ops {
		if !strings.HasPrefix(p.in[p.pos:], op) {
			continue
		}
		end := p.pos + len(op)
		if op[0] >= 'A' && end < len(p.in) && isName(p.in[end], false) { // a longer word
			continue
		}
		p.pos = end
		switch op {
		case "OR":
			return "||"
		case "AND":
			return "&&"
		}
		return op
	}
	return ""
}

// power reads a value with its exponent, which binds to the right.
func (p *parser) power() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf("nested too deeply")
	}
	defer func() { p.depth-- }()
	p.space()
	if p.pos < len(p.in) && (p.in[p.pos] == '-' || p.in[p.pos] == '!') {
		op := p.in[p.pos : p.pos+1]
		p.pos++
		of, err := p.power()
		return &unary{op, of}, err
	}
	base, err := p.primary()
	if err != nil || p.operator([]string{"^"}) == "" {
		return base, err
	}
	exponent, err := p.power()
	return &binary{"^", base, exponent}, err
}

func (p *parser) primary() (node, error) {
	p.space()
	if p.pos == len(p.in) {
		return nil, p.errorf("the expression ends early")
	}
	switch c := p.in[p.pos]; {
	case c == '(':
		p.pos++
		inner, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		return inner, p.expect(')')
	case c == '[':
		p.pos++
		items, err := p.items(']')
		return list(items), err
	case c == '"' || c == '\'':
		return p.text(c)
	case c == '.' || '0' <= c && c <= '9':
		return p.number()
	case isName(c, true):
		return p.word()
	}
	return nil, p.errorf("unexpected %q", p.in[p.pos])
}

func (p *parser) expect(c byte) error {
	p.space()
	if p.pos < len(p.in) && p.in[p.pos] == c {
		p.pos++
		return nil
	}
	return p.errorf("a %q is missing", c)
}

// items reads expressions between commas up to an end.
func (p *parser) items(end byte) ([]node, error) {
	var items []node
	p.space()
	if p.pos < len(p.in) && p.in[p.pos] == end {
		p.pos++
		return nil, nil
	}
	for {
		item, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if p.operator([]string{","}) == "" {
			return items, p.expect(end)
		}
	}
}

func (p *parser) text(quote byte) (node, error) {
	end := strings.IndexByte(p.in[p.pos+1:], quote)
	if end < 0 {
		return nil, p.errorf("a quotation mark is missing")
	}
	s := p.in[p.pos+1 : p.pos+1+end]
	p.pos += end + 2
	return text(s), nil
}

func (p *parser) number() (node, error) {
	start := p.pos
	for p.pos < len(p.in) && (p.in[p.pos] == '.' || '0' <= p.in[p.pos] && p.in[p.pos] <= '9') {
		p.pos++
	}
	if p.pos < len(p.in) && (p.in[p.pos] == 'e' || p.in[p.pos] == 'E') {
		p.pos++
		if p.pos < len(p.in) && (p.in[p.pos] == '+' || p.in[p.pos] == '-') {
			p.pos++
		}
		for p.pos < len(p.in) && '0' <= p.in[p.pos] && p.in[p.pos] <= '9' {
			p.pos++
		}
	}
	v, err := strconv.ParseFloat(p.in[start:p.pos], 64)
	if err != nil {
		return nil, p.errorf("%q is no number", p.in[start:p.pos])
	}
	return number(v), nil
}

// word reads an id, or a function with its arguments.
func (p *parser) word() (node, error) {
	start := p.pos
	for p.pos < len(p.in) && isName(p.in[p.pos], false) {
		p.pos++
	}
	name := p.in[start:p.pos]
	p.space()
	if p.pos < len(p.in) && p.in[p.pos] == '(' {
		return p.call(name)
	}
	switch name {
	case "REPEAT", "LINEAR": // how FILL fills
		return text(name), nil
	case "SELECT":
		return nil, p.errorf("Wick hasn't Metrics Insights queries (SELECT)")
	}
	if !p.seen[name] {
		p.seen[name] = true
		p.out.refs = append(p.out.refs, name)
	}
	return ref(name), nil
}

func (p *parser) call(name string) (node, error) {
	f, known := functions[name]
	if !known {
		return nil, p.errorf("Wick hasn't the function %s", name)
	}
	p.pos++
	args, err := p.items(')')
	if err != nil {
		return nil, err
	}
	if len(args) < f.least || len(args) > f.most {
		return nil, p.errorf("%s takes %s, there are %d arguments", name, f.takes(), len(args))
	}
	if name == "METRICS" || name == "METRIC_COUNT" && len(args) == 0 {
		p.out.all = true
	}
	return &call{name, args, f}, nil
}

func isName(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}
