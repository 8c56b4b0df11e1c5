// Command inside is what the contract's tests run in a sandbox: it does one thing, named
// by its first argument, or, as "serve", one after the other as descriptor 3 tells it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Reply is a line that serve answers with.
type Reply struct{ Out, Err string }

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve()
		return
	}
	out, err := do(os.Args[1:])
	fmt.Print(out)
	if err != nil {
		fmt.Fprint(os.Stderr, err)
		os.Exit(1)
	}
}

// serve reads lines with an array of strings each, until there are no more.
func serve() {
	lines := bufio.NewScanner(os.NewFile(3, "requests"))
	for lines.Scan() {
		var words []string
		err := json.Unmarshal(lines.Bytes(), &words)
		var r Reply
		if err == nil {
			r.Out, err = do(words)
		}
		if err != nil {
			r.Err = err.Error()
		}
		line, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
			os.Exit(1) // nobody listens
		}
	}
}

// held is memory that alloc took and free gives back.
var held []byte

func do(words []string) (string, error) {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	number := func(i int) int {
		n, err := strconv.Atoi(arg(i))
		if err != nil {
			panic(err)
		}
		return n
	}
	switch arg(0) {
	case "exit":
		os.Exit(number(1))
	case "kill":
		if err := syscall.Kill(os.Getpid(), syscall.Signal(number(1))); err != nil {
			return "", err
		}
		select {} // it comes
	case "print":
		if _, err := os.Stdout.WriteString(arg(1)); err != nil {
			return "", err
		}
		_, err := os.Stderr.WriteString(arg(2))
		return "", err
	case "args":
		return strings.Join(os.Args, "\n"), nil
	case "env":
		return strings.Join(os.Environ(), "\n"), nil
	case "pwd":
		return unix.Getwd() // os.Getwd believes $PWD
	case "stdin":
		text, err := io.ReadAll(os.Stdin)
		return string(text), err
	case "descriptors":
		return descriptors(), nil
	case "tofd":
		_, err := os.NewFile(uintptr(number(1)), "given").WriteString(arg(2))
		return "", err
	case "list":
		entries, err := os.ReadDir(arg(1))
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, "\n"), err
	case "read":
		text, err := os.ReadFile(arg(1))
		return string(text), err
	case "write":
		return "", os.WriteFile(arg(1), []byte(arg(2)), 0o600)
	case "fill":
		return "", fill(arg(1), number(2))
	case "user":
		return fmt.Sprintf("%d %d", os.Getuid(), os.Getgid()), nil
	case "hostname":
		return os.Hostname()
	case "dial":
		return dial(arg(1), arg(2), arg(3))
	case "alloc":
		return "", alloc(number(1))
	case "free":
		err := syscall.Munmap(held)
		held = nil
		return "", err
	case "burn":
		return "", burn(time.Duration(number(1)) * time.Millisecond)
	case "spawn":
		return spawn(number(1))
	case "sleep":
		time.Sleep(time.Hour)
		return "", nil
	}
	return "", fmt.Errorf("no such thing as %q", words)
}

// descriptors are those that came with the exec: this program's own close on one.
func descriptors() string {
	var open []string
	for fd := range 1024 {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
			open = append(open, strconv.Itoa(fd))
		}
	}
	return strings.Join(open, " ")
}

// fill writes a file of mb MiB to the disk.
func fill(path string, mb int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := slices.Repeat([]byte("wick"), 1<<18)
	for range mb {
		if _, err := f.Write(block); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Sync(), f.Close())
}

// dial sends text and returns the answer.
func dial(network, address, text string) (string, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	c, err := dialer.DialContext(context.Background(), network, address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	buf := make([]byte, 1024)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// alloc takes mb MiB and touches each page.
func alloc(mb int) error {
	var err error
	held, err = syscall.Mmap(-1, 0, mb<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	return nil
}

// burn computes until the process has used d of CPU time more.
func burn(d time.Duration) error {
	used := func() (time.Duration, error) {
		var r syscall.Rusage
		err := syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		return time.Duration(r.Utime.Nano() + r.Stime.Nano()), err
	}
	from, err := used()
	for err == nil {
		var now time.Duration
		if now, err = used(); now-from >= d {
			return err
		}
	}
	return err
}

// spawn starts n children that sleep, half of them in sessions of their own.
func spawn(n int) (string, error) {
	var pids []string
	for i := range n {
		cmd := exec.CommandContext(context.Background(), os.Args[0], "sleep")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: i%2 == 1}
		if err := cmd.Start(); err != nil {
			return "", err
		}
		pids = append(pids, strconv.Itoa(cmd.Process.Pid))
	}
	return strings.Join(pids, " "), nil
}
