//go:build linux

package cgroup

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/internal/quickio"
)

// file is an open control file. Opened without the runtime's poller, into which
// os.Open would put it (these files can be polled): nobody waits for them there.
type file struct {
	f   *os.File
	raw syscall.RawConn // of f
}

// openFile opens a control file; flag is unix.O_RDONLY or unix.O_RDWR.
func openFile(path string, flag int) (file, error) {
	for {
		fd, err := unix.Open(path, flag|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return file{}, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		f := os.NewFile(uintptr(fd), path)
		raw, err := f.SyscallConn()
		if err != nil {
			return file{}, errors.Join(err, f.Close())
		}
		return file{f, raw}, nil
	}
}

func (f file) close() error {
	if f.f == nil {
		return nil
	}
	return f.f.Close()
}

// read reads the file anew into buf, as much as fits.
func (f file) read(buf []byte) ([]byte, error) {
	if f.f == nil {
		return nil, errors.ErrUnsupported
	}
	n, err := f.f.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return bytes.TrimSpace(buf[:n]), nil
}

// number reads a file that holds nothing but one, in one quick call: os.File would make
// another to see that there is no more, and this is read at the end of each invocation.
func (f file) number() (int64, error) {
	if f.f == nil {
		return 0, errors.ErrUnsupported
	}
	var buf [32]byte
	var n int
	var failed error
	err := f.raw.Control(func(fd uintptr) { n, failed = quickio.ReadAt(fd, buf[:], 0) })
	switch {
	case err != nil:
		return 0, os.ErrClosed // which it means, in other words
	case failed != nil:
		return 0, failed
	}
	return strconv.ParseInt(string(bytes.TrimSpace(buf[:n])), 10, 64)
}

func (f file) write(value string) error {
	if f.f == nil {
		return errors.ErrUnsupported
	}
	_, err := f.f.WriteAt([]byte(value), 0)
	return err
}

// writeFile writes a control file that isn't kept open.
func writeFile(dir, name, value string) error {
	f, err := openFile(filepath.Join(dir, name), unix.O_WRONLY|unix.O_TRUNC)
	if err != nil {
		return err
	}
	return errors.Join(f.write(value), f.close())
}

// readFile reads a small control file that isn't kept open.
func readFile(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text)), err
}

// field is the number after key in lines of "key number", or 0 where there is no such
// line: what a kernel doesn't count is none.
func field(text []byte, key string) int64 {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok && len(rest) > 0 && rest[0] == ' ' {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64) // the kernel's own digits
			return n
		}
	}
	return 0
}

// readPIDs reads cgroup.procs of a folder.
func readPIDs(dir string) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// CPU time is given out in periods: see the package's comment.
const (
	cpuPeriodUS   = 20_000
	cpuMinQuotaUS = 1_000     // the kernel's least quota
	cpuMaxPeriod  = 1_000_000 // and its longest period
)

// cpuQuota are the quota and the period, in microseconds, that make up milli
// thousandths of a CPU. A quota of 0 is none.
func cpuQuota(milli int) (quotaUS, periodUS int) {
	if milli == 0 {
		return 0, cpuPeriodUS
	}
	quotaUS, periodUS = milli*cpuPeriodUS/1000, cpuPeriodUS
	if quotaUS < cpuMinQuotaUS {
		quotaUS = cpuMinQuotaUS
		periodUS = min(cpuMinQuotaUS*1000/milli, cpuMaxPeriod)
	}
	return quotaUS, periodUS
}
