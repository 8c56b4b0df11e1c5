package journeys

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// createNode makes a Node.js function and waits until it is active.
func createNode(t *testing.T, c *lambda.Client, name, source string) {
	t.Helper()
	_, err := c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimeNodejs20x, Handler: aws.String("index.handler"),
		Role: aws.String("arn:aws:iam::000000000000:role/journey"), Timeout: aws.Int32(60),
		Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"index.mjs": source})},
	})
	if err != nil {
		t.Fatalf("CreateFunction %s: %v", name, err)
	}
	active(t, c, name)
}

// Sixteen clients, four functions, one of which crashes at random: every answer belongs to
// its request, and none is lost.
func TestUnderLoadNoAnswerIsLostOrMixedUp(t *testing.T) {
	need(t, "node")
	const clients = 16
	each := 625 // 10,000 in all
	if testing.Short() || wickserver.Race {
		each = 100 // the race detector makes an event ten times as much work
	}
	s := start(t)
	c := s.client()
	createNode(t, c, "load-node", `export const handler = async (event) => ({ echo: event.id });`)
	createNode(t, c, "load-node-slow", `export const handler = async (event) => {
	  await new Promise((done) => setTimeout(done, 3));
	  return { echo: event.id };
	};`)
	create(t, c, "load-python", "def handler(event, context):\n    return {'echo': event['id']}\n")
	create(t, c, "load-crash", `
import os
import random


def handler(event, context):
    if random.random() < 0.05:
        os._exit(7)
    return {"echo": event["id"]}
`)
	names := []string{"load-node", "load-node-slow", "load-python", "load-crash"}

	var answered, crashed atomic.Int64
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for i := range each {
				name, id := names[rand.IntN(len(names))], fmt.Sprintf("%d-%d", client, i)
				out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"id":"` + id + `"}`)})
				if err != nil {
					t.Errorf("%s, event %s: %v", name, id, err)
					return
				}
				if err := belongs(out, name, id); err != nil {
					t.Errorf("%s, event %s: %v", name, id, err)
					return
				}
				if out.FunctionError != nil {
					crashed.Add(1)
				}
				answered.Add(1)
			}
		})
	}
	group.Wait()
	if got := answered.Load(); got != int64(clients*each) {
		t.Errorf("%d of %d events were answered", got, clients*each)
	}
	t.Logf("%d events answered, %d of them by a crash", answered.Load(), crashed.Load())
	if !testing.Short() && crashed.Load() == 0 {
		t.Error("nothing crashed: this test has tested nothing")
	}
}

// belongs tells whether an answer is the one of this event: its echo, or the crash of this
// very request.
func belongs(out *lambda.InvokeOutput, name, id string) error {
	var answer struct{ Echo, ErrorType, ErrorMessage string }
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return fmt.Errorf("the answer %q: %w", out.Payload, err)
	}
	if out.FunctionError == nil {
		if answer.Echo != id {
			return fmt.Errorf("the answer is of event %s", answer.Echo)
		}
		return nil
	}
	request, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	if name != "load-crash" || answer.ErrorType != "Runtime.ExitError" || !strings.HasPrefix(answer.ErrorMessage, "RequestId: "+request+" ") {
		return fmt.Errorf("request %s failed with %s", request, out.Payload)
	}
	return nil
}

// Killed again and again while functions are created and invoked, the server starts again
// each time, knows all that it has acknowledged, and nothing of its sandboxes survives.
func TestKill9UnderLoadLosesNothingThatWasAcknowledged(t *testing.T) {
	rounds := 20
	if testing.Short() || wickserver.Race {
		rounds = 5
	}
	dir := t.TempDir() + "/data"
	var acknowledged []string
	for round := range rounds {
		s := startIn(t, dir)
		c := s.client()
		known := functionNames(t, c)
		for _, name := range acknowledged {
			if !slices.Contains(known, name) {
				t.Fatalf("round %d: %s was acknowledged and is lost; there are %v", round, name, known)
			}
		}
		if round > 0 {
			wantAnswer(t, invoke(t, c, acknowledged[len(acknowledged)-1], `{}`), `{"edition":1,"event":{}}`)
		}

		// Everybody works until the server is gone; it is killed when some of the work is
		// certainly under way.
		var group sync.WaitGroup
		var mu sync.Mutex // guards acknowledged
		enough := make(chan struct{})
		var done atomic.Int64
		progress := func() {
			if done.Add(1) == 8 {
				close(enough)
			}
		}
		source := zipped(t, map[string]string{"app.py": pythonSource("1")})
		for worker := range 2 {
			group.Go(func() {
				for i := 0; ; i++ {
					name := fmt.Sprintf("kill-%d-%d-%d", round, worker, i)
					_, err := c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
						FunctionName: &name, Runtime: types.RuntimePython312, Handler: aws.String("app.handler"),
						Role: aws.String("arn:aws:iam::000000000000:role/journey"), Code: &types.FunctionCode{ZipFile: source}, Timeout: aws.Int32(60),
					})
					if err != nil {
						return
					}
					mu.Lock()
					acknowledged = append(acknowledged, name)
					mu.Unlock()
					progress()
					// Pending at first: a refusal is fine, a mixed-up answer isn't.
					out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{}`)})
					var conflict *types.ResourceConflictException
					switch {
					case errors.As(err, &conflict):
					case err != nil:
						return
					default:
						wantAnswer(t, out, `{"edition":1,"event":{}}`)
						progress()
					}
				}
			})
		}
		select {
		case <-enough:
		case <-s.Exited():
			t.Fatalf("round %d: the server ended by itself\n%s", round, s.OperatorLog())
		}
		left := s.belongings(t)
		s.kill(t)
		group.Wait()
		next := startIn(t, dir)
		sweeps(t, left)
		next.stop(t)
		if t.Failed() {
			t.Fatalf("that was round %d", round)
		}
	}
	t.Logf("killed %d times; %d functions were acknowledged and are there", rounds, len(acknowledged))
}

// sweeps waits until a server has removed what is left of a killed one's sandboxes, which
// it does in the background.
func sweeps(t *testing.T, left wickserver.Belongings) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		err := left.LeftSandboxes()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// functionNames lists every function.
func functionNames(t *testing.T, c *lambda.Client) []string {
	t.Helper()
	var names []string
	pages := lambda.NewListFunctionsPaginator(c, &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Functions {
			names = append(names, *f.FunctionName)
		}
	}
	return names
}
