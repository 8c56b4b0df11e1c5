package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// openEmulator adds AWS's Runtime Interface Emulator with AWS's own runtime client.
func (s *stage) openEmulator(ctx context.Context, o options, l *language, sources string) error {
	if o.emulator == "" {
		return nil
	}
	dir, err := filepath.Abs(o.emulator)
	if err != nil {
		return err
	}
	cold := func(whole bool) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			all, answer, err := coldEmulator(ctx, dir, l, sources)
			if whole {
				return all, err
			}
			return answer, err
		}
	}
	warm, err := startEmulator(ctx, dir, l, sources)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { return end(warm.cmd) })
	s.contestants = append(s.contestants,
		&contestant{language: l.name, name: "emulator, already running", url: warm.url, cold: cold(false)},
		&contestant{language: l.name, name: "emulator, with its own start", cold: cold(true)})
	return nil
}

// emulator is a running one. It starts the function's runtime with the first event.
type emulator struct {
	cmd *exec.Cmd
	url string
}

// coldEmulator starts an emulator, has a first answer, and ends it. It returns how long
// the answer took, from the start of the emulator and from the event.
func coldEmulator(ctx context.Context, dir string, l *language, sources string) (all, answer time.Duration, err error) {
	began := time.Now()
	e, err := startEmulator(ctx, dir, l, sources)
	if err != nil {
		return 0, 0, err
	}
	client := newClient()
	defer client.CloseIdleConnections()
	answer, err = post(ctx, client, e.url)
	all = time.Since(began)
	return all, answer, errors.Join(err, end(e.cmd))
}

// startEmulator returns when the emulator listens.
func startEmulator(ctx context.Context, dir string, l *language, sources string) (emulator, error) {
	address, err1 := freeAddress()
	api, err2 := freeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return emulator{}, err
	}
	arguments := []string{"--runtime-interface-emulator-address", address, "--runtime-api-address", api, l.interpreter}
	for _, a := range l.client {
		if _, err := os.Stat(filepath.Join(dir, a)); err == nil {
			a = filepath.Join(dir, a)
		}
		arguments = append(arguments, a)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "aws-lambda-rie"), append(arguments, l.handler)...) //nolint:gosec // what fetch built
	cmd.Dir = sources
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(dir, "python"), "LAMBDA_TASK_ROOT="+sources)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return emulator{}, fmt.Errorf("%w: bench/compare/fetch builds it", err)
	}
	var dialer net.Dialer
	for deadline := time.Now().Add(10 * time.Second); ; {
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return emulator{cmd, "http://" + address + "/2015-03-31/functions/function/invocations"}, connection.Close()
		}
		if time.Now().After(deadline) {
			return emulator{}, errors.Join(fmt.Errorf("the emulator doesn't listen: %w", err), end(cmd))
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// end ends a process and those it started.
func end(cmd *exec.Cmd) error {
	target := cmd.Process.Pid
	if cmd.SysProcAttr != nil && cmd.SysProcAttr.Setpgid {
		target = -target
	}
	if err := syscall.Kill(target, syscall.SIGTERM); err != nil {
		return err
	}
	_ = cmd.Wait() // by the signal, as it says
	if target < 0 {
		// Whoever is left of the group; nobody, as a rule.
		_ = syscall.Kill(target, syscall.SIGKILL)
	}
	return nil
}

// freeAddress returns an address of the loopback that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
