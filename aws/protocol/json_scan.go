package protocol

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// open reads the opening of a container, or says what else is there.
func (d *decoder) open(brace byte, otherwise string) error {
	d.space()
	if d.depth++; d.depth > maxDepth {
		return serialization("The document is nested too deeply")
	}
	if d.peek() == brace {
		d.pos++
		return nil
	}
	switch d.token() {
	case "":
		return errSyntax
	case "{":
		return serialization("Start of structure or map found where not expected.")
	case "[":
		return serialization("Start of list found where not expected")
	}
	return serialization(otherwise)
}

// member reads an object's next name and its colon, or its end.
func (d *decoder) member(first bool) (name string, more bool, err error) {
	d.space()
	switch b := d.next(); {
	case b == '}':
		d.depth--
		return "", false, nil
	case b == ',' && !first:
		d.space()
	case b == '"' && first:
		d.pos--
	default:
		return "", false, errSyntax
	}
	if name, err = d.str(); err != nil {
		return "", false, err
	}
	if d.space(); d.next() != ':' {
		return "", false, errSyntax
	}
	return name, true, nil
}

// skip reads over a value of any kind.
func (d *decoder) skip() error {
	d.space()
	switch d.token() {
	case tokenString:
		_, _, err := d.rawString()
		return err
	case tokenNumber:
		_, err := d.number()
		return err
	case tokenTrue:
		return d.literal("true")
	case tokenFalse:
		return d.literal("false")
	case "{":
		if err := d.open('{', ""); err != nil {
			return err
		}
		for first := true; ; first = false {
			if _, more, err := d.member(first); err != nil || !more {
				return err
			}
			if err := d.skip(); err != nil {
				return err
			}
		}
	case "[":
		if err := d.open('[', ""); err != nil {
			return err
		}
		for i := 0; ; i++ {
			if d.space(); d.peek() == ']' && i == 0 {
				d.pos++
				d.depth--
				return nil
			}
			if err := d.skip(); err != nil {
				return err
			}
			d.space()
			switch d.next() {
			case ',':
			case ']':
				d.depth--
				return nil
			default:
				return errSyntax
			}
		}
	}
	return d.literal("null")
}

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) peek() byte {
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

// next reads a byte; 0 at the end, which no grammar rule accepts.
func (d *decoder) next() byte {
	b := d.peek()
	d.pos++
	return b
}

func (d *decoder) literal(word string) error {
	if d.pos <= len(d.data) && bytes.HasPrefix(d.data[d.pos:], []byte(word)) {
		d.pos += len(word)
		return nil
	}
	return errSyntax
}

// number reads a number's text by JSON's grammar.
func (d *decoder) number() (string, error) {
	start := d.pos
	if d.peek() == '-' {
		d.pos++
	}
	if d.peek() == '0' {
		d.pos++
	} else if d.digits() == 0 {
		return "", errSyntax
	}
	if d.peek() == '.' {
		d.pos++
		if d.digits() == 0 {
			return "", errSyntax
		}
	}
	if b := d.peek(); b == 'e' || b == 'E' {
		d.pos++
		if b := d.peek(); b == '+' || b == '-' {
			d.pos++
		}
		if d.digits() == 0 {
			return "", errSyntax
		}
	}
	return string(d.data[start:d.pos]), nil
}

func (d *decoder) digits() int {
	start := d.pos
	for b := d.peek(); '0' <= b && b <= '9'; b = d.peek() {
		d.pos++
	}
	return d.pos - start
}

func (d *decoder) str() (string, error) {
	raw, plain, err := d.rawString()
	if err != nil {
		return "", err
	}
	if plain && utf8.Valid(raw) {
		return string(raw), nil
	}
	return unescape(raw)
}

// rawString reads a string and returns what is between its quotes; plain says that
// it has no escapes.
func (d *decoder) rawString() (raw []byte, plain bool, err error) {
	if d.next() != '"' {
		return nil, false, errSyntax
	}
	start, plain := d.pos, true
	for d.pos < len(d.data) {
		switch b := d.data[d.pos]; {
		case b == '"':
			d.pos++
			return d.data[start : d.pos-1], plain, nil
		case b == '\\':
			plain = false
			n := escapeLen(d.data[d.pos:])
			if n == 0 {
				return nil, false, errSyntax
			}
			d.pos += n
		case b < ' ':
			return nil, false, errSyntax
		default:
			d.pos++
		}
	}
	return nil, false, errSyntax
}

// escapeLen returns how many bytes the escape at the start of raw has, 0 if it is none
// of JSON's: a string that is only read over must be one, too.
func escapeLen(raw []byte) int {
	if len(raw) < 2 {
		return 0
	}
	switch raw[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, err := hex4(raw); err == nil {
			return 6
		}
	}
	return 0
}

var errEscape = errors.New("bad escape")

// unescape resolves a string's escapes and replaces what isn't UTF-8.
func unescape(raw []byte) (string, error) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		b := raw[i]
		if b != '\\' {
			if b < utf8.RuneSelf {
				out = append(out, b)
				i++
				continue
			}
			r, n := utf8.DecodeRune(raw[i:])
			out = utf8.AppendRune(out, r)
			i += n
			continue
		}
		if i+1 >= len(raw) {
			return "", errSyntax
		}
		switch e := raw[i+1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n, err := unicodeEscape(raw[i:])
			if err != nil {
				return "", errSyntax
			}
			out = utf8.AppendRune(out, r)
			i += n
			continue
		default:
			return "", errSyntax
		}
		i += 2
	}
	return string(out), nil
}

// unicodeEscape reads \uXXXX, and a second one where the two are a surrogate pair.
func unicodeEscape(raw []byte) (r rune, n int, err error) {
	first, err := hex4(raw)
	if err != nil {
		return 0, 0, err
	}
	if utf16.IsSurrogate(first) {
		if second, err := hex4(raw[6:]); err == nil {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r, 12, nil
			}
		}
		return utf8.RuneError, 6, nil
	}
	return first, 6, nil
}

func hex4(raw []byte) (rune, error) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, errEscape
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return 0, errEscape
	}
	return rune(n), nil
}
