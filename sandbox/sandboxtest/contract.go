package sandboxtest

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/wick-run/wick/sandbox"
)

// contract is what every driver keeps.
var contract = []test{
	{"A command's exit status comes back", exitStatus},
	{"A command that a signal ends says which", exitSignal},
	{"Signals reach a process", signals},
	{"Output goes to the files given", outputs},
	{"Output and errors may go to the same file", sameFile},
	{"Without files output is lost and input is empty", noFiles},
	{"Files become descriptors from 3 on, and there are no others", descriptors},
	{"The environment is the one given and nothing else", environment},
	{"The arguments are the ones given", arguments},
	{"A command starts in its folder", folder},
	{"A missing executable is an error of Start", missing},
	{"A file that can't be executed is an error of Start", notExecutable},
	{"A slot is empty until it is attached", emptySlot},
	{"Folders below a slot are there until it is attached", foldersBelowSlots},
	{"A running process sees what is attached", attach},
	{"A slot is attached once", attachOnce},
	{"A stream listener is reached from inside", listen},
	{"A packet listener is reached from inside", listenPacket},
	{"KillAll ends everything and what is in /tmp stays", killAll},
	{"KillAll ends what is frozen", killFrozen},
	{"KillAll of nothing works", killNothing},
	{"A frozen process doesn't answer until it is thawed", freeze},
	{"Usage grows with what is used", usage},
	{"ResetPeak begins anew", resetPeak},
	{"Limits of a running sandbox can be changed", limit},
	{"A running sandbox can be given another part of the CPUs", weigh},
	{"Close ends what runs and can be called twice", closeTwice},
	{"Nothing works in a closed sandbox", closed},
	{"Many sandboxes are made at the same time", parallel},
	{"Each sandbox has a /tmp of its own, empty at first", ownTmp},
	{"Two sandboxes can't have the same ID", sameID},
	{"A mount whose source is missing makes no sandbox", badMount},
}

func exitStatus(r *room) {
	sb := r.create()
	for _, code := range []string{"0", "1", "7", "255"} {
		if o := r.run(sb, command(sb, "exit", code)); fmt.Sprint(o.exit.Code) != code || o.exit.Signal != 0 || o.exit.OOM {
			r.Errorf("exit %s: %+v", code, o.exit)
		}
	}
}

func exitSignal(r *room) {
	sb := r.create()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		want := sandbox.Exit{Code: -1, Signal: sig}
		if o := r.run(sb, command(sb, "kill", fmt.Sprint(int(sig)))); o.exit != want {
			r.Errorf("%v: %+v", sig, o.exit)
		}
	}
}

func signals(r *room) {
	sb := r.create()
	s := r.serve(sb)
	s.must("pwd") // it runs
	if s.PID() <= 0 {
		r.Errorf("its PID is %d", s.PID())
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		r.Fatal(err)
	}
	if exit := r.exit(s); exit.Signal != syscall.SIGTERM {
		r.Errorf("%+v", exit)
	}
}

func outputs(r *room) {
	sb := r.create()
	o := r.run(sb, command(sb, "print", "to out", "to err"))
	if o.out != "to out" || o.err != "to err" {
		r.Errorf("%+v", o)
	}
}

func sameFile(r *room) {
	sb := r.create()
	read, write := r.pipe()
	c := command(sb, "print", "first,", "second")
	c.Stdout, c.Stderr = write, write
	p, err := sb.Start(c)
	if err != nil {
		r.Fatal(err)
	}
	r.close(write) // it is the caller's, still
	if text := r.all(read); text != "first,second" {
		r.Errorf("%q", text)
	}
	r.exit(p)
}

func noFiles(r *room) {
	sb := r.create()
	p, err := sb.Start(command(sb, "print", "x", "y"))
	if err != nil {
		r.Fatal(err)
	}
	if exit := r.exit(p); exit != (sandbox.Exit{}) {
		r.Errorf("%+v", exit)
	}
	if text := r.say(sb, "stdin"); text != "" {
		r.Errorf("its input was %q", text)
	}
}

func descriptors(r *room) {
	sb := r.create()
	read3, write3 := r.pipe()
	read4, write4 := r.pipe()
	for fd, read := range map[string]*os.File{"3": read3, "4": read4} {
		c := command(sb, "tofd", fd, "hello "+fd)
		c.Files = []*os.File{write3, write4}
		if o := r.run(sb, c); o.exit.Code != 0 {
			r.Fatalf("%+v", o)
		}
		buf := make([]byte, 64)
		n, err := read.Read(buf)
		if string(buf[:n]) != "hello "+fd || err != nil {
			r.Errorf("from %s: %q, %v", fd, buf[:n], err)
		}
	}
	c := command(sb, "descriptors")
	c.Files = []*os.File{write3, write4}
	if o := r.run(sb, c); o.out != "0 1 2 3 4" {
		r.Errorf("descriptors are %s", o.out)
	}
	r.close(write3, write4)
}

func environment(r *room) {
	sb := r.create()
	c := command(sb, "env")
	if o := r.run(sb, c); o.out != "" {
		r.Errorf("without one it is %q", o.out)
	}
	c.Env = []string{"PATH=/here", "EMPTY=", "_HANDLER=a=b", "TWO=lines\nhere"}
	if o := r.run(sb, c); o.out != strings.Join(c.Env, "\n") {
		r.Errorf("%q", o.out)
	}
}

func arguments(r *room) {
	sb := r.create()
	c := command(sb)
	c.Args = []string{"another name", "args", "", "with space", "\n"}
	c.Args[0], c.Args[1] = "name", "args"
	if o := r.run(sb, c); o.out != strings.Join(c.Args, "\n") {
		r.Errorf("%q", o.out)
	}
}

func folder(r *room) {
	sb := r.create()
	for _, dir := range []string{"/", "/tmp", "/var/task"} {
		c := command(sb, "pwd")
		c.Dir = dir
		want := sb.Path(dir)
		if real, err := filepath.EvalSymlinks(want); err == nil && want != dir {
			want = real
		}
		if o := r.run(sb, c); o.out != want {
			r.Errorf("in %s it is in %q, not %q", dir, o.out, want)
		}
	}
}

func missing(r *room) {
	sb := r.create()
	c := command(sb)
	c.Path = helperDir + "/nothing"
	if _, err := sb.Start(c); !errors.Is(err, fs.ErrNotExist) {
		r.Errorf("error is %v", err)
	}
	r.say(sb, "user") // and it still works
}

func notExecutable(r *room) {
	spec := r.spec()
	spec.Mounts = append(spec.Mounts, sandbox.Mount{Source: r.folder("text", "not a program"), Target: "/var/other"})
	sb := r.createAs(spec)
	c := command(sb)
	c.Path = "/var/other/text"
	if _, err := sb.Start(c); !errors.Is(err, fs.ErrPermission) {
		r.Errorf("error is %v", err)
	}
}

func emptySlot(r *room) {
	sb := r.create()
	for _, slot := range []string{"/var/task", "/opt"} {
		if names := r.say(sb, "list", sb.Path(slot)); names != "" {
			r.Errorf("%s has %q", slot, names)
		}
	}
}

func foldersBelowSlots(r *room) {
	spec := r.spec()
	spec.Folders = []string{"/opt/lib", "/var/task/deep/lib"}
	sb := r.createAs(spec)
	s := r.serve(sb)
	for folder, want := range map[string]string{"/opt": "lib", "/opt/lib": "", "/var/task": "deep", "/var/task/deep": "lib"} {
		if names := s.must("list", sb.Path(folder)); names != want {
			r.Errorf("%s has %q, want %q", folder, names, want)
		}
	}
	if err := sb.Attach(sandbox.Mount{Source: r.folder("index.js", "code"), Target: "/opt"}); err != nil {
		r.Fatal(err)
	}
	if names := s.must("list", sb.Path("/opt")); names != "index.js" {
		r.Errorf("with something attached, /opt has %q", names)
	}
}

func attach(r *room) {
	sb := r.create()
	s := r.serve(sb)
	if names := s.must("list", sb.Path("/var/task")); names != "" {
		r.Fatalf("there is %q before", names)
	}
	for slot, text := range map[string]string{"/var/task": "code", "/opt": "layer"} {
		if err := sb.Attach(sandbox.Mount{Source: r.folder("index.js", text), Target: slot}); err != nil {
			r.Fatal(err)
		}
		if got := s.must("read", sb.Path(slot+"/index.js")); got != text {
			r.Errorf("%s: %q", slot, got)
		}
	}
	// A process to come sees it as well.
	if got := r.say(sb, "read", sb.Path("/var/task/index.js")); got != "code" {
		r.Errorf("the next process reads %q", got)
	}
}

func attachOnce(r *room) {
	sb := r.create()
	m := sandbox.Mount{Source: r.folder("a", "first"), Target: "/opt"}
	if err := sb.Attach(m); err != nil {
		r.Fatal(err)
	}
	m.Source = r.folder("a", "second")
	if err := sb.Attach(m); err == nil {
		r.Error("it was attached again")
	}
	if err := sb.Attach(sandbox.Mount{Source: m.Source, Target: "/var/nowhere"}); err == nil {
		r.Error("what is no slot was attached")
	}
	if err := sb.Attach(sandbox.Mount{Source: m.Source + "/missing", Target: "/var/task"}); err == nil {
		r.Error("what is missing was attached")
	}
	if got := r.say(sb, "read", sb.Path("/opt/a")); got != "first" {
		r.Errorf("there is %q", got)
	}
}

func listen(r *room) {
	sb := r.create()
	s := r.serve(sb)
	// Where AWS has the Runtime API, and where its emulator does.
	for _, address := range []string{"169.254.100.1:9001", "127.0.0.1:9001"} {
		l, err := sb.Listen("tcp", address)
		if err != nil {
			r.Fatal(err)
		}
		var served sync.WaitGroup
		served.Go(func() { answer(r, l) })
		for range 2 {
			if got, err := s.ask("dial", "tcp", l.Addr().String(), "hello"); got != "hello to you" || err != nil {
				r.Errorf("%s: %q, %v", address, got, err)
			}
		}
		if err := l.Close(); err != nil {
			r.Error(err)
		}
		served.Wait()
	}
}

// answer serves connections until the listener is closed.
func answer(r *room, l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			r.Error(err)
			return
		}
		buf := make([]byte, 64)
		n, err := c.Read(buf)
		if err == nil {
			_, err = fmt.Fprintf(c, "%s to you", buf[:n])
		}
		if err := errors.Join(err, c.Close()); err != nil {
			r.Error(err)
		}
	}
}

func listenPacket(r *room) {
	sb := r.create()
	// Where AWS has the X-Ray daemon.
	c, err := sb.ListenPacket("udp", "169.254.100.1:2000")
	if err != nil {
		r.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		buf := make([]byte, 64)
		n, from, err := c.ReadFrom(buf)
		if err == nil {
			_, err = c.WriteTo(append(buf[:n], " to you"...), from)
		}
		if err != nil {
			r.Error(err)
		}
	})
	if got := r.say(sb, "dial", "udp", c.LocalAddr().String(), "hello"); got != "hello to you" {
		r.Errorf("%q", got)
	}
	served.Wait()
	if err := c.Close(); err != nil {
		r.Error(err)
	}
}
