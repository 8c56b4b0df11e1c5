package sandboxtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/wick-run/wick/sandbox"
)

// patience bounds every wait: longer, and something hangs.
const patience = 30 * time.Second

// command runs the helper with words.
func command(sb sandbox.Sandbox, words ...string) sandbox.Command {
	return sandbox.Command{Path: helper, Args: append([]string{sb.Path(helper)}, words...), Dir: "/"}
}

// output is what a finished command said and how it ended.
type output struct {
	out, err string
	exit     sandbox.Exit
}

// run runs a command to its end.
func (r *room) run(sb sandbox.Sandbox, c sandbox.Command) output {
	r.Helper()
	outR, outW := r.pipe()
	errR, errW := r.pipe()
	c.Stdout, c.Stderr = outW, errW
	p, err := sb.Start(c)
	r.close(outW, errW)
	if err != nil {
		r.Fatalf("start %q: %v", c.Args, err)
	}
	o := output{out: r.all(outR), err: r.all(errR)}
	o.exit = r.exit(p)
	return o
}

// say runs the helper and returns what it printed; it must not fail.
func (r *room) say(sb sandbox.Sandbox, words ...string) string {
	r.Helper()
	o := r.run(sb, command(sb, words...))
	if o.exit != (sandbox.Exit{}) || o.err != "" {
		r.Fatalf("%q: %+v", words, o)
	}
	return o.out
}

// exit waits for the end of a process.
func (r *room) exit(p sandbox.Process) sandbox.Exit {
	r.Helper()
	select {
	case <-p.Done():
		return p.Exit()
	case <-time.After(patience):
		r.Fatalf("process %d doesn't end", p.PID())
		return sandbox.Exit{}
	}
}

// pipe makes a pipe that is closed after the test.
func (r *room) pipe() (read, write *os.File) {
	r.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		for _, f := range []*os.File{read, write} {
			if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
				r.Error(err)
			}
		}
	})
	return read, write
}

func (r *room) close(files ...*os.File) {
	r.Helper()
	for _, f := range files {
		if err := f.Close(); err != nil {
			r.Fatal(err)
		}
	}
}

// all reads a pipe until nobody has its other end.
func (r *room) all(f *os.File) string {
	r.Helper()
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		r.Fatalf("read what it prints: %v (so far %q)", err, text)
	}
	return string(text)
}

// server is a helper that does as it is told, one thing after the other.
type server struct {
	sandbox.Process
	r        *room
	requests *os.File
	replies  *os.File
	lines    *bufio.Reader
}

// serve starts one.
func (r *room) serve(sb sandbox.Sandbox) *server {
	r.Helper()
	reqR, reqW := r.pipe()
	outR, outW := r.pipe()
	c := command(sb, "serve")
	c.Stdout, c.Files = outW, []*os.File{reqR}
	c.Env = []string{"LAMBDA_TASK_ROOT=" + sb.Path("/var/task")} // as functions have
	p, err := sb.Start(c)
	r.close(reqR, outW)
	if err != nil {
		r.Fatal(err)
	}
	return &server{Process: p, r: r, requests: reqW, replies: outR, lines: bufio.NewReader(outR)}
}

// ask tells the server to do something and returns what came of it.
func (s *server) ask(words ...string) (string, error) {
	s.r.Helper()
	s.tell(words...)
	return s.reply(patience)
}

// must is ask for what must not fail.
func (s *server) must(words ...string) string {
	s.r.Helper()
	out, err := s.ask(words...)
	if err != nil {
		s.r.Fatalf("%q: %v", words, err)
	}
	return out
}

func (s *server) tell(words ...string) {
	s.r.Helper()
	line, err := json.Marshal(words)
	if err != nil {
		s.r.Fatal(err)
	}
	if _, err := s.requests.Write(append(line, '\n')); err != nil {
		s.r.Fatal(err)
	}
}

// reply waits for the answer; none in time is os.ErrDeadlineExceeded, none to come io.EOF.
func (s *server) reply(wait time.Duration) (string, error) {
	s.r.Helper()
	if err := s.replies.SetReadDeadline(time.Now().Add(wait)); err != nil {
		s.r.Fatal(err)
	}
	line, err := s.lines.ReadBytes('\n')
	if err != nil {
		return "", err
	}
	var reply struct{ Out, Err string }
	if err := json.Unmarshal(line, &reply); err != nil {
		s.r.Fatalf("%q: %v", line, err)
	}
	if reply.Err != "" {
		return reply.Out, errors.New(reply.Err)
	}
	return reply.Out, nil
}
