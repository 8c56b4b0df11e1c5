package sandboxtest

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/wick-run/wick/sandbox"
)

// isolation is what a driver with walls keeps.
var isolation = []test{
	{"Paths inside are the ones asked for", samePaths},
	{"Processes are an unprivileged user without capabilities", unprivileged},
	{"The host name is the one given", hostname},
	{"The machine's files are out of reach", hostFiles},
	{"The machine's processes are out of sight", hostProcesses},
	{"The machine's listeners are out of reach", hostListeners},
	{"The machine's control groups are out of sight", hostGroups},
	{"Mounts and attached slots can't be written to", readOnly},
	{"A disk is as large as was asked for and no larger", diskFull},
	{"KillAll ends daemons", killDaemons},
	{"More memory than the limit ends the process", outOfMemory},
	{"A lowered limit of memory holds", loweredMemory},
	{"Files in /tmp don't use the memory up", tmpIsNoMemory},
	{"More processes than the limit can't be started", tooManyProcesses},
	{"Two sandboxes listen on the same address and are told apart", ownNetwork},
}

func samePaths(r *room) {
	sb := r.create()
	for _, path := range []string{"/tmp/a", "/var/task/index.js", "/opt", "/etc/passwd"} {
		if got := sb.Path(path); got != path {
			r.Errorf("%s is %s", path, got)
		}
	}
}

func unprivileged(r *room) {
	sb := r.create()
	status := r.say(sb, "read", "/proc/self/status")
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Uid", "Gid":
			if strings.HasPrefix(value, "0\t") {
				r.Errorf("%s is %s", key, value)
			}
		case "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
			if strings.Trim(value, "0") != "" {
				r.Errorf("%s is %s", key, value)
			}
		case "NoNewPrivs":
			if value != "1" {
				r.Errorf("%s is %s", key, value)
			}
		case "Seccomp":
			if value != "2" {
				r.Errorf("%s is %s: no filter", key, value)
			}
		case "Groups":
			if value != "" && value != strings.Fields(r.say(sb, "user"))[1] {
				r.Errorf("%s are %s", key, value)
			}
		}
	}
	if !strings.Contains(status, "NoNewPrivs") {
		r.Errorf("no status in %q", status)
	}
}

func hostname(r *room) {
	sb := r.create()
	if got := r.say(sb, "hostname"); got != "inside" {
		r.Errorf("it is %q", got)
	}
}

func hostFiles(r *room) {
	sb := r.create()
	dir := r.folder("secret", "the machine's")
	for _, path := range []string{filepath.Join(dir, "secret"), "/proc/1/root" + filepath.Join(dir, "secret"), "/etc/shadow"} {
		if o := r.run(sb, command(sb, "read", path)); o.exit.Code != 1 {
			r.Errorf("%s: %+v", path, o)
		}
	}
}

func hostProcesses(r *room) {
	sb := r.create()
	processes := 0
	for name := range strings.SplitSeq(r.say(sb, "list", "/proc"), "\n") {
		if strings.Trim(name, "0123456789") == "" {
			processes++
		}
	}
	// Its own, and what the sandbox has for an init.
	if processes == 0 || processes > 3 {
		r.Errorf("it sees %d processes", processes)
	}
}

func hostListeners(r *room) {
	sb := r.create()
	l, err := (&net.ListenConfig{}).Listen(r.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	if o := r.run(sb, command(sb, "dial", "tcp", l.Addr().String(), "hello")); o.exit.Code != 1 {
		r.Errorf("reached: %+v", o)
	}
	if err := l.Close(); err != nil {
		r.Error(err)
	}
}

func hostGroups(r *room) {
	sb := r.create()
	if o := r.run(sb, command(sb, "list", "/sys/fs/cgroup")); o.out != "" {
		r.Errorf("it sees %q", o.out)
	}
}

func readOnly(r *room) {
	sb := r.create()
	source := r.folder("code", "as it was")
	// Anybody may write there, but for the mount.
	for path, mode := range map[string]os.FileMode{source: 0o777, filepath.Join(source, "code"): 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			r.Fatal(err)
		}
	}
	if err := sb.Attach(sandbox.Mount{Source: source, Target: "/var/task"}); err != nil {
		r.Fatal(err)
	}
	for _, path := range []string{"/var/task/code", "/var/task/new", helperDir + "/new", "/new", "/var/new", "/opt/new"} {
		if o := r.run(sb, command(sb, "write", path, "changed")); o.exit.Code != 1 {
			r.Errorf("%s was written to: %+v", path, o)
		}
	}
	if text, err := os.ReadFile(filepath.Join(source, "code")); string(text) != "as it was" || err != nil {
		r.Errorf("%q, %v", text, err)
	}
}

func diskFull(r *room) {
	spec := r.spec()
	spec.TmpMB = 64
	sb := r.createAs(spec)
	s := r.serve(sb)
	if _, err := s.ask("fill", "/tmp/a", "63"); err != nil {
		r.Errorf("63 of 64 MB: %v", err)
	}
	if _, err := s.ask("fill", "/tmp/b", "12"); err == nil || !strings.Contains(err.Error(), "no space left") {
		r.Errorf("12 MB more: %v", err)
	}
}

// killDaemons: of a daemon, nothing but the walls tells where it belongs.
func killDaemons(r *room) {
	sb := r.create()
	s := r.serve(sb)
	s.must("spawn", "4")
	if err := s.Signal(syscall.SIGKILL); err != nil {
		r.Fatal(err)
	}
	r.exit(s)
	if u := r.measure(sb); u.Processes < 4 {
		r.Errorf("they ended with their parent: %+v", u)
	}
	if err := sb.KillAll(); err != nil {
		r.Fatal(err)
	}
	if u := r.measure(sb); u.Processes > 1 { // an init, at most
		r.Errorf("%+v", u)
	}
}

func outOfMemory(r *room) {
	sb := r.create()
	s := r.serve(sb)
	s.tell("alloc", "600")
	if got, err := s.reply(patience); !errors.Is(err, io.EOF) {
		r.Errorf("it answers %q, %v", got, err)
	}
	if exit := r.exit(s); !exit.OOM {
		r.Errorf("%+v", exit)
	}
	if u := r.measure(sb); u.OOMKills < 1 {
		r.Errorf("%+v", u)
	}
	if err := sb.KillAll(); err != nil {
		r.Fatal(err)
	}
	r.say(sb, "user") // there is room for another
}

func loweredMemory(r *room) {
	sb := r.create()
	s := r.serve(sb)
	if err := sb.Limit(sandbox.Limits{MemoryBytes: 128 << 20}); err != nil {
		r.Fatal(err)
	}
	s.must("alloc", "64")
	s.must("free")
	s.tell("alloc", "160")
	if got, err := s.reply(patience); !errors.Is(err, io.EOF) {
		r.Errorf("it answers %q, %v", got, err)
	}
	r.exit(s)
}

func tmpIsNoMemory(r *room) {
	spec := r.spec()
	spec.Limits.MemoryBytes = 128 << 20
	sb := r.createAs(spec)
	s := r.serve(sb)
	s.must("fill", "/tmp/file", "400")
	s.must("alloc", "64")
}

func tooManyProcesses(r *room) {
	spec := r.spec()
	spec.Limits.Processes = 40
	sb := r.createAs(spec)
	s := r.serve(sb)
	if _, err := s.ask("spawn", "60"); err == nil {
		r.Error("it has 60 more")
	}
	if u := r.measure(sb); u.Processes > 40 {
		r.Errorf("%+v", u)
	}
}

func ownNetwork(r *room) {
	var served sync.WaitGroup
	var listeners []net.Listener
	for _, name := range []string{"one", "two"} {
		sb := r.create()
		l, err := sb.Listen("tcp", "169.254.100.1:9001")
		if err != nil {
			r.Fatal(err)
		}
		listeners = append(listeners, l)
		served.Go(func() { answer(r, l) })
		if got := r.say(sb, "dial", "tcp", "169.254.100.1:9001", name); got != name+" to you" {
			r.Errorf("%s: %q", name, got)
		}
	}
	for _, l := range listeners {
		if err := l.Close(); err != nil {
			r.Error(err)
		}
	}
	served.Wait()
}
