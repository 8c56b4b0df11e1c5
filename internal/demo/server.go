package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// server is the wick serve of the demo.
type server struct {
	url string
	dir string
	cmd *exec.Cmd
}

// startServer starts wick serve and returns when it is ready.
func startServer(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp("", "wick-demo-*")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	// An interrupted demo stops it in stop, not by killing it.
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, "serve", "--addr", "127.0.0.1:0", "--data-dir", dir)
	s.cmd.Stderr = os.Stderr
	// In a group of its own, so that ^C reaches the demo alone, which then stops it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	fmt.Println("$ wick serve --addr 127.0.0.1:0")
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		fmt.Println(lines.Text())
		if _, rest, ok := strings.Cut(lines.Text(), " ready at "); ok {
			s.url, _, _ = strings.Cut(rest, " ")
			return s, nil
		}
	}
	return nil, errors.Join(errors.New("wick serve ended before it was ready"), s.cmd.Wait(), os.RemoveAll(dir))
}

// stop stops the server as an operator does, and removes its data.
func (s *server) stop() error {
	fmt.Println("\nStopping wick.")
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	// Should it hang, the demo doesn't.
	kill := time.AfterFunc(30*time.Second, func() { _ = s.cmd.Process.Kill() }) // Wait reports it
	defer kill.Stop()
	return errors.Join(err, s.cmd.Wait(), os.RemoveAll(s.dir))
}
