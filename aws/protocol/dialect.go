package protocol

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// dialect is which of a service's protocols a request is in.
type dialect int

const (
	dialectJSON  dialect = iota // the only one of most services
	dialectCBOR                 // Smithy RPC v2 CBOR
	dialectQuery                // forms, answered in XML
)

// Names of protocols in models.
const (
	protocolCBOR  = "smithy-rpc-v2-cbor"
	protocolQuery = "query"
)

// maxQueryBody bounds a form: it is much larger once it is taken apart.
const maxQueryBody = 1 << 20

// errQueryTooLarge is what CloudWatch's front door says of a larger one.
var errQueryTooLarge = &wireError{
	code: "RequestEntityTooLarge", status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("Request must be smaller than %d bytes", maxQueryBody),
}

// rpcPath takes the path of a CBOR request apart: /service/NAME/operation/NAME, perhaps
// behind a prefix. Source: Smithy RPC v2 CBOR protocol, requests.
func rpcPath(path string) (service, operation string, ok bool) {
	parts := strings.Split(path, "/")
	if n := len(parts); n >= 5 && parts[n-4] == "service" && parts[n-2] == "operation" {
		return parts[n-3], parts[n-1], true
	}
	return "", "", false
}

func isCBOR(r *http.Request) bool { return r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" }

// isForm says whether a request's parameters are in its body as a form.
func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// speaks says whether a service has a protocol beside its first.
func (s *Service) speaks(protocol string) bool { return slices.Contains(s.model.Protocols, protocol) }

// findInDialect is find for a service with several protocols; it notes the request's.
func (s *Service) findInDialect(r *http.Request, call *Call) (*operation, error) {
	name := ""
	switch {
	case isCBOR(r) && s.speaks(protocolCBOR):
		call.dialect = dialectCBOR
		var service string
		if service, name, _ = rpcPath(r.URL.Path); service != s.model.TargetPrefix {
			name = ""
		}
	case r.Header.Get("X-Amz-Target") != "":
		name, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), s.model.TargetPrefix+".")
	case s.speaks(protocolQuery):
		call.dialect, call.form = dialectQuery, formQuery
		if err := call.readForm(r); err != nil {
			return nil, err
		}
		name = call.values.Get("Action")
	}
	if op := s.operations[name]; op != nil && (r.Method == http.MethodPost || call.dialect == dialectQuery) {
		return op, nil
	}
	return nil, &wireError{
		code: "UnknownOperationException", query: s.model.QueryCodes["UnknownOperationException"], status: http.StatusBadRequest,
		message: fmt.Sprintf("%s %s with the operation %q is not one of %s.", r.Method, r.URL.EscapedPath(), name, s.model.ID),
	}
}

// readForm reads the parameters of a query request: of its URL and of its body.
func (c *Call) readForm(r *http.Request) error {
	if err := decodeTransfer(r); err != nil {
		return err
	}
	c.values = r.URL.Query()
	if r.Body == nil || r.Method != http.MethodPost {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxQueryBody+1))
	if len(body) > maxQueryBody {
		return errQueryTooLarge
	}
	if err != nil {
		return bodyError(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return serialization("The form can't be read: " + err.Error())
	}
	for name, values := range form {
		c.values[name] = append(c.values[name], values...)
	}
	r.Body, r.ContentLength = http.NoBody, 0
	return nil
}

// routeUnsigned finds the service with several protocols that an unsigned request is
// for: its path says so in CBOR, the version of the API in a form.
func (s *Server) routeUnsigned(r *http.Request) (string, *Service) {
	if isCBOR(r) {
		target, _, _ := rpcPath(r.URL.Path)
		for name, svc := range s.byName {
			if svc.speaks(protocolCBOR) && svc.model.TargetPrefix == target {
				return name, svc
			}
		}
		return "", nil
	}
	version := r.URL.Query().Get("Version")
	if isForm(r) && r.Body != nil && r.URL.Path == "/" && version == "" {
		version = peekVersion(r)
	}
	for name, svc := range s.byName {
		if version != "" && svc.speaks(protocolQuery) && svc.model.APIVersion == version {
			return name, svc
		}
	}
	return "", nil
}

// peekVersion reads the parameter Version of a form and leaves the body as it was.
func peekVersion(r *http.Request) string {
	head, err := io.ReadAll(io.LimitReader(r.Body, maxQueryBody+1))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failingReader{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), r.Body}
	form, err := url.ParseQuery(string(head))
	if err != nil {
		return "" // whoever serves it will say so
	}
	return form.Get("Version")
}

// failingReader fails with what reading failed with before.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// json returns a request's body as the JSON document that says the same, for the decoder
// that knows the model's constraints.
func (p *inputPlan) json(call *Call, body []byte) ([]byte, error) {
	switch call.dialect {
	case dialectCBOR:
		return cborToJSON(body)
	case dialectQuery:
		return queryToJSON(p.codec, call.values)
	}
	return body, nil
}

// writeDialect writes an answer that isn't JSON.
func (p *outputPlan) writeDialect(w http.ResponseWriter, call *Call, body func(b []byte) []byte) error {
	h := w.Header()
	if call.dialect == dialectCBOR {
		h.Set("Content-Type", "application/cbor")
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
	} else {
		h.Set("Content-Type", "text/xml")
	}
	return sendAs(w, p.op.Status, body(make([]byte, 0, 1024)))
}
