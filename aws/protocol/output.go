package protocol

import (
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick/aws/models"
)

// outputPlan writes answers of one operation from its SDK struct.
type outputPlan struct {
	op       *operation
	typ      string // the document's content type
	codec    *codec // nil when the operation answers nothing
	head     []field
	payload  *field
	document bool
}

func newOutputPlan(op *operation, t reflect.Type) *outputPlan {
	p := &outputPlan{op: op, typ: "application/json"}
	if v := op.service.model.JSONVersion; v != "" {
		p.typ = jsonType(v)
	}
	if op.Output == nil {
		return p
	}
	cs := codecs{rules: &op.service.rules, made: map[codecKey]*codec{}}
	p.codec = cs.of(op.Output, t)
	for i := range p.codec.fields {
		f := &p.codec.fields[i]
		switch {
		case f.member.Location != models.Body:
			p.head = append(p.head, *f)
		case f.member == op.Output.Payload:
			p.payload = f
		}
	}
	p.document = p.payload == nil
	return p
}

// write sends the answer; its error is the connection's.
func (p *outputPlan) write(w http.ResponseWriter, call *Call, v reflect.Value) error {
	switch call.dialect {
	case dialectCBOR:
		return p.writeDialect(w, call, func(b []byte) []byte {
			if p.codec == nil {
				return appendCBORHead(b, cborMap, 0)
			}
			return appendCBORStruct(b, p.codec, v)
		})
	case dialectQuery:
		return p.writeDialect(w, call, func(b []byte) []byte { return appendQueryAnswer(b, p, call, v) })
	}
	h := w.Header()
	status := p.op.Status
	for i := range p.head {
		f := &p.head[i]
		value := v.Field(f.index)
		switch f.member.Location {
		case models.StatusCode:
			if n := reflect.Indirect(value); n.IsValid() && n.Int() != 0 {
				status = int(n.Int())
			}
		case models.Header:
			if !f.absent(value) {
				h.Set(f.member.WireName, headerText(f, value))
			}
		case models.PrefixHeads:
			for _, k := range value.MapKeys() {
				h.Set(f.member.WireName+k.String(), value.MapIndex(k).String())
			}
		}
	}
	switch {
	case p.codec == nil, status == http.StatusNoContent, status == http.StatusNotModified:
		if status != http.StatusNoContent && status != http.StatusNotModified {
			h.Set("Content-Length", "0")
		}
		w.WriteHeader(status)
		return nil
	case p.document:
		h.Set("Content-Type", p.typ)
		return sendAs(w, status, appendStruct(make([]byte, 0, 1024), p.codec, v))
	}
	return p.writePayload(w, status, v.Field(p.payload.index))
}

func (p *outputPlan) writePayload(w http.ResponseWriter, status int, v reflect.Value) error {
	c := p.payload.codec
	if p.payload.absent(v) {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(status)
		return nil
	}
	switch c.kind {
	case kindStruct:
		return send(w, status, appendValue(nil, c, v, p.payload.member))
	case kindReader:
		body, _ := v.Interface().(io.Reader)
		if closer, ok := body.(io.Closer); ok {
			defer closer.Close()
		}
		defaultType(w.Header(), "application/octet-stream")
		w.WriteHeader(status)
		_, err := io.Copy(w, body)
		return err
	case kindBlob:
		defaultType(w.Header(), "application/octet-stream")
		return sendAs(w, status, v.Bytes())
	}
	defaultType(w.Header(), "text/plain")
	return sendAs(w, status, []byte(reflect.Indirect(v).String()))
}

// defaultType sets the content type unless a member has.
func defaultType(h http.Header, contentType string) {
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", contentType)
	}
}

func send(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	return sendAs(w, status, body)
}

func sendAs(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// headerText renders a value for a header.
func headerText(f *field, v reflect.Value) string {
	if f.codec.pointer {
		v = v.Elem()
	}
	switch f.codec.kind {
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case kindTime:
		t, _ := v.Interface().(time.Time)
		return string(appendTimestamp(nil, t, timestampFormat(f.member), false))
	case kindList:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = v.Index(i).String()
		}
		return strings.Join(parts, ",")
	}
	return v.String()
}
