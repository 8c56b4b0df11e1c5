package lambda

import (
	"fmt"
	"unicode/utf8"
)

// maxNesting bounds how deep arrays and objects of an event may be inside each other.
const maxNesting = 1000

// jsonFault is where and why an event isn't JSON.
type jsonFault struct {
	at  int // index of the byte that can't be there; len of the event when it ended early
	why string
}

// message words a fault as AWS's parser does: with the line and column after the
// byte that was wrong.
func (f *jsonFault) message(b []byte) string {
	line, column := 1, 1
	for _, c := range b[:min(f.at+1, len(b))] {
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
	}
	shown := b
	if len(shown) > 500 {
		shown = shown[:500]
	}
	source := string(shown)
	if len(shown) < len(b) {
		source += fmt.Sprintf("\"[truncated %d bytes]", len(b)-len(shown))
	} else {
		source += "\""
	}
	return fmt.Sprintf("%s\n at [Source: (byte[])\"%s; line: %d, column: %d]", f.why, toValidUTF8(source), line, column)
}

// toValidUTF8 keeps a message in JSON whatever bytes it quotes.
func toValidUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// checkJSON says what keeps b from being one JSON value; nil when nothing does. It is
// as strict as RFC 8259, checks that text is UTF-8, and doesn't allocate for events
// that are right.
func checkJSON(b []byte) *jsonFault {
	c := jsonChecker{b: b}
	c.space()
	if f := c.value(0); f != nil {
		return f
	}
	c.space()
	if c.i < len(b) {
		return c.unexpected("Expected space separating root-level values")
	}
	return nil
}

type jsonChecker struct {
	b []byte
	i int
}

const wantValue = "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

func (c *jsonChecker) space() {
	for c.i < len(c.b) && (c.b[c.i] == ' ' || c.b[c.i] == '\n' || c.b[c.i] == '\t' || c.b[c.i] == '\r') {
		c.i++
	}
}

// value reads one value; depth counts the arrays and objects it is in.
func (c *jsonChecker) value(depth int) *jsonFault {
	if c.i == len(c.b) {
		return c.ended()
	}
	switch ch := c.b[c.i]; {
	case ch == '{' || ch == '[':
		if depth == maxNesting {
			return &jsonFault{c.i, fmt.Sprintf("Document nesting depth (%d) exceeds the maximum allowed (%d)", depth+1, maxNesting)}
		}
		if ch == '{' {
			return c.object(depth + 1)
		}
		return c.array(depth + 1)
	case ch == '"':
		return c.text()
	case ch == '-' || ch >= '0' && ch <= '9':
		return c.number()
	case ch == 't':
		return c.literal("true")
	case ch == 'f':
		return c.literal("false")
	case ch == 'n':
		return c.literal("null")
	case isWord(ch):
		return c.unknownWord(c.i)
	}
	return c.unexpected(wantValue)
}

func (c *jsonChecker) object(depth int) *jsonFault {
	c.i++ // the brace
	c.space()
	if c.peek() == '}' {
		c.i++
		return nil
	}
	for {
		c.space()
		switch {
		case c.i == len(c.b):
			return c.ended()
		case c.b[c.i] != '"':
			return c.unexpected("was expecting double-quote to start field name")
		}
		if f := c.text(); f != nil {
			return f
		}
		c.space()
		switch {
		case c.i == len(c.b):
			return c.ended()
		case c.b[c.i] != ':':
			return c.unexpected("was expecting a colon to separate field name and value")
		}
		c.i++
		c.space()
		if f := c.value(depth); f != nil {
			return f
		}
		c.space()
		switch {
		case c.i == len(c.b):
			return c.ended()
		case c.b[c.i] == '}':
			c.i++
			return nil
		case c.b[c.i] != ',':
			return c.unexpected("was expecting comma to separate Object entries")
		}
		c.i++
	}
}

func (c *jsonChecker) array(depth int) *jsonFault {
	c.i++ // the bracket
	c.space()
	if c.peek() == ']' {
		c.i++
		return nil
	}
	for {
		c.space()
		if f := c.value(depth); f != nil {
			return f
		}
		c.space()
		switch {
		case c.i == len(c.b):
			return c.ended()
		case c.b[c.i] == ']':
			c.i++
			return nil
		case c.b[c.i] != ',':
			return c.unexpected("was expecting comma to separate Array entries")
		}
		c.i++
	}
}

// plain tells the bytes that stand for themselves in text: ASCII but for controls,
// the quote and the backslash.
var plain = func() (t [256]bool) {
	for ch := 0x20; ch < 0x80; ch++ {
		t[ch] = ch != '"' && ch != '\\'
	}
	return t
}()

// text reads a string, opening quote included.
func (c *jsonChecker) text() *jsonFault {
	i := c.i + 1
	for {
		for i < len(c.b) && plain[c.b[i]] {
			i++
		}
		if i == len(c.b) {
			c.i = i
			return c.ended()
		}
		switch ch := c.b[i]; {
		case ch == '"':
			c.i = i + 1
			return nil
		case ch == '\\':
			n, why := escape(c.b[i:])
			if why != "" {
				c.i = min(i+n, len(c.b))
				return &jsonFault{c.i, why}
			}
			i += n
		case ch < 0x20:
			return &jsonFault{i, fmt.Sprintf(
				"Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", ch)}
		default:
			r, n := utf8.DecodeRune(c.b[i:])
			if r == utf8.RuneError && n == 1 {
				if utf8.RuneStart(ch) && ch >= 0xC2 && ch < 0xF5 && i+1 < len(c.b) {
					return &jsonFault{i + 1, fmt.Sprintf("Invalid UTF-8 middle byte 0x%x", c.b[i+1])}
				}
				return &jsonFault{i, fmt.Sprintf("Invalid UTF-8 start byte 0x%x", ch)}
			}
			i += n
		}
	}
}

// escape returns the length of the escape b begins with, or what is wrong with it and
// after how many bytes.
func escape(b []byte) (n int, why string) {
	if len(b) < 2 {
		return 2, "Unexpected end-of-input in character escape sequence"
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
		for i := 2; i < 6; i++ {
			if i >= len(b) {
				return i, "Unexpected end-of-input in character escape sequence"
			}
			if !isHex(b[i]) {
				return i, fmt.Sprintf("Unexpected character (%s): expected a hex-digit for character escape sequence", show(b[i]))
			}
		}
		return 6, ""
	}
	return 1, fmt.Sprintf("Unrecognized character escape %s", show(b[1]))
}

// number reads a number as the grammar has it.
func (c *jsonChecker) number() *jsonFault {
	if c.peek() == '-' {
		c.i++
	}
	if c.peek() == '0' {
		c.i++
		if ch := c.peek(); ch >= '0' && ch <= '9' {
			return &jsonFault{c.i, "Invalid numeric value: Leading zeroes not allowed"}
		}
	} else if f := c.digits(); f != nil {
		return f
	}
	if c.peek() == '.' {
		c.i++
		if f := c.digits(); f != nil {
			return f
		}
	}
	if ch := c.peek(); ch == 'e' || ch == 'E' {
		c.i++
		if ch := c.peek(); ch == '+' || ch == '-' {
			c.i++
		}
		return c.digits()
	}
	return nil
}

func (c *jsonChecker) digits() *jsonFault {
	start := c.i
	for c.i < len(c.b) && c.b[c.i] >= '0' && c.b[c.i] <= '9' {
		c.i++
	}
	switch {
	case c.i > start:
		return nil
	case c.i == len(c.b):
		return c.ended()
	}
	return c.unexpected("expected digit to follow in a valid numeric value")
}

// literal reads null, true or false.
func (c *jsonChecker) literal(word string) *jsonFault {
	start := c.i
	for i := range len(word) {
		if c.peek() != word[i] {
			return c.unknownWord(start)
		}
		c.i++
	}
	if isWord(c.peek()) {
		return c.unknownWord(start)
	}
	return nil
}

// unknownWord is the fault of a word that is no literal.
func (c *jsonChecker) unknownWord(start int) *jsonFault {
	end := start
	for end < len(c.b) && end-start < 256 && isWord(c.b[end]) {
		end++
	}
	return &jsonFault{end, fmt.Sprintf(
		"Unrecognized token '%s': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", c.b[start:end])}
}

// unexpected is the fault of the byte at hand.
func (c *jsonChecker) unexpected(wanted string) *jsonFault {
	return &jsonFault{c.i, fmt.Sprintf("Unexpected character (%s): %s", show(c.b[c.i]), wanted)}
}

func (c *jsonChecker) ended() *jsonFault {
	return &jsonFault{len(c.b), "Unexpected end-of-input"}
}

// peek returns the byte at hand, 0 at the end.
func (c *jsonChecker) peek() byte {
	if c.i == len(c.b) {
		return 0
	}
	return c.b[c.i]
}

func show(ch byte) string {
	if ch < 0x20 || ch >= 0x7f {
		return fmt.Sprintf("(CTRL-CHAR, code %d)", ch)
	}
	return fmt.Sprintf("'%c' (code %d)", ch, ch)
}

func isWord(ch byte) bool {
	return ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || ch == '_'
}

func isHex(ch byte) bool {
	return ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'f' || ch >= 'A' && ch <= 'F'
}
