// Command bootstrap is the function as a custom runtime in plain Go: it speaks the
// Runtime API with nothing but the standard library. With an argument it ends at once,
// which is what a bare start is measured by.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) > 1 {
		return
	}
	for {
		if err := serve("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"); err != nil {
			log.Fatal(err)
		}
	}
}

func serve(api string) error {
	next, err := http.Get(api + "next")
	if err != nil {
		return err
	}
	var event struct{ Name string }
	err = json.NewDecoder(next.Body).Decode(&event)
	next.Body.Close()
	if err != nil {
		return err
	}
	answer, err := json.Marshal(map[string]string{"hello": event.Name})
	if err != nil {
		return err
	}
	url := api + next.Header.Get("Lambda-Runtime-Aws-Request-Id") + "/response"
	done, err := http.Post(url, "application/json", bytes.NewReader(answer))
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, done.Body) // or the connection isn't used again
	return done.Body.Close()
}
