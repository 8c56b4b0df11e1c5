package protocol

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/wick-run/wick/aws/models"
)

// appendStruct writes a structure's body members in the model's order. Unset
// members are left out; an empty list or map that isn't nil is written.
func appendStruct(b []byte, c *codec, v reflect.Value) []byte {
	b = append(b, '{')
	first := true
	for i := range c.fields {
		f := &c.fields[i]
		value := v.Field(f.index)
		if f.member.Location != models.Body || f.absent(value) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, f.member.WireName)
		b = append(b, ':')
		b = appendValue(b, f.codec, value, f.member)
	}
	return append(b, '}')
}

// appendValue writes one value. The member is where it stands, for its timestamp
// format; nil inside lists and maps.
func appendValue(b []byte, c *codec, v reflect.Value, m *models.Member) []byte {
	if c.pointer {
		if v.IsNil() { // in a list or map
			return append(b, "null"...)
		}
		v = v.Elem()
	}
	switch c.kind {
	case kindString:
		return appendString(b, v.String())
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		return appendFloat(b, v.Float(), c.typ.Bits())
	case kindBlob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case kindTime:
		format := formatEpoch
		if m != nil {
			format = timestampFormat(m)
		}
		return appendTimestamp(b, v.Interface().(time.Time), format, true)
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, c.element, v.Index(i), nil)
		}
		return append(b, ']')
	case kindMap:
		b = append(b, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, k.String())
			b = append(b, ':')
			b = appendValue(b, c.element, v.MapIndex(k), nil)
		}
		return append(b, '}')
	}
	return appendStruct(b, c, v)
}

// appendFloat writes a float with a fraction, as Java does, and those JSON lacks as
// strings.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	start := len(b)
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e15) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, bits)
	for _, c := range b[start:] {
		if c == '.' || c == 'e' {
			return b
		}
	}
	return append(b, ".0"...)
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, s[from:i]...)
				b = append(b, "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		from = i
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
