package endurance

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// language is one of those that the functions are written in, all of which work until
// the function named by their event's gate exists.
type language struct {
	name    string
	runtime types.Runtime
	handler string
	file    string // in the package
	source  string // where it is
	program string // by which its process is known
	share   int    // of ten instances
}

var languages = []language{
	{"provided", types.RuntimeProvidedal2023, "none", "bootstrap", "", "bootstrap", 5},
	{"python", types.RuntimePython312, "app.handler", "app.py", "testdata/python/app.py", "python", 3},
	{"node", types.RuntimeNodejs20x, "index.handler", "index.mjs", "testdata/node/index.mjs", "node", 2},
}

var packages = map[string][]byte{}

// buildPackages builds the program and zips all; dir is where it may.
func buildPackages(dir string) error {
	for _, l := range languages {
		source := l.source
		if source == "" {
			source = filepath.Join(dir, l.file)
			cmd := exec.Command("go", "build", "-trimpath", "-o", source, "./testdata/bootstrap")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("building testdata/bootstrap: %w\n%s", err, out)
			}
		}
		content, err := os.ReadFile(source) //nolint:gosec // our own
		if err != nil {
			return err
		}
		if packages[l.name], err = zipped(l.file, content); err != nil {
			return err
		}
	}
	return nil
}

func zipped(name string, content []byte) ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(0o755)
	entry, err := w.CreateHeader(h)
	if err != nil {
		return nil, err
	}
	if _, err := entry.Write(content); err != nil {
		return nil, err
	}
	err = w.Close()
	return buf.Bytes(), err
}

// create makes a function and waits until it is active.
func (s *server) create(t *testing.T, name string, l language) {
	t.Helper()
	s.createInput(t, &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: l.runtime, Handler: &l.handler,
		Role: aws.String("arn:aws:iam::000000000000:role/endurance"), Timeout: aws.Int32(900),
		Code: &types.FunctionCode{ZipFile: packages[l.name]},
	})
}

func (s *server) createInput(t *testing.T, function *lambda.CreateFunctionInput) {
	t.Helper()
	name := *function.FunctionName
	if _, err := s.lambda.CreateFunction(t.Context(), function); err != nil {
		t.Fatalf("CreateFunction %s: %v", name, err)
	}
	in := &lambda.GetFunctionInput{FunctionName: &name}
	err := lambda.NewFunctionActiveV2Waiter(s.lambda).Wait(t.Context(), in, wickserver.Patience, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	})
	if err != nil {
		t.Fatalf("waiting for %s to be active: %v", name, err)
	}
}

func (s *server) delete(t *testing.T, name string) {
	t.Helper()
	if _, err := s.lambda.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: &name}); err != nil {
		t.Fatalf("DeleteFunction %s: %v", name, err)
	}
}

// crowd is functions with many events each, all being worked on at the same time.
type crowd struct {
	gate      string // when it exists, the events end
	functions []string
	size      int // events, and so instances
	group     sync.WaitGroup

	mu      sync.Mutex // guards answers
	answers map[string]int
}

// gather makes functions of all languages and sends them size events in all; exits says
// whether their processes exit instead of answering.
func (s *server) gather(t *testing.T, round string, size int, exits bool) *crowd {
	t.Helper()
	c := &crowd{gate: "gate-" + round, size: size, answers: map[string]int{}}
	left := size
	for i, l := range languages {
		events := size * l.share / 10
		if i == len(languages)-1 {
			events = left
		}
		left -= events
		for n := 0; events > 0; n++ {
			name := fmt.Sprintf("%s-%s-%d", l.name, round, n)
			s.create(t, name, l)
			c.functions = append(c.functions, name)
			for range min(events, eventsEach) {
				c.group.Go(func() { c.send(t, s, name, exits) })
			}
			events -= eventsEach
		}
	}
	return c
}

// eventsEach is how many events, and so instances, a function has at most.
const eventsEach = 20

func (c *crowd) send(t *testing.T, s *server, function string, exits bool) {
	payload := fmt.Appendf(nil, `{"gate":%q,"exit":%t}`, c.gate, exits)
	out, err := s.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if err != nil {
		t.Errorf("Invoke %s: %v", function, err)
		return
	}
	if failed := out.FunctionError != nil; failed != exits {
		t.Errorf("%s answers %s", function, out.Payload)
	}
	answer := string(out.Payload) // the instance's log stream
	if exits {
		answer = "" // an error with the request's ID in it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[answer]++
}

// open lets the events end and checks that each had an instance of its own.
func (c *crowd) open(t *testing.T, s *server, exits bool) {
	t.Helper()
	s.create(t, c.gate, languages[1])
	c.group.Wait()
	s.delete(t, c.gate)
	want := c.size
	if exits {
		want = 1
	}
	if len(c.answers) != want {
		t.Errorf("%d events were answered by %d instances", c.size, len(c.answers))
	}
}

// driverID is how a server names what it has on the machine, by its data directory.
func driverID(dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	return hex.EncodeToString(sum[:4])
}
