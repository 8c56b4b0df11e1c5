package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/invoke"
)

// echo is an Invoker that notes what it is asked and answers with the event.
type echo struct {
	asked *invoke.Request
	fail  error
	as    *invoke.Result // what to answer besides the event
}

func (e *echo) Invoke(_ context.Context, r *invoke.Request) (*invoke.Result, error) {
	e.asked = r
	if e.fail != nil {
		return nil, e.fail
	}
	event, err := io.ReadAll(r.Payload)
	if err != nil {
		return nil, err
	}
	result := answered("$LATEST", string(event))
	if e.as != nil {
		result.FunctionError, result.LogTail, result.Trace = e.as.FunctionError, e.as.LogTail, e.as.Trace
	}
	return result, nil
}

// Start implements Invoker.
func (e *echo) Start(ctx context.Context, r *invoke.Request, done func(*invoke.Result, error)) {
	go func() { done(e.Invoke(ctx, r)) }()
}

func TestAnInvocationIsHandedOnAndItsAnswerBack(t *testing.T) {
	e := &echo{as: &invoke.Result{Trace: "Root=1-2-3", LogTail: []byte("START\nEND\n"), FunctionError: "Unhandled"}}
	h := newHarness(t, e)
	clientContext := `{"client": {"app_title": "ü"}}`
	out, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{
		FunctionName: aws.String("f"), Payload: []byte(`{"a": [1, "ü"]}`), LogType: types.LogTypeTail, Qualifier: aws.String("$LATEST"),
		ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte(clientContext))),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := h.wire.answer()
	if out.StatusCode != 200 || string(out.Payload) != `{"a": [1, "ü"]}` || *out.ExecutedVersion != "$LATEST" ||
		*out.FunctionError != "Unhandled" || *out.LogResult != base64.StdEncoding.EncodeToString([]byte("START\nEND\n")) {
		t.Errorf("answered %+v", out)
	}
	for k, want := range map[string]string{
		"X-Amzn-Trace-Id": "Root=1-2-3", "X-Amzn-Remapped-Content-Length": "0", "Content-Type": "application/json",
		"X-Amzn-Requestid": e.asked.RequestID,
	} {
		if got.header.Get(k) != want {
			t.Errorf("%s: %q, want %q", k, got.header.Get(k), want)
		}
	}
	r := e.asked
	if r.Function != (wick.FunctionID{Account: testAccount, Region: testRegion, Name: "f"}) || r.Qualifier != "$LATEST" ||
		r.InvokedARN != arnPrefix+"f:$LATEST" || !r.Tail || r.RequestID == "" || r.Size != 16 ||
		r.ClientContext != `{"client":{"app_title":"ü"}}` {
		t.Errorf("asked %+v", r)
	}
	if _, ok := r.Payload.(interface{ Bytes() []byte }); !ok {
		t.Error("the payload has to be copied to be read")
	}
}

func TestTheInvokedARNIsAsTheInvokerNamedTheFunction(t *testing.T) {
	e := &echo{}
	h := newHarness(t, e)
	for name, want := range map[string]string{
		"f":                       arnPrefix + "f",
		"f:1":                     arnPrefix + "f:1",
		arnPrefix + "f:alias":     arnPrefix + "f:alias",
		"111111111111:function:f": arnPrefix + "f",
	} {
		if _, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{FunctionName: &name}); err != nil {
			t.Fatal(err)
		}
		if e.asked.InvokedARN != want {
			t.Errorf("%s invoked as %s, want %s", name, e.asked.InvokedARN, want)
		}
	}
}

func TestWithoutAPayloadTheEventIsAnEmptyObject(t *testing.T) {
	h := newHarness(t, &echo{})
	out, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{FunctionName: aws.String("f")})
	if err != nil || string(out.Payload) != "{}" {
		t.Errorf("got %v, %v", out, err)
	}
	if status, body := h.post(t, "/2015-03-31/functions/f/invocations", io.MultiReader()); status != 200 || body != "{}" {
		t.Errorf("an empty stream gives %d %s", status, body)
	}
}

// post sends a body of unknown length.
func (h *harness) post(t *testing.T, path string, body io.Reader) (int, string) {
	t.Helper()
	r := mustRequest(t, http.MethodPost, h.url+path, struct{ io.Reader }{body})
	resp, err := h.wire.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(h.wire.answer().body)
}

func TestPayloadsThatAreRefused(t *testing.T) {
	h := newHarness(t, &echo{})
	const parse = "Could not parse request body into json: Could not parse payload into json: "
	const value = "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	for payload, want := range map[string]string{
		"0D":         parse + "Unexpected character ('D' (code 68)): Expected space separating root-level values\n at [Source: (byte[])\"0D\"; line: 1, column: 3]",
		"\x01":       parse + "Unexpected character ((CTRL-CHAR, code 1)): " + value + "\n at [Source: (byte[])\"\x01\"; line: 1, column: 2]",
		"\x91j":      parse + "Unexpected character ((CTRL-CHAR, code 145)): " + value + "\n at [Source: (byte[])\"\uFFFDj\"; line: 1, column: 2]",
		"hello":      parse + "Unrecognized token 'hello': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: (byte[])\"hello\"; line: 1, column: 6]",
		`{"a":1,}`:   parse + "Unexpected character ('}' (code 125)): was expecting double-quote to start field name\n at [Source: (byte[])\"{\"a\":1,}\"; line: 1, column: 9]",
		"{\n\"a\" 1": parse + "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value\n at [Source: (byte[])\"{\n\"a\" 1\"; line: 2, column: 6]",
		`{"a":`:      parse + "Unexpected end-of-input\n at [Source: (byte[])\"{\"a\":\"; line: 1, column: 6]",
		"\"\xff\"":   parse + "Invalid UTF-8 start byte 0xff\n at [Source: (byte[])\"\"\uFFFD\"\"; line: 1, column: 3]",
	} {
		if _, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(payload)}); err == nil {
			t.Errorf("%q was taken", payload)
		}
		h.wantAnswer(t, http.StatusBadRequest, "InvalidRequestContentException", want)
	}
}

func TestPayloadsThatAreTooLarge(t *testing.T) {
	e := &echo{}
	h := newHarness(t, e)
	most := []byte(`"` + strings.Repeat("a", maxPayload-2) + `"`)
	out, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: most})
	if err != nil || !bytes.Equal(out.Payload, most) {
		t.Errorf("the largest payload: %v", err)
	}
	large := bytes.Repeat([]byte("1"), 7340034)
	const want = "7340034 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
	if _, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: large}); err == nil {
		t.Error("a larger one was taken")
	}
	h.wantAnswer(t, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", want)
	if status, _ := h.post(t, "/2015-03-31/functions/f/invocations", bytes.NewReader(large)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("streamed: %d", status)
	}
	h.wantAnswer(t, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", want)
}

func TestADryRunOnlyLooksForTheFunction(t *testing.T) {
	e := &echo{}
	h := newHarness(t, e)
	h.create("f", nil)
	out, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeDryRun})
	if err != nil || out.StatusCode != http.StatusNoContent || len(out.Payload) > 0 || e.asked != nil {
		t.Errorf("got %+v, %v; invoked %v", out, err, e.asked)
	}
	if _, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{FunctionName: aws.String("g"), InvocationType: types.InvocationTypeDryRun}); err == nil {
		t.Error("a function that isn't there was found")
	}
	h.wantAnswer(t, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+arnPrefix+"g")
}

func TestInvocationsThatAreNotBuiltAreRefusedByName(t *testing.T) {
	h := newHarness(t, &echo{})
	for what, in := range map[string]*lambda.InvokeInput{
		"InvocationType Event": {InvocationType: types.InvocationTypeEvent},
		"TenantId":             {TenantId: aws.String("t")},
		"DurableExecutionName": {DurableExecutionName: aws.String("d")},
	} {
		in.FunctionName = aws.String("f")
		if _, err := h.client.Invoke(h.ctx, in); err == nil {
			t.Errorf("%s was taken", what)
		}
		h.wantAnswer(t, http.StatusNotImplemented, "NotImplementedException", "Wick doesn't support "+what+" yet")
	}
}

func TestThrottlesReachTheClientAsAWSWritesThem(t *testing.T) {
	h := newHarness(t, &echo{fail: &wick.Error{
		Kind: wick.TooManyRequests, Message: "Rate Exceeded.", Reason: "ConcurrentInvocationLimitExceeded", RetryAfterSeconds: 1,
	}})
	if _, err := h.client.Invoke(h.ctx, &lambda.InvokeInput{FunctionName: aws.String("f")}); err == nil {
		t.Error("it wasn't throttled")
	}
	h.wantAnswer(t, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
	if got := h.wire.answer(); got.header.Get("Retry-After") != "1" || !strings.Contains(string(got.body), `"Reason":"ConcurrentInvocationLimitExceeded"`) {
		t.Errorf("answered %v %s", got.header, got.body)
	}
}

func TestClientContexts(t *testing.T) {
	const invalid = "Client context must be a valid Base64-encoded JSON object."
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for in, want := range map[string]string{
		"":                                "",
		encode("{}"):                      "{}",
		encode("{\r\n\"a\":\n[1 , 2]\n}"): `{"a":[1,2]}`,
	} {
		if got, err := clientContext(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"{}":                      invalid,
		encode("[]"):              invalid,
		encode("{"):               invalid,
		encode(`"text"`):          invalid,
		strings.Repeat("a", 3584): "Client context must be no more than 3583 bytes of Base64-encoded data",
	} {
		_, err := clientContext(in)
		if wick.KindOf(err) != wick.InvalidRequest || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzClientContext(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"a":"b"}`)))
	f.Add("e30=")
	f.Fuzz(func(t *testing.T, header string) {
		got, err := clientContext(header)
		if err != nil || got == "" {
			return
		}
		if strings.ContainsAny(got, "\r\n") || !json.Valid([]byte(got)) || got[0] != '{' {
			t.Fatalf("%q became %q", header, got)
		}
	})
}

// FuzzCheckJSON compares the checker with the standard library's, which takes bytes
// in text that are no UTF-8 and nests deeper.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,"\u00e9",null,true,false]}`, `[`, `"\ud800"`, "01", "1.", `{"a":1,}`, "\"\xc3\"", "nul", " \n\t\r{} "} {
		f.Add([]byte(s))
	}
	f.Add([]byte(strings.Repeat("[", 1001) + strings.Repeat("]", 1001)))
	f.Fuzz(func(t *testing.T, b []byte) {
		fault := checkJSON(b)
		valid := json.Valid(b) && utf8.Valid(b)
		if deep := bytes.Count(b, []byte("[")) + bytes.Count(b, []byte("{")); valid && deep > maxNesting {
			return
		}
		if (fault == nil) != valid {
			t.Fatalf("%q: %v, valid %v", b, fault, valid)
		}
		if fault != nil && !utf8.ValidString(fault.message(b)) {
			t.Fatalf("%q gives a message that isn't text: %q", b, fault.message(b))
		}
	})
}

func BenchmarkCheckJSON(b *testing.B) {
	event := []byte(`{"records":[` + strings.Repeat(`{"id":12345,"name":"some name","tags":["a","b"],"ok":true},`, 1000) + `{}]}`)
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if f := checkJSON(event); f != nil {
			b.Fatal(f.message(event))
		}
	}
}

// BenchmarkInvoke is the edge's share of a warm invocation: from a parsed HTTP request
// to its answer, without the network and without a function.
func BenchmarkInvoke(b *testing.B) {
	h := newHarness(b, constant{})
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/f/invocations", strings.NewReader(`{"hello":"world"}`))
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

type constant struct{}

func (constant) Invoke(context.Context, *invoke.Request) (*invoke.Result, error) {
	return answered("$LATEST", `"ok"`), nil
}

// Start implements Invoker.
func (c constant) Start(ctx context.Context, r *invoke.Request, done func(*invoke.Result, error)) {
	done(c.Invoke(ctx, r))
}
