package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// contestant is one way to have the function's work done.
type contestant struct {
	language, name string
	// cold starts what a first answer takes, has it, and returns how long that took;
	// nil: it has no cold start.
	cold func(context.Context) (time.Duration, error)
	// url is where warm events go; "": nowhere.
	url string
	// concurrent says that it can work on several events at a time.
	concurrent bool

	coldTook, warmTook, busyTook sample
	busySeconds                  float64
}

const event, answer = `{"name": "Ada"}`, `{"hello":"Ada"}`

// rest is a pause before each part: what the one before it left to do is done by then,
// such as booting the next instance ahead.
const rest = 300 * time.Millisecond

// measure does one round: a cold start, warm events by one client, and events by several.
func (c *contestant) measure(ctx context.Context, events, clients int) error {
	if c.cold != nil {
		time.Sleep(rest)
		took, err := c.cold(ctx)
		if err != nil {
			return err
		}
		c.coldTook = append(c.coldTook, took)
	}
	if c.url == "" {
		return nil
	}
	time.Sleep(rest)
	client := newClient()
	defer client.CloseIdleConnections()
	for n := range events + 5 {
		took, err := post(ctx, client, c.url)
		if err != nil {
			return err
		}
		if n >= 5 { // the first ones connect and thaw
			c.warmTook = append(c.warmTook, took)
		}
	}
	if !c.concurrent {
		return nil
	}
	return c.measureBusy(ctx, events, clients)
}

// measureBusy has clients send events at the same time.
func (c *contestant) measureBusy(ctx context.Context, events, clients int) error {
	time.Sleep(rest)
	var group sync.WaitGroup
	took := make([]sample, clients)
	errs := make([]error, clients)
	warm := make(chan struct{}) // closed when all have had their first answers
	var ready sync.WaitGroup
	ready.Add(clients)
	for n := range clients {
		group.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			for range 5 {
				_, err := post(ctx, client, c.url)
				errs[n] = errors.Join(errs[n], err)
			}
			ready.Done()
			<-warm
			for range events {
				t, err := post(ctx, client, c.url)
				if errs[n] = errors.Join(errs[n], err); errs[n] != nil {
					return
				}
				took[n] = append(took[n], t)
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(warm)
	group.Wait()
	c.busySeconds += time.Since(began).Seconds()
	c.busyTook = append(c.busyTook, slices.Concat(took...)...)
	return errors.Join(errs...)
}

// newClient returns a client with connections of its own, kept alive.
func newClient() *http.Client { return &http.Client{Transport: &http.Transport{}} }

// post sends the event and returns how long the right answer took.
func post(ctx context.Context, client *http.Client, url string) (time.Duration, error) {
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(event))
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(response.Body)
	took := time.Since(began)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return 0, err
	}
	if got := bytes.ReplaceAll(body, []byte(" "), nil); string(got) != answer {
		return 0, fmt.Errorf("the answer is %s %s", response.Status, body)
	}
	return took, nil
}
