package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// wickServer is a running wick serve.
type wickServer struct {
	*wickserver.Server
	lambda *lambda.Client
}

// startWick starts one on a data directory of its own.
func (b *bench) startWick(arguments ...string) (*wickServer, error) {
	dir, err := os.MkdirTemp(b.dir, "data")
	if err != nil {
		return nil, err
	}
	return b.startWickOn(dir, arguments...)
}

func (b *bench) startWickOn(dir string, arguments ...string) (*wickServer, error) {
	s, err := wickserver.Start(b.o.wick, dir, arguments...)
	if err != nil {
		return nil, err
	}
	return &wickServer{Server: s, lambda: s.Client()}, nil
}

// path is where a function's events go.
func path(name string) string { return "/2015-03-31/functions/" + name + "/invocations" }

// create makes a function and returns when it is active. Its memory gives it one CPU.
func (w *wickServer) create(ctx context.Context, name string, l *language) error {
	return w.createOf(ctx, name, l.runtime, l.handler, l.code)
}

func (w *wickServer) createOf(ctx context.Context, name string, runtime types.Runtime, handler string, code []byte) error {
	_, err := w.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: runtime, Handler: &handler, MemorySize: aws.Int32(1769), Timeout: aws.Int32(60),
		Role: aws.String("arn:aws:iam::000000000000:role/bench"),
		Code: &types.FunctionCode{ZipFile: code},
	})
	if err != nil {
		return err
	}
	in := &lambda.GetFunctionInput{FunctionName: &name}
	return lambda.NewFunctionActiveV2Waiter(w.lambda).Wait(ctx, in, time.Minute, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 2*time.Millisecond, 50*time.Millisecond
	})
}

func (w *wickServer) delete(ctx context.Context, name string) error {
	_, err := w.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
	return err
}

// live returns the server's instances.
func (w *wickServer) live(ctx context.Context) (client.Instances, error) {
	var live client.Instances
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/_wick/ps", nil)
	if err != nil {
		return live, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return live, err
	}
	return live, errors.Join(json.NewDecoder(response.Body).Decode(&live), response.Body.Close())
}

// pid returns the server's process.
func (w *wickServer) pid(ctx context.Context) (int, error) {
	var health struct{ PID int }
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/_wick/health", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return health.PID, errors.Join(json.NewDecoder(response.Body).Decode(&health), response.Body.Close())
}

// reportsInit says whether the log of a function has a REPORT with an Init Duration.
func (w *wickServer) reportsInit(ctx context.Context, name string) (bool, error) {
	body := fmt.Sprintf(`{"logGroupName":"/aws/lambda/%s","filterPattern":"\"Init Duration\""}`, name)
	// Records are written behind the answer.
	for deadline := time.Now().Add(10 * time.Second); ; pause(ctx, 50*time.Millisecond) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/", bytes.NewReader([]byte(body)))
		if err != nil {
			return false, err
		}
		request.Header.Set("X-Amz-Target", "Logs_20140328.FilterLogEvents")
		request.Header.Set("Content-Type", "application/x-amz-json-1.1")
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=0")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, err
		}
		var found struct{ Events []json.RawMessage }
		if err := errors.Join(json.NewDecoder(response.Body).Decode(&found), response.Body.Close()); err != nil {
			return false, err
		}
		if len(found.Events) > 0 || time.Now().After(deadline) || ctx.Err() != nil {
			return len(found.Events) > 0, ctx.Err()
		}
	}
}

// work makes a package of one of the functions that work or wait for as long as told.
func work(file string) ([]byte, error) { return packed(filepath.Join(testdata, file)) }
