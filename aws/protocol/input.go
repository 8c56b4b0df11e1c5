package protocol

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/wick-run/wick/aws/models"
)

// inputPlan reads requests of one operation into its SDK struct.
type inputPlan struct {
	op    *operation
	codec *codec
	head  []field // members outside the body
	// payload is the member that is the whole body, or nil; document says that the
	// body is a JSON document of the remaining members.
	payload  *field
	document bool
}

func newInputPlan(op *operation, t reflect.Type) *inputPlan {
	p := &inputPlan{op: op}
	if op.Input == nil {
		return p
	}
	cs := codecs{rules: &op.service.rules, made: map[codecKey]*codec{}}
	p.codec = cs.of(op.Input, t)
	for i := range p.codec.fields {
		f := &p.codec.fields[i]
		switch {
		case f.member.Location != models.Body:
			p.head = append(p.head, *f)
		case f.member == op.Input.Payload:
			p.payload = f
		default:
			p.document = true
		}
	}
	p.document = p.document && p.payload == nil
	return p
}

// read fills in the input. Its error is the caller's: wrong form, broken
// constraints, a body that is too large.
func (p *inputPlan) read(r *http.Request, call *Call, v reflect.Value) error {
	if p.codec == nil {
		return nil
	}
	var broken violations
	if err := p.readHead(r, call, v, &broken); err != nil {
		return err
	}
	if err := p.readBody(r, call, v, &broken); err != nil {
		return err
	}
	return broken.err()
}

func (p *inputPlan) readBody(r *http.Request, call *Call, v reflect.Value, broken *violations) error {
	if p.payload != nil && p.payload.codec.kind == kindReader {
		v.Field(p.payload.index).Set(reflect.ValueOf(r.Body))
		return nil
	}
	if p.payload == nil && !p.document {
		return nil
	}
	body, err := readBody(r, p.op)
	if err != nil {
		return err
	}
	if call.dialect != dialectJSON {
		if body, err = p.json(call, body); err != nil {
			return err
		}
	}
	d := decoder{data: body, broken: broken}
	if p.document {
		return d.document(p.codec, v, nil)
	}
	f := p.payload
	at := &path{member: f.member, index: fieldIndex(p.codec, f)}
	if len(body) == 0 {
		if f.member.Required {
			broken.add(at, null, notNull)
		}
		return nil
	}
	switch f.codec.kind {
	case kindBlob:
		v.Field(f.index).SetBytes(body)
		if cs := f.codec.rule.length(len(body)); cs != nil {
			broken.add(at, quoted(f.member.Shape, fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%d cap=%[1]d]", len(body))), cs...)
		}
		return nil
	case kindString:
		return setScalar(f.codec, f.member, v.Field(f.index), string(body), at, broken)
	}
	target := reflect.New(f.codec.typ)
	if err := d.document(f.codec, target.Elem(), at); err != nil {
		return err
	}
	if f.codec.pointer {
		v.Field(f.index).Set(target)
	} else {
		v.Field(f.index).Set(target.Elem())
	}
	return nil
}

func fieldIndex(c *codec, f *field) int {
	for i := range c.fields {
		if c.fields[i].member == f.member {
			return i
		}
	}
	return 0
}

// readHead reads labels, query and headers.
func (p *inputPlan) readHead(r *http.Request, call *Call, v reflect.Value, broken *violations) error {
	var query url.Values
	for i := range p.head {
		f := &p.head[i]
		m := f.member
		at := &path{member: m, index: fieldIndex(p.codec, f)}
		var values []string
		switch m.Location {
		case models.Label:
			if s, ok := call.PathLabels[m.WireName]; ok {
				values = []string{s}
			}
		case models.Query:
			if query == nil {
				query = r.URL.Query()
			}
			if f.codec.kind == kindMap {
				setQueryMap(f.codec, v.Field(f.index), query, p.codec)
				continue
			}
			values = query[m.WireName]
		case models.Header:
			values = r.Header.Values(m.WireName)
		case models.PrefixHeads:
			setPrefixHeaders(f.codec, v.Field(f.index), r.Header, m.WireName)
			continue
		}
		if len(values) == 0 {
			if m.Required {
				broken.add(at, null, notNull)
			}
			continue
		}
		if f.codec.kind == kindList {
			if err := setList(f, v.Field(f.index), values, at, broken); err != nil {
				return err
			}
			continue
		}
		if values[0] == "" && f.codec.kind != kindString {
			continue // ?MaxItems= is as good as none
		}
		if err := setScalar(f.codec, m, v.Field(f.index), values[0], at, broken); err != nil {
			return err
		}
	}
	return nil
}

// setScalar sets a value from its text outside of JSON.
func setScalar(c *codec, m *models.Member, v reflect.Value, s string, at *path, broken *violations) error {
	if c.pointer {
		p := reflect.New(c.typ)
		v.Set(p)
		v = p.Elem()
	}
	wrong := func() error { return serialization(tokenString + " can not be converted to " + javaType(c)) }
	switch c.kind {
	case kindString:
		v.SetString(s)
		if cs := c.rule.text(s); cs != nil {
			broken.add(at, quoted(c.shape, s), cs...)
		}
	case kindBool:
		b, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil {
			return wrong()
		}
		v.SetBool(b)
	case kindInt:
		n, err := strconv.ParseInt(s, 10, c.typ.Bits())
		if err != nil {
			return wrong()
		}
		v.SetInt(n)
		if cs := c.rule.number(float64(n)); cs != nil {
			broken.add(at, quoted(c.shape, s), cs...)
		}
	case kindFloat:
		f, ok := specialFloat(s)
		if !ok {
			var err error
			if f, err = strconv.ParseFloat(s, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
				return wrong()
			}
		}
		v.SetFloat(f)
		if cs := c.rule.number(f); cs != nil {
			broken.add(at, quoted(c.shape, javaDouble(f)), cs...)
		}
	case kindTime:
		t, err := parseTimestamp(s)
		if err != nil {
			return serialization("class java.lang.String can not be converted to " + javaType(c))
		}
		v.Set(reflect.ValueOf(t))
	default:
		panic(fmt.Sprintf("protocol: member %s can't travel in %s", m.Name, m.Location))
	}
	return nil
}

// setList sets a list of which each element is a query parameter of its own.
func setList(f *field, v reflect.Value, values []string, at *path, broken *violations) error {
	c := f.codec
	if f.member.Location == models.Header {
		var parts []string
		for _, h := range values {
			for p := range strings.SplitSeq(h, ",") {
				parts = append(parts, strings.TrimSpace(p))
			}
		}
		values = parts
	}
	out := reflect.MakeSlice(c.typ, len(values), len(values))
	var inner violations
	for i, s := range values {
		if err := setScalar(c.element, f.member, out.Index(i), s, at, &inner); err != nil {
			return err
		}
	}
	v.Set(out)
	if cs := c.rule.length(len(values)); cs != nil {
		broken.add(at, quoted(c.shape, javaText(c, out)), cs...)
	}
	if len(inner) > 0 {
		broken.add(at, quoted(c.shape, javaText(c, out)), elementText(c.shape, c.element.rule))
	}
	return nil
}

// setQueryMap sets a map of all query parameters that no other member has.
func setQueryMap(c *codec, v reflect.Value, query url.Values, owner *codec) {
	taken := map[string]bool{}
	for _, f := range owner.fields {
		if f.member.Location == models.Query && f.codec.kind != kindMap {
			taken[f.member.WireName] = true
		}
	}
	out := reflect.MakeMap(c.typ)
	for k, vs := range query {
		if taken[k] || len(vs) == 0 {
			continue
		}
		if c.element.kind == kindList {
			out.SetMapIndex(reflect.ValueOf(k), reflect.ValueOf(vs).Convert(c.typ.Elem()))
		} else {
			out.SetMapIndex(reflect.ValueOf(k), reflect.ValueOf(vs[0]).Convert(c.typ.Elem()))
		}
	}
	if out.Len() > 0 {
		v.Set(out)
	}
}

// setPrefixHeaders sets a map of the headers with a prefix.
func setPrefixHeaders(c *codec, v reflect.Value, h http.Header, prefix string) {
	out := reflect.MakeMap(c.typ)
	for name, vs := range h {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			out.SetMapIndex(reflect.ValueOf(strings.ToLower(name[len(prefix):])), reflect.ValueOf(strings.Join(vs, ",")))
		}
	}
	if out.Len() > 0 {
		v.Set(out)
	}
}

// headCheck holds what travels outside the body of a raw operation to the model's
// constraints, without reading it into anything.
type headCheck struct {
	op      *operation
	members []headMember
}

type headMember struct {
	*models.Member
	rule  *rule
	index int
}

func newHeadCheck(op *operation) *headCheck {
	c := &headCheck{op: op}
	if op.Input == nil {
		return c
	}
	for i, m := range op.Input.Members {
		switch m.Location {
		case models.Label, models.Query, models.Header:
			if m.Shape.Type == models.String {
				c.members = append(c.members, headMember{m, op.service.rules.of(m.Shape), i})
			}
		}
	}
	return c
}

func (c *headCheck) check(r *http.Request, call *Call) error {
	var broken violations
	var query url.Values
	for i := range c.members {
		m := &c.members[i]
		var s string
		var ok bool
		switch m.Location {
		case models.Label:
			s, ok = call.PathLabels[m.WireName]
		case models.Query:
			if r.URL.RawQuery == "" {
				break
			}
			if query == nil {
				query = r.URL.Query()
			}
			s, ok = query.Get(m.WireName), query.Has(m.WireName)
		default:
			s = r.Header.Get(m.WireName)
			ok = s != ""
		}
		switch {
		case !ok && m.Required:
			broken.add(&path{member: m.Member, index: m.index}, null, notNull)
		case ok:
			if cs := m.rule.text(s); cs != nil {
				broken.add(&path{member: m.Member, index: m.index}, quoted(m.Shape, s), cs...)
			}
		}
	}
	return broken.err()
}
