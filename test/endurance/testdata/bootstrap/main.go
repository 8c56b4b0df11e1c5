// Command bootstrap is a function for provided.al2023: it works until the function that
// the event names exists.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

type event struct {
	Gate string
	Exit bool
}

func main() {
	for {
		if err := serveOne("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func serveOne(api string) error {
	next, err := http.Get(api + "next")
	if err != nil {
		return err
	}
	defer next.Body.Close()
	var e event
	if err := json.NewDecoder(next.Body).Decode(&e); err != nil {
		return err
	}
	if err := waitFor(e.Gate); err != nil {
		return err
	}
	if e.Exit {
		os.Exit(7)
	}
	answer := `"` + os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME") + `"`
	accepted, err := http.Post(api+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", strings.NewReader(answer))
	if err != nil {
		return err
	}
	return accepted.Body.Close()
}

func waitFor(gate string) error {
	for {
		resp, err := http.Get(os.Getenv("AWS_ENDPOINT_URL") + "/2015-03-31/functions/" + gate + "/configuration")
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		switch resp.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusNotFound:
			time.Sleep(time.Second) // a handler polls as handlers do
		default:
			return fmt.Errorf("the gate answers %s", resp.Status)
		}
	}
}
