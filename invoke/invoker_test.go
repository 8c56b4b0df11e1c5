package invoke_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/invoke"
)

// functions knows one function of every name, in whatever account and region.
type functions struct{}

func (functions) Resolve(_ context.Context, id wick.FunctionID, _ string) (*wick.Function, error) {
	return &wick.Function{FunctionID: id, Version: wick.Latest}, nil
}

// fleetFunc is a fleet.
type fleetFunc func(*instance.Invocation) (*instance.Answer, error)

func (f fleetFunc) Invoke(_ context.Context, _ *wick.Function, inv *instance.Invocation) (*instance.Answer, error) {
	return f(inv)
}

// Start implements the fleet's.
func (f fleetFunc) Start(_ context.Context, _ *wick.Function, inv *instance.Invocation, done func(*instance.Answer, error)) {
	done(f(inv))
}

// counter notes which functions' events were throttled.
type counter string

// Throttled implements invoke.Counter.
func (c *counter) Throttled(f *wick.Function) { *c += counter(f.Name + " " + f.Region + ";") }

func request(region string) *invoke.Request {
	return &invoke.Request{
		Function:  wick.FunctionID{Account: wick.DefaultAccount, Region: region, Name: "f"},
		RequestID: "id", Payload: bytes.NewBufferString(`"event"`), Size: 7,
	}
}

func TestAnAnswerIsTheFunctionsOwn(t *testing.T) {
	v := invoke.New(functions{}, fleetFunc(func(inv *instance.Invocation) (*instance.Answer, error) {
		return &instance.Answer{Payload: inv.Payload, Failed: true, LogTail: []byte("tail")}, nil
	}), 0)
	r, err := v.Invoke(t.Context(), request("us-east-1"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Payload)
	if err != nil || string(body) != `"event"` || r.Size != 7 {
		t.Errorf("answered %q of %d bytes (%v)", body, r.Size, err)
	}
	if r.FunctionError != "Unhandled" || r.ExecutedVersion != wick.Latest || string(r.LogTail) != "tail" {
		t.Errorf("answered %+v", r)
	}
}

func TestOverTheConcurrencyOfAnAccountAnEventIsRefusedAtOnce(t *testing.T) {
	arrived, leave := make(chan struct{}), make(chan struct{})
	v := invoke.New(functions{}, fleetFunc(func(*instance.Invocation) (*instance.Answer, error) {
		arrived <- struct{}{}
		<-leave
		return &instance.Answer{}, nil
	}), 2)
	var throttled counter
	v.Count(&throttled)
	done := make(chan error)
	send := func(region string) {
		go func() {
			_, err := v.Invoke(context.Background(), request(region))
			done <- err
		}()
		<-arrived
	}
	send("us-east-1")
	send("us-east-1")
	_, err := v.Invoke(t.Context(), request("us-east-1"))
	var e *wick.Error
	if !errors.As(err, &e) || e.Kind != wick.TooManyRequests || e.Reason != "ConcurrentInvocationLimitExceeded" ||
		e.Message != "Rate Exceeded." {
		t.Errorf("the third came to %#v", err)
	}
	if throttled != "f us-east-1;" {
		t.Errorf("counted are %q", throttled)
	}
	send("eu-west-1") // a limit of its own
	for range 3 {
		leave <- struct{}{}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	send("us-east-1") // there is room again
	leave <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAFailureThatHasNoWordsForTheCallerGetsSome(t *testing.T) {
	cause := errors.New("/var/lib/wick/x: no space left")
	v := invoke.New(functions{}, fleetFunc(func(*instance.Invocation) (*instance.Answer, error) {
		return nil, cause
	}), 0)
	_, err := v.Invoke(t.Context(), request("us-east-1"))
	var e *wick.Error
	if !errors.As(err, &e) || e.Kind != wick.Internal || strings.Contains(e.Message, "/var") || !errors.Is(err, cause) {
		t.Errorf("it came to %#v", err)
	}
}

func TestAFunctionAlwaysGetsATraceHeaderThatSaysWhetherItIsSampled(t *testing.T) {
	var got string
	v := invoke.New(functions{}, fleetFunc(func(inv *instance.Invocation) (*instance.Answer, error) {
		got = inv.Trace
		return &instance.Answer{}, nil
	}), 0)
	const root = "Root=1-5759e988-bd862e3fe1be46a994272793"
	for given, want := range map[string]string{
		"":   "Root=1-",
		root: root + ";Sampled=0",
		root + ";Parent=53995c3f42cd8ad8;Sampled=1": root + ";Parent=53995c3f42cd8ad8;Sampled=1",
	} {
		r := request("us-east-1")
		r.Trace = given
		if _, err := v.Invoke(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got, want) || !strings.Contains(got, "Sampled=") {
			t.Errorf("for %q it got %q", given, got)
		}
	}
}
