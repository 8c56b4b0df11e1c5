package runtimes

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance/runtimeapi"
)

// discovered is the set all tests use; its folder lives as long as the test binary.
var discovered = sync.OnceValues(func() (*Set, error) {
	dir, err := os.MkdirTemp("", "wick-runtimes-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as the data directory's part is
		return nil, err
	}
	return Discover(context.Background(), Options{Dir: dir})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := discovered(); err == nil {
		_ = os.RemoveAll(s.dir) // a temporary folder
	}
	if left := children(); left != "" && code == 0 {
		fmt.Fprintln(os.Stderr, "processes are left behind:", left)
		code = 1
	}
	os.Exit(code)
}

// children are the processes this one has, "" where the system doesn't tell.
func children() string {
	var all []string
	tasks, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is well-formed
	for _, task := range tasks {
		if data, err := os.ReadFile(task); err == nil {
			all = append(all, strings.Fields(string(data))...)
		}
	}
	return strings.Join(all, " ")
}

func set(t testing.TB) *Set {
	t.Helper()
	s, err := discovered()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// match returns what runs a runtime, or skips the test where the machine has no
// interpreter of the language at all.
func match(t testing.TB, runtime string) Match {
	t.Helper()
	m, err := set(t).Match(runtime, false)
	if wick.KindOf(err) == wick.InvalidRuntime {
		t.Skipf("%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// program is a function to run: its files and how it is configured.
type program struct {
	runtime string
	handler string
	files   map[string]string
	env     map[string]string
	logging wick.LoggingConfig
	memory  int
}

// outcome is what an invocation, or init, came to.
type outcome struct {
	ok       bool
	init     bool // a failed init
	response runtimeapi.Response
	failure  runtimeapi.Failure
}

// body returns the posted document.
func (o outcome) body() string {
	if o.ok {
		return string(o.response.Body)
	}
	return string(o.failure.Body)
}

// record is one log record: a frame's text, or a line.
type record struct {
	framed bool
	text   string
}

// process is a started runtime with the Runtime API it talks to.
type process struct {
	t        testing.TB
	cmd      *exec.Cmd
	conns    runtimeapi.Conns
	polls    chan *runtimeapi.Conn
	assigns  chan *runtimeapi.Conn
	outcomes chan outcome
	listener net.Listener
	dir      string // the function's code

	logsDone chan struct{}
	mu       sync.Mutex
	logs     []record
	exited   chan struct{}
	status   *os.ProcessState
}

func (p *process) Next(c *runtimeapi.Conn)   { p.polls <- c }
func (p *process) Assign(c *runtimeapi.Conn) { p.assigns <- c }
func (p *process) Gone(*runtimeapi.Conn)     {}
func (p *process) Respond(_ string, r runtimeapi.Response) *runtimeapi.Refusal {
	p.outcomes <- outcome{ok: true, response: r}
	return nil
}
func (p *process) Fail(_ string, f runtimeapi.Failure) *runtimeapi.Refusal {
	p.outcomes <- outcome{failure: f}
	return nil
}
func (p *process) FailInit(f runtimeapi.Failure) *runtimeapi.Refusal {
	p.outcomes <- outcome{init: true, failure: f}
	return nil
}

func newProcess(t testing.TB) *process {
	p := &process{
		t: t, polls: make(chan *runtimeapi.Conn, 8), assigns: make(chan *runtimeapi.Conn, 1), outcomes: make(chan outcome, 8),
		logsDone: make(chan struct{}), exited: make(chan struct{}),
	}
	t.Cleanup(p.stop)
	return p
}

func writeFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil { //nolint:gosec // a function's code
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil { //nolint:gosec // a function's code
			t.Fatal(err)
		}
	}
	return dir
}

// startStem boots a stem and waits until it asks for its function.
func startStem(t testing.TB, m Match) (*process, *runtimeapi.Conn) {
	t.Helper()
	p := newProcess(t)
	ours, theirs := socketPair(t)
	p.start(set(t).Stem(m), m, nil, theirs)
	closeFile(t, theirs)
	p.conns.Go(ours, p, true)
	return p, receive(p, p.assigns, "the stem's question")
}

// assign makes a stem become a program.
func (p *process) assign(c *runtimeapi.Conn, m Match, prog program) {
	p.t.Helper()
	p.dir = writeFiles(p.t, prog.files)
	doc, err := json.Marshal(map[string]any{"env": p.environment(m, prog)})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.SendAssignment(doc); err != nil {
		p.t.Fatal(err)
	}
}

// startOrdinary starts a program with its environment from the beginning.
func startOrdinary(t testing.TB, m Match, prog program) *process {
	t.Helper()
	p := newProcess(t)
	p.dir = writeFiles(t, prog.files)
	p.listen()
	c := set(t).Ordinary(m, prog.function())
	c.Dir = p.dir
	var env []string
	for name, value := range p.environment(m, prog) {
		env = append(env, name+"="+value)
	}
	p.start(c, m, env)
	return p
}

// runProgram starts a program in one of the two ways.
func runProgram(t testing.TB, prog program, stem bool) *process {
	t.Helper()
	m := match(t, prog.runtime)
	if !stem {
		return startOrdinary(t, m, prog)
	}
	p, c := startStem(t, m)
	p.assign(c, m, prog)
	return p
}

func (prog program) function() *wick.Function {
	memory := prog.memory
	if memory == 0 {
		memory = 128
	}
	return &wick.Function{
		FunctionID: wick.FunctionID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: "f"},
		Version:    wick.Latest, Runtime: prog.runtime, Handler: prog.handler, MemoryMB: memory,
		Environment: prog.env, Logging: prog.logging,
	}
}

// environment is what an instance would give, at this test's places.
func (p *process) environment(m Match, prog program) map[string]string {
	env := Environment(prog.function(), m)
	env["AWS_LAMBDA_FUNCTION_NAME"] = "f"
	env["AWS_LAMBDA_FUNCTION_VERSION"] = wick.Latest
	env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = "128"
	env["AWS_LAMBDA_LOG_GROUP_NAME"] = "/aws/lambda/f"
	env["AWS_LAMBDA_LOG_STREAM_NAME"] = "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef"
	env["AWS_REGION"] = wick.DefaultRegion
	if p.listener != nil {
		env["AWS_LAMBDA_RUNTIME_API"] = p.listener.Addr().String()
	}
	for name, value := range env {
		env[name] = p.outside(m, value)
	}
	return env
}

// outside turns the places inside an instance into this test's.
func (p *process) outside(m Match, s string) string {
	replace := []string{runtimeDir, set(p.t).bootstraps[m.Language]}
	if l := m.Language.known(); l.program != nil {
		replace = append(replace, l.program(m.Interpreter), m.Interpreter.Bin)
	}
	if p.dir != "" {
		replace = append(replace, taskDir, p.dir)
	}
	return strings.NewReplacer(replace...).Replace(s)
}

func (p *process) listen() {
	p.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.listener = ln
	go runtimeapi.Serve(ln, p, &p.conns)
}

// start starts a command outside a sandbox.
func (p *process) start(c Command, m Match, env []string, files ...*os.File) {
	p.t.Helper()
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = p.outside(m, a)
	}
	p.cmd = &exec.Cmd{Path: p.outside(m, c.Path), Args: args, Dir: c.Dir, ExtraFiles: files}
	p.cmd.Env = append(p.cmd.Env, env...)
	for _, e := range c.Env {
		p.cmd.Env = append(p.cmd.Env, p.outside(m, e))
	}
	p.run()
}

// run starts p.cmd with its output read.
func (p *process) run() {
	p.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	closeFile(p.t, w)
	go p.readLogs(r)
	go func() {
		_ = p.cmd.Wait() // ProcessState says it all
		p.status = p.cmd.ProcessState
		close(p.exited)
	}()
}

func (p *process) stop() {
	if p.listener != nil {
		_ = p.listener.Close() // its clients end below
	}
	p.conns.Close()
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may be gone
	<-p.exited
	<-p.logsDone
}

// readLogs cuts output into records until the last writer is gone.
func (p *process) readLogs(r *os.File) {
	defer close(p.logsDone)
	defer r.Close() //nolint:errcheck // only read
	br := bufio.NewReaderSize(r, 1<<20)
	for {
		var rec record
		head, err := br.Peek(16)
		if len(head) == 16 && head[0] == 0xa5 && head[1] == 0x5a {
			payload := make([]byte, binary.BigEndian.Uint32(head[4:]))
			_, _ = br.Discard(16) // it has been peeked
			if _, err := io.ReadFull(br, payload); err != nil {
				return
			}
			rec = record{true, string(payload)}
		} else {
			line, err := br.ReadString('\n')
			if err != nil && line == "" {
				return
			}
			rec = record{false, strings.TrimSuffix(line, "\n")}
		}
		p.mu.Lock()
		p.logs = append(p.logs, rec)
		p.mu.Unlock()
		_ = err // a short peek near the end is a line
	}
}

const patience = 20 * time.Second

// receive waits for something from a channel; the test fails when it doesn't come.
func receive[T any](p *process, from <-chan T, what string) T {
	p.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-from:
		return v
	case <-timer.C:
		p.t.Fatalf("%s did not come; log: %q", what, texts(p.records()))
		panic("not reached")
	}
}

// event is an invocation's input.
type event struct {
	payload         string
	clientContext   string
	cognitoIdentity string
	tenantID        string
	trace           string
	deadline        time.Duration
}

const requestID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

// send waits for the runtime's poll and answers it with an event.
func (p *process) send(e event) {
	p.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case c := <-p.polls:
		p.answer(c, e)
	case o := <-p.outcomes:
		p.t.Fatalf("instead of a poll: %+v %s; log: %q", o, o.body(), texts(p.records()))
	case <-p.exited:
		p.t.Fatalf("instead of a poll the process ended: %v; log: %q", p.status, texts(p.records()))
	case <-timer.C:
		p.t.Fatalf("no poll; log: %q", texts(p.records()))
	}
}

func (p *process) answer(c *runtimeapi.Conn, e event) {
	p.t.Helper()
	if e.payload == "" {
		e.payload = "{}"
	}
	if e.deadline == 0 {
		e.deadline = time.Minute
	}
	err := c.SendEvent(&runtimeapi.Event{
		RequestID: requestID, DeadlineMs: time.Now().Add(e.deadline).UnixMilli(),
		InvokedARN:    "arn:aws:lambda:us-east-1:000000000000:function:f",
		ClientContext: e.clientContext, CognitoIdentity: e.cognitoIdentity, TenantID: e.tenantID, Trace: e.trace,
		Payload: []byte(e.payload),
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// invoke sends an event and returns what came of it.
func (p *process) invoke(e event) outcome {
	p.t.Helper()
	p.send(e)
	return p.outcome()
}

// outcome waits for a posted response or error.
func (p *process) outcome() outcome {
	p.t.Helper()
	return receive(p, p.outcomes, "an answer")
}

// exit waits for the process to end and returns its status ("exit status 1").
func (p *process) exit() string {
	p.t.Helper()
	receive(p, p.exited, "the process's end")
	<-p.logsDone
	return p.status.String()
}

// finish lets the runtime poll again, ends it and returns its log.
func (p *process) finish() []record {
	p.t.Helper()
	receive(p, p.polls, "a poll")
	p.conns.Close()
	p.exit()
	return p.records()
}

func (p *process) records() []record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]record(nil), p.logs...)
}

func socketPair(t testing.TB) (net.Conn, *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	closeFile(t, ours)
	return conn, theirs
}

func closeFile(t testing.TB, f *os.File) {
	t.Helper()
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

func texts(records []record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%s\n", r.text)
	}
	return b.String()
}
