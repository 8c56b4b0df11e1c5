//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

//go:generate init/build.sh

// openInit makes an executable file in memory that holds wick-init, sealed so that no
// sandbox can change it for another. A machine that forbids running such files
// (vm.memfd_noexec) gets one in dir instead.
func openInit(dir string) (*os.File, error) {
	f, err := memoryInit()
	if errors.Is(err, unix.EACCES) {
		return fileInit(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("make wick-init: %w", err)
	}
	return f, nil
}

func memoryInit() (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("wick-init", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3 all of them are executable
		fd, err = unix.MemfdCreate("wick-init", flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	// Below, it could be overwritten by the descriptors a new process is given.
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 10)
	unix.Close(fd)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(high), "wick-init")
	if _, err := f.Write(initProgram); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(os.NewSyscallError("seal", err), f.Close())
	}
	return f, nil
}

func fileInit(dir string) (*os.File, error) {
	path := filepath.Join(dir, "wick-init")
	if err := os.WriteFile(path, initProgram, 0o500); err != nil {
		return nil, fmt.Errorf("make wick-init: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("make wick-init: %w", err)
	}
	return f, nil
}

// pathOf is a path by which this process and its children can run an open file.
func pathOf(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// memoryFile makes a file in memory that holds b.
func memoryFile(name string, b []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(b); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
