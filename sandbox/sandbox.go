// Package sandbox is the contract of the walls around an instance: somewhere to
// run processes that can reach nothing but what they were given. It knows no
// Lambda: no functions, no runtimes, no Runtime API.
//
// Its drivers are sandbox/linux (namespaces, cgroups, seccomp) and sandbox/process
// (no walls). Package instance is the caller.
package sandbox

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"
)

// Driver makes sandboxes of one kind.
type Driver interface {
	// Name is the driver's name as --isolation takes it.
	Name() string
	// Gaps says, a line each, which walls or limits this driver can't give on this
	// machine and what to do about it. Empty when all is there.
	Gaps() []string
	// Create makes a sandbox with no process of the caller's in it. An error leaves
	// nothing behind.
	Create(ctx context.Context, spec Spec) (Sandbox, error)
	// Close ends every sandbox and all the driver holds, and returns when they are
	// gone. It can be called twice.
	Close() error
}

// Spec describes a sandbox to make.
type Spec struct {
	// ID is unique on the machine; it names cgroups, folders and devices. [a-z0-9]{1,32}
	ID       string
	Hostname string
	// Mounts are there from the start, read-only.
	Mounts []Mount
	// Slots are folders inside that Attach will be called for later, e.g. /var/task.
	// Until then each is a folder with nothing in it but Folders.
	Slots []string
	// Folders are empty folders below slots, until something is attached there: programs
	// remember which folders they once didn't find, as the dynamic linker does with those
	// of LD_LIBRARY_PATH.
	Folders []string
	TmpMB   int // size of /tmp
	Limits  Limits
	// Egress lets it reach the outside (never the host, nor another sandbox).
	Egress bool
}

// Mount puts a folder or file of the host at a path inside, read-only.
type Mount struct{ Source, Target string }

// Limits bound what all processes of a sandbox use together. A zero means no limit.
type Limits struct {
	MemoryBytes int64 // over it, the kernel kills (see Exit.OOM)
	CPUMilli    int   // thousandths of one CPU
	Processes   int   // processes and threads
}

// UsualWeight is the weight of a sandbox for which Weigh wasn't called; MinWeight is the
// lowest there is.
const (
	UsualWeight = 1024
	MinWeight   = 2
)

// Sandbox is one set of walls. Its methods can be called from several goroutines.
type Sandbox interface {
	ID() string
	// Path turns a path inside (/var/task/x) into the one a process in the sandbox
	// must use; they differ only where there are no walls.
	Path(inside string) string
	// Attach mounts m, read-only, over the slot m.Target; processes already running
	// see it. Once per slot.
	Attach(m Mount) error
	// Limit changes the limits of a running sandbox.
	Limit(l Limits) error
	// Weigh sets what part of the CPUs it gets beside other sandboxes when there is not
	// enough for all, within its limit: UsualWeight is what each begins with, and one of
	// half of it gets half as much. Where that can't be set it does nothing.
	Weigh(weight int) error
	// Listen and ListenPacket make a socket inside the sandbox's network that the
	// caller serves, e.g. "tcp", "169.254.100.1:9001". Where there are no walls the
	// address is another one: see the listener's Addr. Closing is the caller's.
	Listen(network, address string) (net.Listener, error)
	ListenPacket(network, address string) (net.PacketConn, error)
	// Start runs a command. A path that isn't there, or is no program this user may
	// run, is an fs.ErrNotExist or fs.ErrPermission.
	Start(c Command) (Process, error)
	// KillAll ends every process with SIGKILL, frozen or not, and returns when they
	// are gone. The sandbox, its mounts and its /tmp stay, and it isn't frozen any more:
	// Start works again.
	KillAll() error
	// Freeze stops all processes from running, Thaw lets them go on. Both can be
	// called twice.
	Freeze() error
	Thaw() error
	// Usage reads what is used now.
	Usage() (Usage, error)
	// PeakMemory reads Usage's PeakMemoryBytes alone, at a fraction of the cost.
	PeakMemory() (int64, error)
	// ResetPeak starts a new measurement of Usage.PeakMemoryBytes.
	ResetPeak() error
	// Close ends everything in the sandbox and frees all it had. It can be called twice.
	Close() error
}

// Command is a process to start in a sandbox, as its unprivileged user with no
// capabilities.
type Command struct {
	Path string   // inside
	Args []string // argv, with argv[0]
	Env  []string // the whole environment
	Dir  string   // inside
	// Stdout and Stderr may be the same file; nil is /dev/null. Stdin is /dev/null.
	Stdout, Stderr *os.File
	// Files become descriptors 3, 4, … They, and Stdout and Stderr, stay the
	// caller's to close.
	Files []*os.File
}

// Process is a started command.
type Process interface {
	PID() int // as the host sees it
	// Done is closed when the process has ended; Exit says how, after that.
	Done() <-chan struct{}
	Exit() Exit
	Signal(sig syscall.Signal) error
}

// Exit is how a process ended.
type Exit struct {
	Code   int            // exit status; -1 when a signal ended it
	Signal syscall.Signal // 0 when it exited
	OOM    bool           // the sandbox's memory limit ended something
}

// Usage is what a sandbox uses.
type Usage struct {
	MemoryBytes     int64
	PeakMemoryBytes int64 // since creation or the last ResetPeak
	CPU             time.Duration
	Processes       int
	OOMKills        int64
	TmpBytes        int64
}
