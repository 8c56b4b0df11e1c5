package protocol

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/wick-run/wick/aws/models"
)

// kind is how a value travels.
type kind int

const (
	kindString kind = iota // and enums
	kindBool
	kindInt
	kindFloat
	kindBlob
	kindTime
	kindList
	kindMap
	kindStruct
	kindReader // a streamed payload
)

// codec is a shape bound to the Go type the SDK gave it: made once per operation by
// reflection, then walked for each request.
type codec struct {
	shape   *models.Shape
	rule    *rule
	kind    kind
	pointer bool         // the Go type is a pointer to what kind says
	typ     reflect.Type // without the pointer
	fields  []field      // of a structure, in the model's order
	byName  map[string]int
	element *codec // of a list; of a map's values
	key     *rule  // of a map's keys
}

// field is one member bound to one field.
type field struct {
	member *models.Member
	index  int // in the Go struct
	codec  *codec
}

// absent says whether a field is unset, as far as its type can tell: a number or
// boolean that isn't a pointer always has a value.
func (f *field) absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	case reflect.String: // an enum
		return v.Len() == 0
	}
	return false
}

var (
	typeTime       = reflect.TypeFor[time.Time]()
	typeBytes      = reflect.TypeFor[[]byte]()
	typeReader     = reflect.TypeFor[io.Reader]()
	typeReadCloser = reflect.TypeFor[io.ReadCloser]()
)

// codecs makes codecs, each pair of shape and type once, so that shapes may be
// recursive.
type codecs struct {
	rules *ruleBook
	made  map[codecKey]*codec
}

type codecKey struct {
	shape *models.Shape
	typ   reflect.Type
}

// of returns the codec of a shape for a type. It panics where they don't fit, which
// is a mismatch of the SDK's version and the model's.
func (cs *codecs) of(s *models.Shape, t reflect.Type) *codec {
	k := codecKey{s, t}
	if c := cs.made[k]; c != nil {
		return c
	}
	c := &codec{shape: s, rule: cs.rules.of(s), typ: t}
	cs.made[k] = c
	if t.Kind() == reflect.Pointer {
		c.pointer, c.typ = true, t.Elem()
	}
	misfit := func() { panic(fmt.Sprintf("protocol: shape %s (%s) doesn't fit %s", s.Name, s.Type, t)) }
	expect := func(kinds ...reflect.Kind) {
		for _, k := range kinds {
			if c.typ.Kind() == k {
				return
			}
		}
		misfit()
	}
	switch s.Type {
	case models.String:
		c.kind = kindString
		expect(reflect.String)
	case models.Boolean:
		c.kind = kindBool
		expect(reflect.Bool)
	case models.Integer, models.Long:
		c.kind = kindInt
		expect(reflect.Int32, reflect.Int64)
	case models.Float, models.Double:
		c.kind = kindFloat
		expect(reflect.Float32, reflect.Float64)
	case models.Timestamp:
		c.kind = kindTime
		if c.typ != typeTime {
			misfit()
		}
	case models.Blob:
		switch t {
		case typeBytes:
			c.kind = kindBlob
		case typeReader, typeReadCloser:
			c.kind = kindReader
		default:
			misfit()
		}
	case models.List:
		c.kind = kindList
		expect(reflect.Slice)
		c.element = cs.of(s.Element, c.typ.Elem())
	case models.Map:
		c.kind = kindMap
		expect(reflect.Map)
		c.key, c.element = cs.rules.of(s.Key), cs.of(s.Value, c.typ.Elem())
	case models.Structure:
		c.kind = kindStruct
		expect(reflect.Struct)
		cs.bind(c)
	default:
		misfit()
	}
	return c
}

// bind finds the struct's field of each member.
func (cs *codecs) bind(c *codec) {
	c.fields = make([]field, 0, len(c.shape.Members))
	c.byName = make(map[string]int, len(c.shape.Members))
	for _, m := range c.shape.Members {
		name := strings.ToUpper(m.Name[:1]) + m.Name[1:]
		sf, ok := c.typ.FieldByName(name)
		if !ok {
			panic(fmt.Sprintf("protocol: %s has no field for member %s of %s", c.typ, m.Name, c.shape.Name))
		}
		if m.Location == models.Body {
			c.byName[m.WireName] = len(c.fields)
		}
		c.fields = append(c.fields, field{member: m, index: sf.Index[0], codec: cs.of(m.Shape, sf.Type)})
	}
}
