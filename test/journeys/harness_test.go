package journeys

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// patience bounds waits for what takes milliseconds when all is well.
const patience = wickserver.Patience

// binary is the wick that every journey runs.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wick-journeys-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = wickserver.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// server is a running wick serve.
type server struct {
	*wickserver.Server
}

// start runs wick serve on a free port with a data directory of its own, waits until it
// is ready, and stops it when the test ends: with SIGTERM, to which it must exit 0 and
// leave nothing behind.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startIn(t, filepath.Join(t.TempDir(), "data"), args...)
}

// startIn is start with a data directory that may exist.
func startIn(t testing.TB, dataDir string, args ...string) *server {
	t.Helper()
	running, err := wickserver.Start(binary, dataDir, args...)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{running}
	t.Cleanup(func() { s.stop(t) })
	return s
}

// stop ends the server as an operator does and checks how it went. It can be called twice.
func (s *server) stop(t testing.TB) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("the operator's log:\n%s", s.OperatorLog())
	}
}

// kill ends the server with SIGKILL and returns when it is gone.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
}

// client returns AWS's own client for the server.
func (s *server) client() *lambda.Client { return s.Client() }

// belongings is what the server has on the machine outside its data directory.
func (s *server) belongings(t *testing.T) wickserver.Belongings {
	t.Helper()
	b, err := s.Belongings()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// output runs cmd and returns what it printed.
func output(t *testing.T, cmd *exec.Cmd, status int) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("%s: exit status %d, want %d\n%s%s", strings.Join(cmd.Args, " "), got, status, &out, &errs)
	}
	return out.String(), errs.String()
}

// tool returns the path of a client that scripts/install-tools clients installs.
func tool(t *testing.T, path string) string {
	t.Helper()
	found, err := filepath.Abs(filepath.Join("../../.cache", path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(found); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: make test installs it", found)
		}
		t.Skipf("%s is missing: run scripts/install-tools clients, or make test", found)
	}
	return found
}

// need skips a test for which the machine has no such program.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed on this machine", program)
	}
}

// get fetches a URL and returns the status and body.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url) //nolint:gosec // the server under test
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body.String()
}
