// Package runner starts runtimes outside a sandbox, with the Runtime API they talk to, so
// that a test can be their instance: send them events and see their answers, their log
// records and their end. The tests of runtimes drive the bootstraps with it, test/differential
// AWS's own clients beside them. It knows neither languages nor bootstraps; the caller
// brings the command and its environment.
package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance/runtimeapi"
)

// TaskDir is where a function's code is inside an instance.
const TaskDir = "/var/task"

// Program is a function to run: its files and how it is configured.
type Program struct {
	Runtime  string
	Handler  string
	Files    map[string]string // content by path
	Links    map[string]string // files of this machine, by path: programs and libraries
	Env      map[string]string
	Logging  wick.LoggingConfig
	MemoryMB int // 128 when 0
}

// Function is the program as a function named f.
func (prog Program) Function() *wick.Function {
	memory := prog.MemoryMB
	if memory == 0 {
		memory = 128
	}
	return &wick.Function{
		FunctionID: wick.FunctionID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: "f"},
		Version:    wick.Latest, Runtime: prog.Runtime, Handler: prog.Handler, MemoryMB: memory,
		Environment: prog.Env, Logging: prog.Logging,
	}
}

// Outcome is what an invocation, or init, came to.
type Outcome struct {
	OK       bool // a response, else an error
	Init     bool // a failed init
	Response runtimeapi.Response
	Failure  runtimeapi.Failure
}

// Body returns the posted document.
func (o Outcome) Body() string {
	if o.OK {
		return string(o.Response.Body)
	}
	return string(o.Failure.Body)
}

// Poll is a runtime's call of next, which waits for its event.
type Poll interface {
	SendEvent(e *runtimeapi.Event) error
}

// Process is a runtime with the Runtime API it talks to. Until it is started its fields
// may be set.
type Process struct {
	Cmd *exec.Cmd
	// TelemetryFD has the log's descriptor given to the process as 3, too.
	TelemetryFD bool
	// Dir is the host's folder with the function's code.
	Dir string
	// Polls are the runtime's calls of next that wait for an event, Assigns a stem's
	// questions which function to be, Outcomes what was posted.
	Polls    chan Poll
	Assigns  chan *runtimeapi.Conn
	Outcomes chan Outcome

	t        testing.TB
	places   []string
	conns    runtimeapi.Conns
	listener net.Listener
	logs     logs
	exited   chan struct{}
	status   *os.ProcessState
}

// New returns a process that isn't started; it ends with the test. places are pairs of a
// path inside an instance and what it is on this machine.
func New(t testing.TB, places ...string) *Process {
	p := &Process{
		t: t, places: places, Polls: make(chan Poll, 8), Assigns: make(chan *runtimeapi.Conn, 1),
		Outcomes: make(chan Outcome, 8), exited: make(chan struct{}),
	}
	p.logs.done = make(chan struct{})
	t.Cleanup(p.Stop)
	return p
}

// Next keeps a call that waits for an event; with the methods below a process is a
// runtimeapi.Runtime.
func (p *Process) Next(c *runtimeapi.Conn) { p.Polls <- c }

// Assign keeps a stem's question.
func (p *Process) Assign(c *runtimeapi.Conn) { p.Assigns <- c }

// Gone does nothing: that the process ended is seen by waiting for it.
func (p *Process) Gone(*runtimeapi.Conn) {}

// Respond keeps an answer.
func (p *Process) Respond(_ string, r runtimeapi.Response) *runtimeapi.Refusal {
	p.Outcomes <- Outcome{OK: true, Response: r}
	return nil
}

// Fail keeps an invocation's error.
func (p *Process) Fail(_ string, f runtimeapi.Failure) *runtimeapi.Refusal {
	p.Outcomes <- Outcome{Failure: f}
	return nil
}

// FailInit keeps an error of init.
func (p *Process) FailInit(f runtimeapi.Failure) *runtimeapi.Refusal {
	p.Outcomes <- Outcome{Init: true, Failure: f}
	return nil
}

// Write puts the program's code into a folder of its own, which becomes Dir.
func (p *Process) Write(prog Program) {
	p.t.Helper()
	p.Dir = WriteFiles(p.t, prog.Files)
	for name, of := range prog.Links {
		at := filepath.Join(p.Dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil { //nolint:gosec // a function's code
			p.t.Fatal(err)
		}
		if err := os.Symlink(of, at); err != nil {
			p.t.Fatal(err)
		}
	}
}

// WriteFiles writes files into a folder that is removed with the test.
func WriteFiles(t testing.TB, files map[string]string) string {
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

// Listen serves the Runtime API on a port of this machine.
func (p *Process) Listen() {
	p.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.listener = ln
	go runtimeapi.Serve(ln, p, &p.conns)
}

// Connect serves the Runtime API on a pair of connected sockets, as a stem has it, and
// returns the runtime's end, to be closed when the process has it.
func (p *Process) Connect() *os.File {
	p.t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	conn, err := net.FileConn(ours)
	if err != nil {
		p.t.Fatal(err)
	}
	p.close(ours)
	p.conns.Go(conn, p, true)
	return theirs
}

// Environment adds to a runtime's environment what an instance gives, at this machine's
// places.
func (p *Process) Environment(base map[string]string) map[string]string {
	env := maps.Clone(base)
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
		env[name] = p.Outside(value)
	}
	return env
}

// Outside turns the places inside an instance into this machine's.
func (p *Process) Outside(s string) string {
	replace := p.places
	if p.Dir != "" {
		replace = append(replace[:len(replace):len(replace)], TaskDir, p.Dir)
	}
	return strings.NewReplacer(replace...).Replace(s)
}

// Become answers a stem's question: it is to be the function with this environment.
func (p *Process) Become(c *runtimeapi.Conn, env map[string]string) {
	p.t.Helper()
	doc, err := json.Marshal(map[string]any{"env": env})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.SendAssignment(doc); err != nil {
		p.t.Fatal(err)
	}
}

// Start starts a command whose paths are inside an instance. files become its descriptors
// from 3 on, and are closed here.
func (p *Process) Start(path string, args, env []string, dir string, files ...*os.File) {
	p.t.Helper()
	p.Cmd = &exec.Cmd{Path: p.Outside(path), Dir: dir, ExtraFiles: files}
	for _, a := range args {
		p.Cmd.Args = append(p.Cmd.Args, p.Outside(a))
	}
	for _, e := range env {
		p.Cmd.Env = append(p.Cmd.Env, p.Outside(e))
	}
	p.Run()
	for _, f := range files {
		p.close(f)
	}
}

// Run starts Cmd as it is, with its output read.
func (p *Process) Run() {
	p.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	// A runtime may count on writes that wait, and Go makes pipes that don't.
	if err := syscall.SetNonblock(int(w.Fd()), false); err != nil {
		p.t.Fatal(err)
	}
	p.Cmd.Stdout, p.Cmd.Stderr = w, w
	if p.TelemetryFD {
		// Opened anew: a runtime that makes one of them not wait leaves the other alone.
		fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", w.Fd()), syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		telemetry := os.NewFile(uintptr(fd), "telemetry")
		defer p.close(telemetry)
		p.Cmd.ExtraFiles = []*os.File{telemetry}
	}
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = p.Cmd.Start()
	p.close(w)
	if err != nil {
		p.close(r)
		p.Cmd = nil
		p.t.Fatal(err)
	}
	go p.logs.read(r)
	go func() {
		_ = p.Cmd.Wait() // ProcessState says it all
		p.status = p.Cmd.ProcessState
		close(p.exited)
	}()
}

// Stop ends the process and its connections; it may be called twice.
func (p *Process) Stop() {
	if p.listener != nil {
		_ = p.listener.Close() // its clients end below
	}
	p.conns.Close()
	p.Kill()
}

// Kill ends the process alone, so that it can't complain of a closed connection.
func (p *Process) Kill() {
	if p.Cmd == nil || p.Cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-p.Cmd.Process.Pid, syscall.SIGKILL) // it may be gone
	<-p.exited
	<-p.logs.done
}

const patience = time.Minute

// Receive waits for something from a channel; the test fails when it doesn't come.
func Receive[T any](p *Process, from <-chan T, what string) T {
	p.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-from:
		return v
	case <-timer.C:
		p.t.Fatalf("%s did not come; log: %q", what, Texts(p.Records()))
		panic("not reached")
	}
}

// Event is an invocation's input.
type Event struct {
	Payload         string // {} when empty
	ClientContext   string
	CognitoIdentity string
	TenantID        string
	Trace           string
	Deadline        time.Duration // from now; a minute when 0
	RequestID       string        // RequestID when empty
}

// RequestID is every event's that has none of its own.
const RequestID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

// Send waits for the runtime's poll and answers it with an event.
func (p *Process) Send(e Event) {
	p.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case c := <-p.Polls:
		p.answer(c, e)
	case o := <-p.Outcomes:
		p.t.Fatalf("instead of a poll: %+v %s; log: %q", o, o.Body(), Texts(p.Records()))
	case <-p.exited:
		p.t.Fatalf("instead of a poll the process ended: %v; log: %q", p.status, Texts(p.Records()))
	case <-timer.C:
		p.t.Fatalf("no poll; log: %q", Texts(p.Records()))
	}
}

func (p *Process) answer(c Poll, e Event) {
	p.t.Helper()
	if e.Payload == "" {
		e.Payload = "{}"
	}
	if e.Deadline == 0 {
		e.Deadline = time.Minute
	}
	if e.RequestID == "" {
		e.RequestID = RequestID
	}
	err := c.SendEvent(&runtimeapi.Event{
		RequestID: e.RequestID, DeadlineMs: time.Now().Add(e.Deadline).UnixMilli(),
		InvokedARN:    "arn:aws:lambda:us-east-1:000000000000:function:f",
		ClientContext: e.ClientContext, CognitoIdentity: e.CognitoIdentity, TenantID: e.TenantID, Trace: e.Trace,
		Payload: []byte(e.Payload),
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// Invoke sends an event and returns what came of it.
func (p *Process) Invoke(e Event) Outcome {
	p.t.Helper()
	p.Send(e)
	return p.Outcome()
}

// Outcome waits for a posted response or error.
func (p *Process) Outcome() Outcome {
	p.t.Helper()
	return Receive(p, p.Outcomes, "an answer")
}

// Exited is closed when the process has ended and its output has been read.
func (p *Process) Exited() <-chan struct{} { return p.logs.done }

// Exit waits for the process to end and returns its status ("exit status 1").
func (p *Process) Exit() string {
	p.t.Helper()
	Receive(p, p.exited, "the process's end")
	<-p.logs.done
	return p.status.String()
}

// Polled waits until the runtime waits for an event.
func (p *Process) Polled() {
	p.t.Helper()
	p.Polls <- Receive(p, p.Polls, "a poll")
}

// Finish lets the runtime poll again, ends it and returns its log.
func (p *Process) Finish() []Record {
	p.t.Helper()
	Receive(p, p.Polls, "a poll")
	p.conns.Close()
	p.Exit()
	return p.Records()
}

// Records returns the log so far.
func (p *Process) Records() []Record { return p.logs.all() }

func (p *Process) close(f *os.File) {
	p.t.Helper()
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		p.t.Fatal(err)
	}
}

// Texts are the records, a line each.
func Texts(records []Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%s\n", r.Text)
	}
	return b.String()
}
