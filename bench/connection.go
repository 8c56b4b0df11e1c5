package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// connection is a client with one connection that is kept alive. It writes a request
// and reads its answer on the caller's goroutine, so that little of what is measured is
// the client's own; everyone is asked by the same.
type connection struct {
	net.Conn
	reader *bufio.Reader
	host   string
}

// target is a URL taken apart.
type target struct{ address, path string }

func parseTarget(to string) (target, error) {
	u, err := url.Parse(to)
	if err != nil {
		return target{}, err
	}
	return target{u.Host, u.RequestURI()}, nil
}

func dial(ctx context.Context, address string) (*connection, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, reader: bufio.NewReaderSize(c, 8<<10), host: address}, nil
}

// answerLimit bounds the wait for an answer; whoever needs longer is stuck.
const answerLimit = 2 * time.Minute

// post sends a body and returns the status, the header and the body of the answer.
func (c *connection) post(path, body string) (int, http.Header, []byte, error) {
	if err := c.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return 0, nil, nil, err
	}
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, c.host, len(body), body)
	if _, err := io.WriteString(c, request); err != nil {
		return 0, nil, nil, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, text, errors.Join(err, response.Body.Close())
}

// event is what the functions and their plain twins are sent, and answer what they say.
const event, answer = `{"name": "Ada"}`, `{"hello":"Ada"}`

// ask sends the event and returns how long the right answer took.
func (c *connection) ask(path string) (time.Duration, error) {
	began := time.Now()
	status, _, body, err := c.post(path, event)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if got := string(bytes.ReplaceAll(body, []byte(" "), nil)); strings.TrimSpace(got) != answer {
		return 0, fmt.Errorf("the answer is %d %s", status, body)
	}
	return took, nil
}

// askOnce asks on a connection of its own, made before the clock starts.
func askOnce(ctx context.Context, to string) (time.Duration, error) {
	t, err := parseTarget(to)
	if err != nil {
		return 0, err
	}
	c, err := dial(ctx, t.address)
	if err != nil {
		return 0, err
	}
	took, err := c.ask(t.path)
	return took, errors.Join(err, c.Close())
}
