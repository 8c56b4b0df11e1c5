//go:build linux

package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

const (
	// maxFiles bounds Command.Files: the kernel passes at most 253 descriptors in one
	// message, and init needs a few.
	maxFiles = 200
	// openFiles is how many descriptors a process may have. Source: Lambda quotas,
	// file descriptors.
	openFiles = 1024
	// openProcesses is how many processes and threads there may be. Source: Lambda
	// quotas, processes/threads.
	openProcesses = 1024
	// outOfMemoryScore makes the kernel choose a function before the server when the
	// machine itself runs out of memory.
	outOfMemoryScore = 300
)

// Files of a command's script, as init is passed them: 0 is the script.
const (
	fileReport file = 1 + iota // socket to say in that it is there, or that it failed
	fileStdout
	fileStderr
	fileFirst // Command.Files
)

// start starts a command.
func (s *Sandbox) start(c sandbox.Command) (*process, error) {
	if len(c.Files) > maxFiles {
		return nil, fmt.Errorf("%d files: at most %d can be passed", len(c.Files), maxFiles)
	}
	for _, text := range append(append([]string{c.Path, c.Dir}, c.Args...), c.Env...) {
		if strings.IndexByte(text, 0) >= 0 {
			return nil, errors.New("a NUL byte in a path, an argument or the environment")
		}
	}
	script := s.commandScript(c)
	text := script.encode()
	memory, err := memoryFile("wick-command", text)
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	report, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer report.Close()

	files := []*os.File{memory, theirs, s.driver.null, s.driver.null}
	if c.Stdout != nil {
		files[fileStdout] = c.Stdout
	}
	if c.Stderr != nil {
		files[fileStderr] = c.Stderr
	}
	files = append(files, c.Files...)
	p, err := s.launch(files, int32(len(text)), report)
	theirs.Close()
	if err != nil {
		return nil, err
	}
	// The socket closes with the exec; before that, it can carry why there was none.
	buf := make([]byte, messageSize)
	n, err := report.Read(buf)
	if n == messageSize {
		m := decodeMessage(buf)
		return nil, script.failed(m.a, m.b)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return p, nil
}

// launch makes a command's process and lets it go when it is under the sandbox's limits.
func (s *Sandbox) launch(files []*os.File, size int32, report *os.File) (*process, error) {
	// Nobody in the sandbox can end the child as long as it waits, nor does the server
	// while this is locked: its pid is sure to be its own.
	s.launching.RLock()
	defer s.launching.RUnlock()
	if s.stopped {
		return nil, errors.New("the sandbox is frozen")
	}
	p := newProcess(s)
	r, err := s.control.send(message{kind: requestStart, b: size}, p, files...)
	if err != nil {
		return nil, err
	}
	m, err := r.wait()
	if err != nil {
		return nil, err
	}
	if m.b != 0 {
		return nil, fmt.Errorf("make a process: %w", unix.Errno(m.b))
	}
	// From here on the child exists. It waits before it does anything, and dies when
	// report is closed instead of being written to.
	if err := p.started(r.pidfd); err != nil {
		return nil, err
	}
	if err := s.group.AddPID(p.pid); err != nil {
		return nil, err
	}
	// Written with the server's privileges it is the least the process can set itself.
	path := "/proc/" + strconv.Itoa(p.pid) + "/oom_score_adj"
	if err := os.WriteFile(path, []byte(s.driver.oomScore), 0); err != nil {
		return nil, err
	}
	if _, err := report.Write([]byte{1}); err != nil {
		return nil, fmt.Errorf("let a process go on: %w", err)
	}
	return p, nil
}

// commandScript composes what a new child does up to the command's exec.
func (s *Sandbox) commandScript(c sandbox.Command) *script {
	d := s.driver
	k := &script{}
	answer := k.put(make([]byte, 8))
	k.call("wait to be let on", unix.SYS_READ, fileReport, answer, 1)
	k.want(1)

	// Its own cgroup is all it sees of them.
	k.try(unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	k.call("setsid", unix.SYS_SETSID)
	stdin := k.call("open /dev/null", unix.SYS_OPENAT, atFDCWD, "/dev/null", unix.O_RDONLY, 0)
	k.call("set stdin", unix.SYS_DUP3, stdin, 0, 0)
	k.call("set stdout", unix.SYS_DUP3, fileStdout, 1, 0)
	k.call("set stderr", unix.SYS_DUP3, fileStderr, 2, 0)
	for i := range c.Files {
		k.call("set a file", unix.SYS_DUP3, fileFirst+file(i), 3+i, 0)
	}
	k.call("close all others", unix.SYS_CLOSE_RANGE, 3+len(c.Files), ^uint32(0), unix.CLOSE_RANGE_CLOEXEC)
	k.call("umask", unix.SYS_UMASK, 0o022)
	s.limitScript(k)
	s.dropScript(k)
	dir := c.Dir
	if dir == "" {
		dir = "/"
	}
	k.call("change to the folder "+dir, unix.SYS_CHDIR, dir)
	k.call("unblock signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, make([]byte, 8), 0, 8)
	k.call("install the filter of system calls", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, d.filter.program(k))
	k.call("exec "+c.Path, unix.SYS_EXECVE, c.Path, k.pointers(c.Args), k.pointers(c.Env))
	return k
}

// limitScript sets the limits that are a process's own.
func (s *Sandbox) limitScript(k *script) {
	limit := func(resource int, n uint64) {
		b := binary.NativeEndian.AppendUint64(nil, n)
		b = binary.NativeEndian.AppendUint64(b, n)
		k.call("set a resource limit", unix.SYS_PRLIMIT64, 0, resource, b, 0)
	}
	limit(unix.RLIMIT_NOFILE, openFiles)
	limit(unix.RLIMIT_CORE, 0)
	limit(unix.RLIMIT_MEMLOCK, 64<<10)
	// It counts the processes of the sandbox's user, so where there are no cgroups it
	// bounds the sandbox; elsewhere it doesn't change with Limit and only is as on Lambda.
	if n := s.processLimit(); n > 0 {
		if s.driver.cgroups.Version() != 0 {
			n = max(n, openProcesses)
		}
		limit(unix.RLIMIT_NPROC, uint64(n))
	}
}

// dropScript gives up all privileges.
func (s *Sandbox) dropScript(k *script) {
	d := s.driver
	for c := range d.lastCapability + 1 {
		k.call("drop a capability", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	k.call("clear ambient capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if d.ids.separate() {
		k.call("setgroups", unix.SYS_SETGROUPS, 0, 0)
		k.call("setresgid", unix.SYS_SETRESGID, GID, GID, GID)
		k.call("setresuid", unix.SYS_SETRESUID, UID, UID, UID)
	}
	capset(k, 0)
	k.call("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// capset makes the capabilities of a process those in the set, and nothing inheritable.
func capset(k *script, set uint64) {
	var header, caps []byte
	e := binary.NativeEndian
	header = e.AppendUint32(header, unix.LINUX_CAPABILITY_VERSION_3)
	header = e.AppendUint32(header, 0)
	for _, half := range []uint32{uint32(set), uint32(set >> 32)} {
		caps = e.AppendUint32(caps, half) // effective
		caps = e.AppendUint32(caps, half) // permitted
		caps = e.AppendUint32(caps, 0)    // inheritable
	}
	k.call("capset", unix.SYS_CAPSET, header, caps)
}

// atFDCWD is AT_FDCWD as an argument.
const atFDCWD = ^uint64(99)

// socketPair makes a pair of connected sockets that keep messages apart: one that this
// process waits on without a thread, one to give away.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "wick-socket"), os.NewFile(uintptr(fds[1]), "wick-socket"), nil
}
