package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// wickServer is a running wick serve.
type wickServer struct {
	*wickserver.Server
	lambda *lambda.Client
	ahead  bool // it boots instances ahead
	made   int  // functions
}

func startWick(binary, dataDir string, arguments ...string) (*wickServer, error) {
	s, err := wickserver.Start(binary, dataDir, arguments...)
	if err != nil {
		return nil, err
	}
	return &wickServer{Server: s, lambda: s.Client(), ahead: len(arguments) == 0}, nil
}

// contestant has one function that stays, for warm events, and a new one for each cold.
func (w *wickServer) contestant(ctx context.Context, l *language, name, sources string) (*contestant, error) {
	source, err := os.ReadFile(filepath.Join(sources, l.file)) //nolint:gosec // our own
	if err != nil {
		return nil, err
	}
	code, err := zipped(l.file, source)
	if err != nil {
		return nil, err
	}
	c := &contestant{language: l.name, name: name, concurrent: true}
	c.cold = func(ctx context.Context) (time.Duration, error) { return w.cold(ctx, l, code) }
	if w.ahead { // both are the same when warm
		c.url, err = w.create(ctx, l.name+"-warm", l, code)
	}
	return c, err
}

// cold has the first answer of a new function, which is not there before and after.
func (w *wickServer) cold(ctx context.Context, l *language, code []byte) (time.Duration, error) {
	w.made++
	name := fmt.Sprintf("%s-cold-%d", l.name, w.made)
	url, err := w.create(ctx, name, l, code)
	if err != nil {
		return 0, err
	}
	if w.ahead {
		if err := w.awaitStem(ctx, l); err != nil {
			return 0, err
		}
	}
	client := newClient()
	defer client.CloseIdleConnections()
	took, err := post(ctx, client, url)
	if err != nil {
		return 0, err
	}
	_, err = w.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
	return took, err
}

// create makes a function, waits until it is active, and returns where its events go.
func (w *wickServer) create(ctx context.Context, name string, l *language, code []byte) (string, error) {
	_, err := w.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: l.runtime, Handler: &l.handler, MemorySize: aws.Int32(1769), // one CPU
		Role: aws.String("arn:aws:iam::000000000000:role/compare"),
		Code: &types.FunctionCode{ZipFile: code},
	})
	if err != nil {
		return "", err
	}
	in := &lambda.GetFunctionInput{FunctionName: &name}
	err = lambda.NewFunctionActiveV2Waiter(w.lambda).Wait(ctx, in, time.Minute, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	})
	return w.URL + "/2015-03-31/functions/" + name + "/invocations", err
}

// awaitStem waits until an instance of the language has been booted ahead, as there is
// one unless cold starts come one upon the other.
func (w *wickServer) awaitStem(ctx context.Context, l *language) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var live client.Instances
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/_wick/ps", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return fmt.Errorf("waiting for an instance booted ahead: %w", err)
		}
		err = json.NewDecoder(response.Body).Decode(&live)
		_ = response.Body.Close() // it has been read
		if err != nil {
			return err
		}
		for _, i := range live.Ahead {
			if i.Runtime == string(l.runtime) && i.State == wick.InstanceBooted {
				return nil
			}
		}
		<-tick.C
	}
}

func zipped(name string, content []byte) ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	if err != nil {
		return nil, err
	}
	if _, err := entry.Write(content); err != nil {
		return nil, err
	}
	err = w.Close()
	return buf.Bytes(), err
}
