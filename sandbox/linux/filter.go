//go:build linux

package linux

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// refused are the system calls a function gets EPERM for, besides those that depend on
// their arguments (see newFilter). Most need a capability that it doesn't have anyway;
// without them the kernel's less trodden paths are out of its reach too.
var refused = []string{
	// mounts and namespaces
	"mount", "umount2", "pivot_root", "chroot", "unshare", "setns",
	"open_tree", "open_tree_attr", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	// other processes
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
	"move_pages", "migrate_pages",
	// the kernel itself
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
	"init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load",
	"add_key", "request_key", "keyctl", "syslog", "lookup_dcookie", "fanotify_init",
	"iopl", "ioperm", "nfsservctl", "_sysctl", "uselib", "vm86",
	// the machine
	"reboot", "swapon", "swapoff", "quotactl", "quotactl_fd", "acct", "vhangup",
	"settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "stime",
	"sethostname", "setdomainname",
	// files by handle, which ignore where the root is
	"open_by_handle_at", "name_to_handle_at",
}

// filter is a program for seccomp.
type filter []bpf.RawInstruction

// Offsets in struct seccomp_data; arguments are read by their lower half, which is all
// the kernel looks at in those that are filtered here.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg0   = 16
)

const (
	seccompAllow = 0x7fff0000
	seccompErrno = 0x00050000
	seccompKill  = 0x80000000
)

// newFilter assembles the filter for the architecture this runs on.
func newFilter() (filter, error) {
	machine, err := arch.GetInfo(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	return assembleFilter(machine)
}

func assembleFilter(machine *arch.Info) (filter, error) {
	number := func(name string) (uint32, bool) {
		n, ok := machine.SyscallNames[name]
		return uint32(n), ok
	}
	errno := func(e unix.Errno) bpf.Instruction { return bpf.RetConstant{Val: seccompErrno | uint32(e)} }
	arg := func(n uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offsetArg0 + 8*n, Size: 4} }

	// A program of another architecture's system calls, with other numbers, ends here.
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(machine.ID), SkipTrue: 1},
		bpf.RetConstant{Val: seccompKill},
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	if machine == arch.X86_64 { // x32 is the same architecture with other numbers
		code = append(code,
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(arch.X32.SeccompMask), SkipTrue: 1},
			errno(unix.ENOSYS))
	}
	// rule adds what is done with one system call; it has to end in a return.
	rule := func(name string, body ...bpf.Instruction) error {
		n, ok := number(name)
		if !ok {
			return fmt.Errorf("system call filter: no %s on %s", name, machine.Name)
		}
		code = append(code, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: n, SkipTrue: uint8(len(body))})
		code = append(code, body...)
		return nil
	}

	allow := bpf.RetConstant{Val: seccompAllow}
	const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	rules := []error{
		rule("clone", arg(0),
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: namespaces, SkipTrue: 1},
			allow, errno(unix.EPERM)),
		// Its flags are in memory, out of reach; C libraries then use clone.
		rule("clone3", errno(unix.ENOSYS)),
		// Keystrokes for the terminal or console the server may have.
		rule("ioctl", arg(1),
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCLINUX, SkipTrue: 1},
			allow, errno(unix.EPERM)),
		rule("personality", arg(0),
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xffffffff, SkipTrue: 1}, // asks what it is
			errno(unix.EPERM), allow),
		rule("socket", arg(0),
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_UNIX, SkipTrue: 6},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_INET, SkipTrue: 5},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_INET6, SkipTrue: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_NETLINK, SkipTrue: 2},
			arg(2),
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.NETLINK_ROUTE, SkipTrue: 1},
			errno(unix.EAFNOSUPPORT), allow),
	}
	for _, err := range rules {
		if err != nil {
			return nil, err
		}
	}
	for _, name := range refused {
		if n, ok := number(name); ok { // some are of one architecture only
			code = append(code, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: n, SkipTrue: 1}, errno(unix.EPERM))
		}
	}
	code = append(code, allow)
	f, err := bpf.Assemble(code)
	if err != nil {
		return nil, fmt.Errorf("system call filter: %w", err)
	}
	return f, nil
}

// program puts the filter into a script's memory as a struct sock_fprog.
func (f filter) program(k *script) data {
	var text []byte
	e := binary.NativeEndian
	for _, i := range f {
		text = e.AppendUint16(text, i.Op)
		text = append(text, i.Jt, i.Jf)
		text = e.AppendUint32(text, i.K)
	}
	instructions := k.put(text)
	header := make([]byte, 16)
	e.PutUint16(header, uint16(len(f)))
	at := k.put(header)
	k.setPointer(int(at)+8, instructions)
	return at
}
