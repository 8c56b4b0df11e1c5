package protocol

import (
	"encoding/binary"
	"encoding/xml"
	"net/http"
	"strings"
)

// errorForm is how a protocol writes errors.
type errorForm int

const (
	formRESTJSON errorForm = iota
	formJSON               // X-Amz-Target: awsJson 1.0
	formJSON11             // and 1.1
	formQuery              // XML with an ErrorResponse around
	formRESTXML            // S3's XML
	formCBOR
)

// formOf tells, as far as a request shows it, in which form its client reads errors.
func formOf(r *http.Request, service string) errorForm {
	switch {
	case r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		return formCBOR
	case r.Header.Get("X-Amz-Target") != "":
		if r.Header.Get("Content-Type") == jsonType("1.1") {
			return formJSON11
		}
		return formJSON
	case service == "s3" || service == "s3express" || service == "s3-outposts" || service == "cloudfront" || service == "route53":
		return formRESTXML
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"),
		strings.Contains(r.URL.RawQuery, "Action="):
		return formQuery
	}
	return formRESTJSON
}

// write sends an error.
func (f errorForm) write(w http.ResponseWriter, requestID string, e *wireError) error {
	h := w.Header()
	h.Set("X-Amzn-Errortype", e.code)
	switch f {
	case formJSON, formJSON11:
		b := appendString([]byte(`{"__type":`), e.code)
		for _, m := range e.extra {
			b = appendString(append(b, ','), m.name)
			b = appendString(append(b, ':'), m.value)
		}
		b = appendString(append(b, `,"message":`...), e.message)
		h.Set("Content-Type", jsonType("1.0"))
		if f == formJSON11 {
			h.Set("Content-Type", jsonType("1.1"))
		}
		return sendAs(w, e.status, append(b, '}'))
	case formQuery:
		h.Set("Content-Type", "text/xml")
		code := e.query
		if code == "" {
			code = e.code
		}
		return sendAs(w, e.status, []byte("<ErrorResponse><Error><Type>"+senderOrReceiver(e)+"</Type><Code>"+escape(code)+
			"</Code><Message>"+escape(e.message)+"</Message></Error><RequestId>"+escape(requestID)+"</RequestId></ErrorResponse>"))
	case formRESTXML:
		h.Set("Content-Type", "application/xml")
		h.Set("X-Amz-Request-Id", requestID)
		return sendAs(w, e.status, []byte(xml.Header+"<Error><Code>"+escape(e.code)+"</Code><Message>"+escape(e.message)+
			"</Message><RequestId>"+escape(requestID)+"</RequestId></Error>"))
	case formCBOR:
		h.Set("Content-Type", "application/cbor")
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
		b := []byte{0xa2} // a map of two
		for _, s := range []string{"__type", e.code, "message", e.message} {
			b = appendCBORText(b, s)
		}
		return sendAs(w, e.status, b)
	}
	return send(w, e.status, e.restJSON())
}

// jsonType is the content type of a version of awsJson.
func jsonType(version string) string { return "application/x-amz-json-" + version }

// restJSON is the body of an error in Lambda's way: Reason and Type beside message
// or Message, whichever the error has.
func (e *wireError) restJSON() []byte {
	b := []byte{'{'}
	put := func(name, value string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = appendString(b, value)
	}
	for _, m := range e.extra {
		put(m.name, m.value)
	}
	if e.reason != "" {
		put("Reason", e.reason)
	}
	if e.typ != "" {
		put("Type", e.typ)
	}
	if e.capital {
		put("Message", e.message)
	} else {
		put("message", e.message)
	}
	return append(b, '}')
}

func senderOrReceiver(e *wireError) string {
	if e.status >= 500 {
		return "Receiver"
	}
	return "Sender"
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder doesn't fail
	return b.String()
}

// appendCBORText appends a text string. Source: RFC 8949, major type 3.
func appendCBORText(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 24:
		b = append(b, 0x60|byte(n))
	case n < 1<<8:
		b = append(b, 0x78, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x79), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0x7a), uint32(n))
	}
	return append(b, s...)
}
