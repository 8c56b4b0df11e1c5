package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// startPlain starts n plain HTTP servers in a language behind Go's reverse proxy, which
// is a process of its own, as Wick is, and takes them by turns. It returns the proxy's URL
// and that of the first server.
func (b *bench) startPlain(ctx context.Context, l *language, n int, c *closers) (proxy, server string, err error) {
	var urls []string
	for range n {
		u, err := startServer(ctx, nil, c, l.bin, filepath.Join(testdata, l.plain))
		if err != nil {
			return "", "", err
		}
		urls = append(urls, u)
	}
	self, err := os.Executable()
	if err != nil {
		return "", "", err
	}
	proxy, err = startServer(ctx, append(os.Environ(), roleVariable+"=proxy"), c, self, urls...)
	return proxy, urls[0], err
}

// startServer starts a server that says its address in its first line, and returns its URL.
func startServer(ctx context.Context, env []string, c *closers, program string, arguments ...string) (string, error) {
	server := exec.CommandContext(ctx, program, arguments...) //nolint:gosec // the interpreter Wick found, or this program
	server.Env = env
	out, err := server.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := server.Start(); err != nil {
		return "", err
	}
	c.add(func() error { return end(server) })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s %v said no address: %w", program, arguments, err)
	}
	return "http://" + strings.TrimSpace(address), nil
}

// proxy passes requests on to URLs, by turns, until the process is ended.
func proxy(to []string) error {
	targets := make([]*url.URL, len(to))
	for n, text := range to {
		u, err := url.Parse(text)
		if err != nil {
			return err
		}
		targets[n] = u
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Println(listener.Addr()); err != nil {
		return err
	}
	var turn atomic.Uint64
	// As many connections are kept as there may be clients; the default is two.
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(targets[turn.Add(1)%uint64(len(targets))]) },
	}}
	return server.Serve(listener)
}

// emulator is a running Runtime Interface Emulator with AWS's own runtime client. It
// starts the function's runtime with the first event.
type emulator struct {
	cmd *exec.Cmd
	url string
}

// hasEmulator says whether there is one, with a runtime client for the language.
func (b *bench) hasEmulator(l *language) bool {
	if l.client == nil {
		return false
	}
	_, err := os.Stat(filepath.Join(b.o.peers, "aws-lambda-rie"))
	return err == nil
}

// startEmulator returns when the emulator listens.
func (b *bench) startEmulator(ctx context.Context, l *language) (emulator, error) {
	address, err1 := freeAddress()
	api, err2 := freeAddress()
	peers, err3 := filepath.Abs(b.o.peers)
	sources, err4 := filepath.Abs(testdata)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return emulator{}, err
	}
	arguments := []string{"--runtime-interface-emulator-address", address, "--runtime-api-address", api, l.bin}
	for _, a := range l.client {
		if inside := filepath.Join(peers, a); strings.Contains(a, "/") {
			a = inside
		}
		arguments = append(arguments, a)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(peers, "aws-lambda-rie"), append(arguments, l.handler)...) //nolint:gosec // what fetch built
	cmd.Dir = sources
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(peers, "python"), "LAMBDA_TASK_ROOT="+sources)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return emulator{}, err
	}
	if err := awaitListener(ctx, address); err != nil {
		return emulator{}, errors.Join(err, end(cmd))
	}
	return emulator{cmd, "http://" + address + path("function")}, nil
}

// hasOffline says whether serverless-offline is there, with the function in the language.
func (b *bench) hasOffline(l *language) bool {
	_, err := os.Stat(filepath.Join(b.o.peers, "offline", "node_modules", "serverless-offline"))
	return err == nil && l.offline != ""
}

// startOffline starts serverless-offline with all its functions and returns where those
// are called.
func (b *bench) startOffline(ctx context.Context, c *closers) (url string, err error) {
	modules, err := filepath.Abs(filepath.Join(b.o.peers, "offline", "node_modules"))
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(b.dir, "offline")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS(testdata)); err != nil {
		return "", err
	}
	config, err := os.ReadFile(filepath.Join(testdata, "serverless.yml"))
	if err != nil {
		return "", err
	}
	text, address := string(config), ""
	for _, port := range []string{"PORT3", "PORT2", "PORT1"} {
		if address, err = freeAddress(); err != nil {
			return "", err
		}
		_, number, _ := strings.Cut(address, ":")
		text = strings.ReplaceAll(text, port, number)
	}
	err = errors.Join(os.WriteFile(filepath.Join(dir, "serverless.yml"), []byte(text), 0o600),
		os.Symlink(modules, filepath.Join(dir, "node_modules")))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "node", "node_modules/serverless/bin/serverless.js", "offline", "start") //nolint:gosec // what fetch brought
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off", "CI=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	c.add(func() error { return end(cmd) })
	return "http://" + address, awaitListener(ctx, address)
}

// awaitListener returns when somebody listens.
func awaitListener(ctx context.Context, address string) error {
	var dialer net.Dialer
	for deadline := time.Now().Add(30 * time.Second); ; {
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return connection.Close()
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("nobody listens at %s: %w", address, err)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// end ends a process and those of its group.
func end(cmd *exec.Cmd) error {
	target := cmd.Process.Pid
	if cmd.SysProcAttr != nil && cmd.SysProcAttr.Setpgid {
		target = -target
	}
	if err := syscall.Kill(target, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	gone := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(target, syscall.SIGKILL) }) // it didn't listen
	_ = cmd.Wait()                                                                              // by the signal, as it says
	gone.Stop()
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
