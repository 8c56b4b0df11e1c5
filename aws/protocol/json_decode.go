package protocol

import (
	"encoding/base64"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick/aws/models"
)

// decoder reads a JSON document into the SDK's structs and checks it against the
// model on the way, while it still knows what was there and what wasn't. Members
// the model doesn't know are skipped, as AWS does.
type decoder struct {
	data   []byte
	pos    int
	depth  int
	broken *violations
}

// maxDepth bounds the nesting of a document.
const maxDepth = 512

// serialization is the error for a document of the wrong form.
func serialization(message string) error {
	return &wireError{code: "SerializationException", status: http.StatusBadRequest, message: message, capital: true}
}

var errSyntax = serialization("Could not parse request body into json")

// document reads the whole body as a structure; an empty one is as good as {}.
func (d *decoder) document(c *codec, v reflect.Value, at *path) error {
	d.space()
	if d.pos == len(d.data) {
		d.missing(c, at, nil)
		return nil
	}
	if d.data[d.pos] == 'n' {
		if err := d.literal("null"); err != nil {
			return err
		}
		d.missing(c, at, nil)
	} else if err := d.structure(c, v, at); err != nil {
		return err
	}
	if d.space(); d.pos != len(d.data) {
		return errSyntax
	}
	return nil
}

// value reads any value into v; null leaves v as it is and returns false.
func (d *decoder) value(c *codec, v reflect.Value, at *path) (present bool, err error) {
	d.space()
	if d.peek() == 'n' {
		return false, d.literal("null")
	}
	if c.pointer {
		p := reflect.New(c.typ)
		if err := d.present(c, p.Elem(), at); err != nil {
			return false, err
		}
		v.Set(p)
		return true, nil
	}
	return true, d.present(c, v, at)
}

func (d *decoder) present(c *codec, v reflect.Value, at *path) error {
	switch c.kind {
	case kindStruct:
		return d.structure(c, v, at)
	case kindList:
		return d.list(c, v, at)
	case kindMap:
		return d.mapping(c, v, at)
	}
	return d.scalar(c, v, at)
}

func (d *decoder) structure(c *codec, v reflect.Value, at *path) error {
	if err := d.open('{', "Unexpected field type"); err != nil {
		return err
	}
	var seenBuf [64]bool
	seen := seenBuf[:]
	if len(c.fields) > len(seen) {
		seen = make([]bool, len(c.fields))
	}
	for first := true; ; first = false {
		name, more, err := d.member(first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		i, known := c.byName[name]
		if !known {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		f := &c.fields[i]
		here := path{parent: at, member: f.member, index: i}
		present, err := d.value(f.codec, v.Field(f.index), &here)
		if err != nil {
			return err
		}
		seen[i] = seen[i] || present
	}
	d.missing(c, at, seen)
	return nil
}

// missing notes the required members that weren't there.
func (d *decoder) missing(c *codec, at *path, seen []bool) {
	for i := range c.fields {
		m := c.fields[i].member
		if m.Required && m.Location == models.Body && (seen == nil || !seen[i]) {
			d.broken.add(&path{parent: at, member: m, index: i}, null, notNull)
		}
	}
}

func (d *decoder) list(c *codec, v reflect.Value, at *path) error {
	if err := d.open('[', "Expected list or null"); err != nil {
		return err
	}
	out := reflect.MakeSlice(c.typ, 0, 4)
	failing := false
	for i := 0; ; i++ {
		d.space()
		if d.peek() == ']' && i == 0 {
			d.pos++
			break
		}
		out = reflect.Append(out, reflect.Zero(c.typ.Elem()))
		slot := out.Index(i)
		here := path{parent: at, list: true, index: i}
		before := *d.broken
		present, err := d.value(c.element, slot, &here)
		if err != nil {
			return err
		}
		if !present && !c.shape.Sparse {
			failing = true
		}
		// A list of plain values is blamed as a whole, once.
		if c.element.kind < kindList && len(*d.broken) > len(before) {
			*d.broken, failing = before, true
		}
		d.space()
		switch d.next() {
		case ',':
			continue
		case ']':
		default:
			return errSyntax
		}
		break
	}
	d.depth--
	v.Set(out)
	if broken := c.rule.length(out.Len()); broken != nil {
		d.broken.add(at, quoted(c.shape, javaText(c, out)), broken...)
	}
	if failing {
		d.broken.add(at, quoted(c.shape, javaText(c, out)), elementText(c.shape, c.element.rule))
	}
	return nil
}

func (d *decoder) mapping(c *codec, v reflect.Value, at *path) error {
	if err := d.open('{', "Expected map or null"); err != nil {
		return err
	}
	out := reflect.MakeMap(c.typ)
	keysFail, valuesFail := false, false
	for first := true; ; first = false {
		name, more, err := d.member(first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		keysFail = keysFail || c.key.text(name) != nil
		slot := reflect.New(c.typ.Elem()).Elem()
		here := path{parent: at, key: name}
		before := *d.broken
		present, err := d.value(c.element, slot, &here)
		if err != nil {
			return err
		}
		valuesFail = valuesFail || !present
		if c.element.kind < kindList && len(*d.broken) > len(before) {
			*d.broken, valuesFail = before, true
		}
		out.SetMapIndex(reflect.ValueOf(name).Convert(c.typ.Key()), slot)
	}
	v.Set(out)
	if broken := c.rule.length(out.Len()); broken != nil {
		d.broken.add(at, quoted(c.shape, javaText(c, out)), broken...)
	}
	if keysFail {
		d.broken.add(at, quoted(c.shape, javaText(c, out)), mapKeyText(c.key))
	}
	if valuesFail {
		d.broken.add(at, quoted(c.shape, javaText(c, out)), mapValueText(c.element.rule))
	}
	return nil
}

// scalar reads a value that isn't a container.
func (d *decoder) scalar(c *codec, v reflect.Value, at *path) error {
	token := d.token()
	switch token {
	case "":
		return errSyntax
	case "{":
		return serialization("Start of structure or map found where not expected.")
	case "[":
		return serialization("Start of list found where not expected")
	}
	switch {
	case c.kind == kindString && token == tokenString:
		s, err := d.str()
		if err != nil {
			return err
		}
		v.SetString(s)
		if broken := c.rule.text(s); broken != nil {
			d.broken.add(at, quoted(c.shape, s), broken...)
		}
		return nil
	case c.kind == kindBool && (token == tokenTrue || token == tokenFalse):
		v.SetBool(token == tokenTrue)
		return d.literal(strings.ToLower(strings.TrimSuffix(token, "_VALUE")))
	case c.kind == kindInt && token == tokenNumber:
		return d.integer(c, v, at)
	case c.kind == kindFloat && (token == tokenNumber || token == tokenString):
		return d.float(c, v, at)
	case c.kind == kindBlob && token == tokenString:
		return d.blob(c, v, at)
	case c.kind == kindTime && (token == tokenNumber || token == tokenString):
		return d.time(c, v)
	}
	return serialization(token + " can not be converted to " + javaType(c))
}

// Names of JSON tokens in AWS's messages.
const (
	tokenString = "STRING_VALUE"
	tokenNumber = "NUMBER_VALUE"
	tokenTrue   = "TRUE_VALUE"
	tokenFalse  = "FALSE_VALUE"
)

// token says what the next value is, without reading it.
func (d *decoder) token() string {
	switch b := d.peek(); b {
	case '"':
		return tokenString
	case 't':
		return tokenTrue
	case 'f':
		return tokenFalse
	case '{', '[':
		return string(b)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return tokenNumber
	}
	return ""
}

// javaType names a type, with its article, as AWS's messages do.
func javaType(c *codec) string {
	switch c.kind {
	case kindString:
		return "a String"
	case kindBool:
		return "a Boolean"
	case kindInt:
		if c.shape.Type == models.Long {
			return "a Long"
		}
		return "an Integer"
	case kindFloat:
		return "a Double"
	case kindTime:
		return "milliseconds since epoch"
	}
	return "a Blob"
}

// integer reads a whole number; a fraction is cut off, as AWS does.
func (d *decoder) integer(c *codec, v reflect.Value, at *path) error {
	text, err := d.number()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(text, 10, c.typ.Bits())
	if err != nil {
		f, ferr := strconv.ParseFloat(text, 64)
		limit := math.Ldexp(1, c.typ.Bits()-1)
		if ferr != nil || f >= limit || f < -limit {
			return serialization(tokenNumber + " can not be converted to " + javaType(c))
		}
		n = int64(f)
	}
	v.SetInt(n)
	if broken := c.rule.number(float64(n)); broken != nil {
		d.broken.add(at, quoted(c.shape, strconv.FormatInt(n, 10)), broken...)
	}
	return nil
}

func (d *decoder) float(c *codec, v reflect.Value, at *path) error {
	var f float64
	if d.peek() == '"' {
		s, err := d.str()
		if err != nil {
			return err
		}
		var ok bool
		if f, ok = specialFloat(s); !ok {
			return serialization(tokenString + " can not be converted to " + javaType(c))
		}
	} else {
		text, err := d.number()
		if err != nil {
			return err
		}
		if f, err = strconv.ParseFloat(text, 64); err != nil {
			return serialization(tokenNumber + " can not be converted to " + javaType(c))
		}
	}
	v.SetFloat(f)
	if broken := c.rule.number(f); broken != nil {
		d.broken.add(at, quoted(c.shape, javaDouble(f)), broken...)
	}
	return nil
}

// specialFloat reads the floats that JSON's numbers can't express.
func specialFloat(s string) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

func (d *decoder) blob(c *codec, v reflect.Value, at *path) error {
	raw, plain, err := d.rawString()
	if err != nil {
		return err
	}
	if !plain {
		s, err := unescape(raw)
		if err != nil {
			return err
		}
		raw = []byte(s)
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Decode(out, raw)
	if err != nil {
		return serialization("Invalid Base64 in a blob: " + err.Error())
	}
	v.SetBytes(out[:n])
	if broken := c.rule.length(n); broken != nil {
		d.broken.add(at, quoted(c.shape, "java.nio.HeapByteBuffer[pos=0 lim="+strconv.Itoa(n)+" cap="+strconv.Itoa(n)+"]"), broken...)
	}
	return nil
}

func (d *decoder) time(c *codec, v reflect.Value) error {
	var t time.Time
	if d.peek() == '"' {
		s, err := d.str()
		if err != nil {
			return err
		}
		if t, err = parseTimestamp(s); err != nil {
			return serialization("class java.lang.String can not be converted to " + javaType(c))
		}
	} else {
		text, err := d.number()
		if err != nil {
			return err
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(f) > 1e12 {
			return serialization(tokenNumber + " can not be converted to " + javaType(c))
		}
		t = epoch(f)
	}
	v.Set(reflect.ValueOf(t))
	return nil
}
