package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// sleeper takes an event and says so, but never answers.
const sleeper = `#!/bin/sh
curl -s "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" >/dev/null
echo taken
exec sleep 60
`

func TestAnEventThatOutlastsTheGraceIsAnsweredStill(t *testing.T) {
	c := config{
		Addr: "127.0.0.1:0", DataDir: t.TempDir(), Concurrency: 10, IdleTimeout: time.Minute,
		MaxLifetime: time.Hour, QueueWait: time.Minute, Grace: 50 * time.Millisecond,
		Isolation: "process", Forward: forwards{},
	}
	s, err := openServer(t.Context(), c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			t.Error(s.close(context.Background()))
		}
	})
	var pack bytes.Buffer
	z := zip.NewWriter(&pack)
	h := &zip.FileHeader{Name: "bootstrap"}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, sleeper); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"FunctionName": "f", "Runtime": "provided.al2023", "Handler": "h", "Timeout": 60,
		"Role": "arn:aws:iam::000000000000:role/r", "Code": map[string]any{"ZipFile": pack.Bytes()},
	})
	if err != nil {
		t.Fatal(err)
	}
	post := func(path string, body []byte) (int, string) {
		resp, err := http.Post(s.url()+path, "application/json", bytes.NewReader(body))
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, string(answer)
	}
	if status, answer := post("/2015-03-31/functions", body); status != http.StatusCreated {
		t.Fatalf("creating: %d %s", status, answer)
	}
	type reply struct {
		status int
		answer string
	}
	replies := make(chan reply, 1)
	go func() {
		for {
			status, answer := post("/2015-03-31/functions/f/invocations", []byte("{}"))
			if status == http.StatusConflict { // not Active yet
				continue
			}
			replies <- reply{status, answer}
			return
		}
	}()
	for taken := false; !taken; <-time.After(5 * time.Millisecond) {
		for _, i := range s.fleet.Instances() {
			taken = taken || i.RequestID != ""
		}
		select {
		case r := <-replies:
			t.Fatalf("invoking: %+v", r)
		default:
		}
	}
	closed = true
	if err := s.close(context.Background()); err != nil {
		t.Error(err)
	}
	if r := <-replies; r.status != http.StatusServiceUnavailable || !strings.Contains(r.answer, "shutting down") {
		t.Errorf("the event was answered with %+v", r)
	}
}
