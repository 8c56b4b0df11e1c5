package protocol

import (
	"encoding/base64"
	"encoding/xml"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick/aws/models"
)

// appendQueryAnswer writes an answer as query's XML: the operation's response with its
// result, if it has one, and the request's id. Source: Smithy, AWS query protocol.
func appendQueryAnswer(b []byte, p *outputPlan, call *Call, v reflect.Value) []byte {
	name := p.op.Name
	b = append(b, "<"+name+`Response xmlns="`+p.op.service.model.XMLNamespace+`">`...)
	if p.codec != nil {
		b = appendXML(b, name+"Result", func(b []byte) []byte { return appendXMLStruct(b, p.codec, v) })
	}
	b = append(b, "<ResponseMetadata><RequestId>"+call.RequestID+"</RequestId></ResponseMetadata>"...)
	return append(b, "</"+name+"Response>"...)
}

func appendXML(b []byte, name string, content func([]byte) []byte) []byte {
	b = append(append(append(b, '<'), name...), '>')
	b = content(b)
	return append(append(append(b, "</"...), name...), '>')
}

func appendXMLStruct(b []byte, c *codec, v reflect.Value) []byte {
	for i := range c.fields {
		f := &c.fields[i]
		if value := v.Field(f.index); !f.absent(value) {
			b = appendXML(b, f.member.WireName, func(b []byte) []byte { return appendXMLValue(b, f.codec, value, f.member) })
		}
	}
	return b
}

func appendXMLValue(b []byte, c *codec, v reflect.Value, m *models.Member) []byte {
	if c.pointer {
		if v.IsNil() { // in a list or map
			return b
		}
		v = v.Elem()
	}
	switch c.kind {
	case kindString:
		return appendXMLText(b, v.String())
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		return append(b, strings.Trim(string(appendFloat(nil, v.Float(), c.typ.Bits())), `"`)...)
	case kindBlob:
		return base64.StdEncoding.AppendEncode(b, v.Bytes())
	case kindTime:
		t, _ := v.Interface().(time.Time) // kindTime says so
		format := formatDateTime
		if m != nil && (m.TimestampFormat != "" || m.Shape.TimestampFormat != "") {
			format = timestampFormat(m)
		}
		return appendTimestamp(b, t, format, false)
	case kindList:
		for i := range v.Len() {
			b = appendXML(b, "member", func(b []byte) []byte { return appendXMLValue(b, c.element, v.Index(i), nil) })
		}
		return b
	case kindMap:
		for _, k := range sortedKeys(v) {
			b = appendXML(b, "entry", func(b []byte) []byte {
				b = appendXML(b, "key", func(b []byte) []byte { return appendXMLText(b, k.String()) })
				return appendXML(b, "value", func(b []byte) []byte { return appendXMLValue(b, c.element, v.MapIndex(k), nil) })
			})
		}
		return b
	}
	return appendXMLStruct(b, c, v)
}

func appendXMLText(b []byte, s string) []byte {
	w := xmlBytes(b)
	_ = xml.EscapeText(&w, []byte(s)) // appending doesn't fail
	return w
}

// xmlBytes is bytes that can be written to.
type xmlBytes []byte

// Write implements io.Writer.
func (b *xmlBytes) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}
