package protocol

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/aws/models"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func serveLoop(b *testing.B, h http.Handler, r *http.Request, body string) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(strings.NewReader(body))
		h.ServeHTTP(&discard{http.Header{}}, r)
	}
}

// The front door's share of an invocation: everything but the handler.
func BenchmarkInvokeDispatch(b *testing.B) {
	svc := NewService(models.Lambda())
	svc.HandleRaw("Invoke", func(w http.ResponseWriter, _ *http.Request, _ *Call) { w.WriteHeader(http.StatusOK) })
	r := httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/my-function/invocations", nil)
	r.Header.Set("Authorization", auth("lambda"))
	r.Header.Set("X-Amz-Invocation-Type", "RequestResponse")
	serveLoop(b, NewServer(Options{Services: []*Service{svc}}), r, "{}")
}

func BenchmarkGetFunction(b *testing.B) {
	svc := NewService(models.Lambda())
	out := &lambda.GetFunctionOutput{
		Code: &types.FunctionCodeLocation{Location: aws.String("http://127.0.0.1:4566/code"), RepositoryType: aws.String("S3")},
		Configuration: &types.FunctionConfiguration{
			FunctionName: aws.String("my-function"), FunctionArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:my-function"),
			Runtime: types.RuntimePython312, Handler: aws.String("app.handler"), MemorySize: aws.Int32(128), Timeout: aws.Int32(3),
			LastModified: aws.String(time.Now().Format(time.RFC3339)), Environment: &types.EnvironmentResponse{Variables: map[string]string{"A": "1"}},
		},
	}
	Handle(svc, "GetFunction", func(context.Context, *lambda.GetFunctionInput) (*lambda.GetFunctionOutput, error) { return out, nil })
	r := httptest.NewRequest(http.MethodGet, "/2015-03-31/functions/my-function?Qualifier=1", nil)
	serveLoop(b, NewServer(Options{Services: []*Service{svc}}), r, "")
}

func BenchmarkCreateFunctionOfTenMegabytes(b *testing.B) {
	svc := permissive()
	r := httptest.NewRequest(http.MethodPost, "/2015-03-31/functions", nil)
	body := `{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{"ZipFile":"` + strings.Repeat("UEsF", 10<<20/3) + `"}}`
	r.ContentLength = int64(len(body))
	b.SetBytes(int64(len(body)))
	serveLoop(b, NewServer(Options{Services: []*Service{svc}}), r, body)
}

// What a start pays for the model and the routes of Lambda.
func BenchmarkNewService(b *testing.B) {
	m := models.Lambda()
	for b.Loop() {
		NewService(m)
	}
}
