//go:build linux

package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
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

// Files of a command's script, as a child is passed them: 0 is the script.
const (
	fileStdout file = 1 + iota
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
	files := []*os.File{memory, s.driver.null, s.driver.null}
	if c.Stdout != nil {
		files[fileStdout] = c.Stdout
	}
	if c.Stderr != nil {
		files[fileStderr] = c.Stderr
	}
	child, err := s.letGo(message{b: int32(len(text))}, append(files, c.Files...))
	if err != nil {
		return nil, err
	}
	defer child.report.Close()
	// The socket closes with the exec; before that, it can carry why there was none.
	buf := make([]byte, messageSize)
	n, err := child.report.Read(buf)
	if n == messageSize {
		m := decodeMessage(buf)
		return nil, script.failed(m.a, m.b)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return child.process, nil
}

// commandScript composes what a new child does up to the command's exec.
func (s *Sandbox) commandScript(c sandbox.Command) *script {
	d := s.driver
	k := &script{}
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
	limit(unix.RLIMIT_RTPRIO, 0)
	limit(unix.RLIMIT_NICE, 0)
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
