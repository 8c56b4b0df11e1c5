//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// enteredVariable tells the program that runs again which mount namespace it left.
const enteredVariable = "WICK_MOUNTS_LEFT"

// EnterPrivateMounts runs this program again, as the same process with the same
// arguments and environment, in a mount namespace of its own: what the driver mounts
// is then seen by nobody else and is gone when the process is, however it ends. Call it
// before anything else, since nothing of the program so far goes on. When it returns,
// the program runs where it should, or err says why it doesn't; it can go on then, but
// after a kill -9 the mounts of /tmp images stay until the next [New].
//
// Without privileges it is entered together with a user namespace in which this
// process is root, which is what makes the driver work for an ordinary user. Where
// the kernel refuses, New says so.
func EnterPrivateMounts() error {
	var now unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &now); err != nil {
		return fmt.Errorf("enter private mounts: %w", err)
	}
	here := strconv.FormatUint(now.Ino, 10)
	if left, ok := os.LookupEnv(enteredVariable); ok {
		// Not for the programs that this one starts.
		if err := os.Unsetenv(enteredVariable); err != nil {
			return fmt.Errorf("enter private mounts: %w", err)
		}
		if left != here {
			return nil
		}
		return errors.New("enter private mounts: the kernel refused a user namespace")
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("enter private mounts: %w", err)
	}
	env := append(os.Environ(), enteredVariable+"="+here)
	if os.Geteuid() == 0 {
		err = enterAsRoot(self, env)
	}
	// Root of a container may have as little power as anybody.
	if os.Geteuid() != 0 || errors.Is(err, unix.EPERM) {
		err = enterAsUser(self, env)
	}
	return fmt.Errorf("enter private mounts: %w", err)
}

// enterAsRoot returns only with an error.
func enterAsRoot(self string, env []string) error {
	// The exec goes on with this thread, and ends all others. Should it fail, nothing
	// else is to run on a thread that sees other mounts.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		runtime.UnlockOSThread()
		return os.NewSyscallError("unshare", err)
	}
	// What the host mounts and unmounts later is still to be seen here, not the reverse.
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("keep mounts from being seen: %w", err)
	}
	return os.NewSyscallError("execve", unix.Exec(self, os.Args, env))
}

// enterAsUser returns only with an error. The process becomes wick-init for a moment.
func enterAsUser(self string, env []string) error {
	program, err := memoryInit()
	if err != nil {
		return err
	}
	defer program.Close()
	args := append([]string{
		"enter",
		fmt.Sprintf("0 %d 1\n", os.Geteuid()),
		fmt.Sprintf("0 %d 1\n", os.Getegid()),
		self,
	}, os.Args...)
	for _, a := range args {
		if strings.IndexByte(a, 0) >= 0 {
			return errors.New("an argument holds a NUL byte")
		}
	}
	return os.NewSyscallError("execve", unix.Exec(pathOf(program), args, env))
}
