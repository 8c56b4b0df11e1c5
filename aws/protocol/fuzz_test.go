package protocol

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick/aws/models"
)

// What the decoder takes must be JSON, and what it makes of it must survive being
// written and read again.
func FuzzJSONBody(f *testing.F) {
	for _, s := range []string{
		`{"FunctionName":"f","Timeout":3,"MemorySize":128.0,"Publish":true,"Code":{"ZipFile":"UEsFBg=="},"Tags":{"a":"b"},"Layers":["x"]}`,
		`{"FileSystemConfigs":[{"Arn":"a","LocalMountPath":"/mnt/a"}],"Unknown":{"a":[1,2,{"b":null}]}}`,
		`{"Description":"\u00e9\ud83d\ude00\ud83d \"\\\/\b\f\n\r\t"}`, `{"Unknown":"\000"}`, `{"Unknown":["\u00g0"]}`, `{"Unknown\`, "{\"Description\":\"\xff\xfe\"}",
		` { } `, `null`, ``, `{"a":1e5,"b":-0.1E-2}`, `{"Environment":{"Variables":{"A":"1","A":null}}}`,
	} {
		f.Add([]byte(s))
	}
	op := NewService(models.Lambda()).operations["CreateFunction"]
	plan := newInputPlan(op, reflect.TypeFor[lambda.CreateFunctionInput]())
	f.Fuzz(func(t *testing.T, body []byte) {
		var in lambda.CreateFunctionInput
		var broken violations
		d := decoder{data: body, broken: &broken}
		if err := d.document(plan.codec, reflect.ValueOf(&in).Elem(), nil); err != nil {
			return
		}
		_ = broken.err() // rendering must not panic either
		if s := strings.TrimSpace(string(body)); s != "" && !json.Valid(body) {
			t.Fatalf("took %q, which isn't JSON", body)
		}
		written := appendStruct(nil, plan.codec, reflect.ValueOf(&in).Elem())
		if !json.Valid(written) {
			t.Fatalf("wrote %s", written)
		}
		var again lambda.CreateFunctionInput
		d = decoder{data: written, broken: &violations{}}
		if err := d.document(plan.codec, reflect.ValueOf(&again).Elem(), nil); err != nil {
			t.Fatalf("%v reading its own %s", err, written)
		}
		if a, b := render(reflect.ValueOf(&in)), render(reflect.ValueOf(&again)); a != b {
			t.Fatalf("%s became %s", a, b)
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add("GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af", "Qualifier=%24LATEST&MaxItems=1", "", "")
	f.Add("POST", "/2015-03-31/functions/f/invocations", "", "AWS4-HMAC-SHA256 Credential=k/d/r/lambda/aws4_request, SignedHeaders=host, Signature=0", "aws-chunked")
	f.Add("GET", "/2018-10-31/layers", "find=LayerVersion&Arn=x&CompatibleRuntime=%zz;a", "Bearer", "gzip")
	f.Add("GET", "//2019-09-30/functions/%2F/provisioned-concurrency/", "List=ALL&List=", "", "identity")
	h := NewServer(Options{Services: []*Service{permissive()}})
	f.Fuzz(func(t *testing.T, method, path, query, authorization, encoding string) {
		u := &url.URL{Path: path, RawQuery: query}
		if p, err := url.PathUnescape(path); err == nil {
			u.Path, u.RawPath = p, path
		}
		r := (&http.Request{Method: method, URL: u, Header: http.Header{"Content-Encoding": {encoding}}, Body: http.NoBody, Host: "h"}).WithContext(context.Background())
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == 500 {
			t.Fatalf("%s", w.Body)
		}
		if w.Header().Get("X-Amzn-RequestId") == "" {
			t.Fatal("an answer without a request id")
		}
	})
}

func FuzzAWSChunked(f *testing.F) {
	f.Add("3;chunk-signature=a\r\nabc\r\n0\r\n\r\n")
	f.Add("ffffffffffffffff\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Encoding", "aws-chunked")
		if err := decodeTransfer(r); err != nil {
			t.Fatal(err)
		}
		op := &operation{Operation: &models.Operation{Name: "X", MaxBody: 1 << 16}}
		if got, err := readBody(r, op); err == nil && len(got) > len(body) {
			t.Fatalf("%d bytes out of %d", len(got), len(body))
		}
	})
}
