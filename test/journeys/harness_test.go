package journeys

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// patience bounds waits for what takes milliseconds when all is well: it separates slow
// from stuck on a loaded machine, and no test passes or fails by its length.
const patience = time.Minute

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
	binary = filepath.Join(dir, "wick")
	build := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", binary, "../../cmd/wick")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building wick:", err)
		return 1
	}
	return m.Run()
}

// server is a running wick serve.
type server struct {
	URL     string
	DataDir string

	cmd    *exec.Cmd
	stdout *transcript
	stderr *transcript
	exited chan struct{} // closed when cmd has been waited for
}

var ready = regexp.MustCompile(`(?m)^wick \S+ ready at (http://\S+) in .*$`)

// start runs wick serve on a free port with a data directory of its own, waits until it
// is ready, and stops it when the test ends: with SIGTERM, to which it must exit 0 and
// leave nothing behind.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	return startIn(t, filepath.Join(t.TempDir(), "data"), args...)
}

// startIn is start with a data directory that may exist.
func startIn(t *testing.T, dataDir string, args ...string) *server {
	t.Helper()
	s := &server{DataDir: dataDir, stdout: newTranscript(), stderr: newTranscript(), exited: make(chan struct{})}
	s.cmd = exec.Command(binary, append([]string{"serve", "--addr", "127.0.0.1:0", "--data-dir", dataDir}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "WICK_")
	})
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // stop looks at ProcessState
	}()
	t.Cleanup(func() { s.stop(t) })
	match, err := s.stdout.waitFor(ready, s.exited)
	if err != nil {
		t.Fatalf("wick serve: %v\n%s%s", err, s.stdout, s.stderr)
	}
	s.URL = match[1]
	return s
}

// stop ends the server as an operator does and checks how it went. It can be called twice.
func (s *server) stop(t *testing.T) {
	t.Helper()
	select {
	case <-s.exited:
		return
	default:
	}
	belongings := s.belongings(t)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("stopping wick serve: %v", err)
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines tell where it hangs
		<-s.exited
		t.Errorf("wick serve did not stop on SIGTERM\n%s", s.stderr)
		return
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("wick serve exited with %d after SIGTERM\n%s", code, s.stderr)
	}
	belongings.check(t)
	if t.Failed() {
		t.Logf("the operator's log:\n%s", s.stderr)
	}
}

// kill ends the server with SIGKILL and returns when it is gone.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.exited
}

// client returns AWS's own client for the server.
func (s *server) client() *lambda.Client {
	return lambda.New(lambda.Options{
		BaseEndpoint: aws.String(s.URL),
		Region:       "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "journey", SecretAccessKey: "journey"}, nil
		}),
		Retryer: aws.NopRetryer{},
	})
}

// wick runs another command against the server and returns what it printed. It fails the
// test unless the command exits with status.
func (s *server) wick(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "WICK_ENDPOINT="+s.URL)
	return output(t, cmd, status)
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

// transcript keeps what a process prints and lets a test wait for a line of it.
type transcript struct {
	mu      sync.Mutex // guards text and changed
	text    []byte
	changed chan struct{} // closed, and replaced, with every write
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (tr *transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.text = append(tr.text, p...)
	close(tr.changed)
	tr.changed = make(chan struct{})
	return len(p), nil
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return string(tr.text)
}

// waitFor returns the first match of pattern once it was printed. It fails when the
// process ends first or patience does.
func (tr *transcript) waitFor(pattern *regexp.Regexp, exited <-chan struct{}) ([]string, error) {
	deadline := time.After(patience)
	for {
		tr.mu.Lock()
		match, changed := pattern.FindSubmatch(tr.text), tr.changed
		tr.mu.Unlock()
		if match != nil {
			groups := make([]string, len(match))
			for i, g := range match {
				groups[i] = string(g)
			}
			return groups, nil
		}
		select {
		case <-changed:
		case <-exited:
			return nil, fmt.Errorf("it ended before it printed %s", pattern)
		case <-deadline:
			return nil, fmt.Errorf("it never printed %s", pattern)
		}
	}
}

// belongings is what a running server has on the machine outside its data directory.
type belongings struct {
	dataDir string
	procs   map[int]string // descendants: pid → start time, so that a reused pid is no leftover
	cgroups map[string]bool
}

// belongings looks at the server's descendants and the cgroups they are in.
func (s *server) belongings(t *testing.T) belongings {
	t.Helper()
	b := belongings{dataDir: s.DataDir, procs: map[int]string{}, cgroups: map[string]bool{}}
	children := map[int][]int{}
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range entries {
		if pid, parent, _, ok := readStat(path); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	own := cgroupsOf(s.cmd.Process.Pid)
	var walk func(int)
	walk = func(pid int) {
		for _, child := range children[pid] {
			if _, _, started, ok := readStat(fmt.Sprintf("/proc/%d/stat", child)); ok {
				b.procs[child] = started
			}
			for cgroup := range cgroupsOf(child) {
				if !own[cgroup] {
					b.cgroups[cgroup] = true
				}
			}
			walk(child)
		}
	}
	walk(s.cmd.Process.Pid)
	return b
}

// check fails the test for everything that is still there, of a server that has ended.
func (b belongings) check(t *testing.T) {
	t.Helper()
	b.checkSandboxes(t)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, b.dataDir) {
			t.Errorf("a mount is still there: %s", line)
		}
	}
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range loops {
		if file, err := os.ReadFile(path); err == nil && strings.Contains(string(file), b.dataDir) {
			t.Errorf("a loop device is still there: %s", file)
		}
	}
}

// checkSandboxes is check for what can't belong to another server on the same data
// directory: processes and cgroups.
func (b belongings) checkSandboxes(t *testing.T) {
	t.Helper()
	for pid, started := range b.procs {
		path := fmt.Sprintf("/proc/%d/", pid)
		if _, _, now, ok := readStat(path + "stat"); ok && now == started {
			args, err := os.ReadFile(path + "cmdline")
			t.Errorf("process %d of a sandbox is still there: %q %v", pid, bytes.ReplaceAll(args, []byte{0}, []byte{' '}), err)
		}
	}
	for cgroup := range b.cgroups {
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"} {
			if _, err := os.Stat(filepath.Join(root, cgroup)); err == nil {
				t.Errorf("cgroup %s is still there", filepath.Join(root, cgroup))
			}
		}
	}
}

// readStat reads a /proc/PID/stat; ok is false when the process is gone, or dead and only
// not yet waited for by whoever inherited it.
func readStat(path string) (pid, parent int, started string, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, "", false
	}
	// The name, in parentheses, may hold anything: fields are counted behind it.
	end := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[end+1:]))
	if end < 0 || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, 0, "", false
	}
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		return 0, 0, "", false
	}
	if _, err := fmt.Sscan(fields[1], &parent); err != nil {
		return 0, 0, "", false
	}
	return pid, parent, fields[19], true
}

// cgroupsOf returns the cgroup paths a process is in.
func cgroupsOf(pid int) map[string]bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil // it is gone
	}
	paths := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if parts := strings.SplitN(lines.Text(), ":", 3); len(parts) == 3 {
			paths[parts[2]] = true
		}
	}
	return paths
}
