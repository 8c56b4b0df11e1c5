package insights

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// parser reads a query from left to right.
type parser struct {
	text  string
	pos   int
	depth int
	// stats is where the aggregates of a stats command are gathered while its columns are read.
	stats  *[]aggregate
	inside bool // an aggregate's arguments are read, in which there are no others
}

func (p *parser) fail(reason string) error { return &SyntaxError{reason, p.pos} }

func (p *parser) unexpected() error {
	if p.pos >= len(p.text) {
		return p.fail("unexpected end of the query")
	}
	_, n := utf8.DecodeRuneInString(p.text[p.pos:])
	return p.fail("unexpected symbol found " + p.text[p.pos:p.pos+n])
}

// space skips blanks and comments.
func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		case '#':
			end := strings.IndexByte(p.text[p.pos:], '\n')
			if end < 0 {
				end = len(p.text) - p.pos
			}
			p.pos += end
		default:
			return
		}
	}
}

func (p *parser) peek() byte {
	if p.pos >= len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

// take takes a symbol, if it is next.
func (p *parser) take(symbol string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.pos:], symbol) {
		return false
	}
	p.pos += len(symbol)
	return true
}

func isName(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '@' || b == '.' || b == '$'
}

// word takes a keyword in capitals or not.
func (p *parser) word(w string) bool {
	p.space()
	end := p.pos + len(w)
	if end > len(p.text) || !strings.EqualFold(p.text[p.pos:end], w) || end < len(p.text) && isName(p.text[end]) {
		return false
	}
	p.pos = end
	return true
}

// name reads a field's name, which may stand in backticks.
func (p *parser) name() (string, error) {
	p.space()
	if p.peek() == '`' {
		end := strings.IndexByte(p.text[p.pos+1:], '`')
		if end < 0 {
			return "", p.fail("a backtick isn't closed")
		}
		s := p.text[p.pos : p.pos+end+2]
		p.pos += len(s)
		return quoteName(s), nil
	}
	start := p.pos
	for isName(p.peek()) {
		p.pos++
	}
	if start == p.pos {
		return "", p.unexpected()
	}
	return p.text[start:p.pos], nil
}

func (p *parser) names() ([]string, error) {
	var list []string
	for {
		s, err := p.name()
		if err != nil {
			return nil, err
		}
		if list = append(list, s); !p.take(",") {
			return list, nil
		}
	}
}

// str reads text in quotation marks of either kind.
func (p *parser) str() (string, error) {
	p.space()
	quote := p.peek()
	if quote != '"' && quote != '\'' {
		return "", p.unexpected()
	}
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == quote:
			p.pos = i + 1
			return b.String(), nil
		case c == '\\' && i+1 < len(p.text):
			i++
			switch p.text[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(p.text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail("a quotation mark isn't closed")
}

// regex reads /expression/ with flags behind it.
func (p *parser) regex() (*regexp.Regexp, error) {
	p.space()
	if p.peek() != '/' {
		return nil, p.unexpected()
	}
	for i := p.pos + 1; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			i++
		case '/':
			expr := strings.ReplaceAll(p.text[p.pos+1:i], `\/`, `/`)
			expr = strings.ReplaceAll(expr, "(?<", "(?P<") // Java's way to name a group
			expr = strings.NewReplacer("(?P<=", "(?<=", "(?P<!", "(?<!").Replace(expr)
			if i+1 < len(p.text) && p.text[i+1] == 'i' {
				expr = "(?i)" + expr
				i++
			}
			re, err := regexp.Compile(expr)
			if err != nil {
				return nil, p.fail(err.Error())
			}
			p.pos = i + 1
			return re, nil
		}
	}
	return nil, p.fail("a regular expression isn't closed with /")
}

// number reads a number that can't be a name.
func (p *parser) number() (float64, bool) {
	p.space()
	start, i := p.pos, p.pos
	for i < len(p.text) && (p.text[i] >= '0' && p.text[i] <= '9' || p.text[i] == '.') {
		i++
	}
	f, err := strconv.ParseFloat(p.text[start:i], 64)
	if err != nil || i < len(p.text) && isName(p.text[i]) {
		return 0, false
	}
	p.pos = i
	return f, true
}

// period is a number of one of the units: a length of time, or months, which have none.
type period struct {
	length time.Duration
	months int
}

// period reads 5m, 1h, 30s, 1d, 1mo.
func (p *parser) period() (period, error) {
	p.space()
	start := p.pos
	for p.peek() >= '0' && p.peek() <= '9' {
		p.pos++
	}
	n, err := strconv.Atoi(p.text[start:p.pos])
	at := p.pos
	for p.peek() >= 'a' && p.peek() <= 'z' {
		p.pos++
	}
	unit, ok := units[p.text[at:p.pos]]
	switch {
	case !ok || err != nil || n < 1:
	case unit.months > 0 && n <= maxMonths/unit.months:
		return period{months: n * unit.months}, nil
	case unit.months == 0 && n <= int(math.MaxInt64/unit.length):
		return period{length: time.Duration(n) * unit.length}, nil
	}
	p.pos = start
	return period{}, p.fail("a period such as 5m is missing")
}

// maxMonths bounds a period of months.
const maxMonths = 12 * 1000

// units of time. Source: Insights, supported functions, the abbreviations of bin.
var units = map[string]period{
	"ms": {length: time.Millisecond}, "s": {length: time.Second}, "sec": {length: time.Second}, "m": {length: time.Minute}, "min": {length: time.Minute},
	"h": {length: time.Hour}, "hr": {length: time.Hour}, "d": {length: 24 * time.Hour}, "w": {length: 7 * 24 * time.Hour},
	"mo": {months: 1}, "mon": {months: 1}, "q": {months: 3}, "qtr": {months: 3}, "y": {months: 12}, "yr": {months: 12},
}

// command reads one command; nil for SOURCE, which names groups that the request names.
func (p *parser) command() (command, error) {
	switch {
	case p.word("source"):
		for p.pos < len(p.text) && p.peek() != '|' {
			p.pos++
		}
		return nil, nil
	case p.word("fields"):
		list, err := p.columns()
		return fieldsCommand{list, false}, err
	case p.word("display"):
		list, err := p.columns()
		return fieldsCommand{list, true}, err
	case p.word("filter"), p.word("where"):
		e, err := p.or()
		return filterCommand{e}, err
	case p.word("stats"):
		return p.statsCommand()
	case p.word("sort"), p.word("order by"):
		return p.sort()
	case p.word("limit"), p.word("head"):
		return p.limit()
	case p.word("dedup"):
		list, err := p.names()
		return dedupCommand(list), err
	case p.word("parse"):
		return p.parse()
	}
	return nil, p.unexpected()
}

// columns reads expressions with or without "as NAME".
func (p *parser) columns() ([]column, error) {
	var list []column
	for {
		c, err := p.column()
		if err != nil {
			return nil, err
		}
		if list = append(list, c); !p.take(",") {
			return list, nil
		}
	}
}

func (p *parser) column() (column, error) {
	p.space()
	start := p.pos
	e, err := p.or()
	if err != nil {
		return column{}, err
	}
	c := column{name: quoteName(strings.TrimSpace(p.text[start:p.pos])), of: e}
	if p.word("as") {
		c.name, err = p.name()
	}
	return c, err
}

// statsColumns reads what stats computes: aggregates, and what is made of them and of the
// columns before.
func (p *parser) statsColumns() (c statsCommand, err error) {
	p.stats = &c.aggregates
	defer func() { p.stats = nil }()
	for {
		p.space()
		start, before := p.pos, len(c.aggregates)
		col, err := p.column()
		if err != nil {
			return c, err
		}
		if before == len(c.aggregates) && len(c.columns) == 0 {
			p.pos = start
			return c, p.fail("there is no aggregate " + col.name)
		}
		if c.columns = append(c.columns, col); !p.take(",") {
			return c, nil
		}
	}
}

func (p *parser) statsCommand() (command, error) {
	c, err := p.statsColumns()
	if err != nil {
		return nil, err
	}
	if p.word("by") {
		c.by, err = p.columns()
	}
	return c, err
}

// aggregate reads the arguments of count(*), avg(x), pct(x, 99), …, behind the parenthesis,
// and returns where its result will be found.
func (p *parser) aggregate(fn string) (expression, error) {
	all := p.stats
	p.stats, p.inside = nil, true
	defer func() { p.stats, p.inside = all, false }()
	a, place := aggregate{fn: fn}, placeOf(len(*all))
	if a.fn == "count" && (p.take("*)") || p.take(")")) {
		*all = append(*all, a)
		return place, nil
	}
	var err error
	if a.of, err = p.or(); err != nil {
		return nil, err
	}
	if a.fn == "pct" || a.fn == "percentile" {
		ok := p.take(",")
		if ok {
			a.percent, ok = p.number()
		}
		if !ok || a.percent < 0 || a.percent > 100 {
			return nil, p.fail("pct takes a field and a number from 0 to 100")
		}
	}
	if !p.take(")") {
		return nil, p.unexpected()
	}
	*all = append(*all, a)
	return place, nil
}

func (p *parser) sort() (command, error) {
	var c sortCommand
	if at := p.pos; p.word("by") {
		if p.space(); p.pos == len(p.text) || p.peek() == ',' || p.peek() == '|' {
			p.pos = at // a field that is called so
		}
	}
	for {
		start := p.pos
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		// An aggregate that was not named is sorted by as it is written.
		key := sortKey{of: e, text: quoteName(strings.TrimSpace(p.text[start:p.pos]))}
		switch {
		case p.word("desc"):
			key.descending = true
		case p.word("asc"):
		}
		if c = append(c, key); !p.take(",") {
			return c, nil
		}
	}
}

func (p *parser) limit() (command, error) {
	n, ok := p.number()
	if !ok || n < 1 || n > MaxRows || n != float64(int(n)) {
		return nil, p.fail("limit takes a number from 1 to " + strconv.Itoa(MaxRows))
	}
	return limitCommand(n), nil
}

// parse reads parse [FIELD] "glob with *" as a, b, or parse [FIELD] /(?<a>…)/.
func (p *parser) parse() (command, error) {
	c := parseCommand{of: name("@message")}
	p.space()
	if b := p.peek(); b != '"' && b != '\'' && b != '/' {
		field, err := p.name() // no expression: what follows may be a /
		if err != nil {
			return nil, err
		}
		c.of = name(field)
	}
	p.space()
	if p.peek() == '/' {
		re, err := p.regex()
		if err != nil {
			return nil, err
		}
		c.re, c.names = re, re.SubexpNames()[1:]
		if !p.word("as") {
			return c, nil
		}
	} else {
		glob, err := p.str()
		if err != nil {
			return nil, err
		}
		parts := strings.Split(glob, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		expr := "(?s)" + strings.Join(parts, "(.*?)")
		if strings.HasSuffix(glob, "*") {
			expr += "$" // the last one takes the rest
		}
		if c.re, err = regexp.Compile(expr); err != nil {
			return nil, p.fail(err.Error())
		}
		if !p.word("as") {
			return nil, p.fail("parse names what it finds with as")
		}
	}
	var err error
	if c.names, err = p.names(); err == nil && len(c.names) != c.re.NumSubexp() {
		err = p.fail("parse names as many fields as its pattern has places")
	}
	return c, err
}
