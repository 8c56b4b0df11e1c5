package main

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

//go:embed functions
var functions embed.FS

// language is one that the function is written in.
type language struct {
	name        string
	runtime     types.Runtime
	handler     string
	file, plain string // the function, and the same as a plain HTTP server
	interpreter string // that Wick runs it with
	nothing     []string
	client      []string // AWS's runtime client, behind the interpreter, in the emulator's folder
}

var languages = []*language{
	{
		name: "python", runtime: types.RuntimePython311, handler: "app.handler", file: "app.py", plain: "plain.py",
		nothing: []string{"-c", "0"}, client: []string{"-m", "awslambdaric"},
	},
	{
		name: "node", runtime: types.RuntimeNodejs20x, handler: "index.handler", file: "index.mjs", plain: "plain.mjs",
		nothing: []string{"-e", "0"}, client: []string{"node_modules/aws-lambda-ric/bin/index.mjs"},
	},
}

func writeFunctions(dir string) error {
	sub, err := fs.Sub(functions, "functions")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, sub)
}

// stage is all contestants and what has to end with them.
type stage struct {
	contestants []*contestant
	closers     []func() error
}

func (s *stage) close() error {
	var errs []error
	for n := len(s.closers) - 1; n >= 0; n-- {
		errs = append(errs, s.closers[n]())
	}
	return errors.Join(errs...)
}

// open starts what lasts over all rounds: two Wicks, the emulators and the plain servers.
func (s *stage) open(ctx context.Context, o options, dir string) error {
	sources := filepath.Join(dir, "functions")
	wicks := make([]*wickServer, 2)
	for n, arguments := range [][]string{nil, {"--stems", "0"}} {
		w, err := startWick(o.wick, filepath.Join(dir, fmt.Sprintf("data%d", n)), arguments...)
		if err != nil {
			return err
		}
		wicks[n] = w
		s.closers = append(s.closers, w.Stop)
	}
	for _, l := range languages {
		var err error
		if l.interpreter, err = interpreterOf(ctx, o.wick, l.runtime); err != nil {
			return err
		}
		for n, name := range []string{"Wick", "Wick, with nothing booted ahead (--stems 0)"} {
			c, err := wicks[n].contestant(ctx, l, name, sources)
			if err != nil {
				return err
			}
			s.contestants = append(s.contestants, c)
		}
		if err := s.openEmulator(ctx, o, l, sources); err != nil {
			return err
		}
		if err := s.openPlain(ctx, l, sources); err != nil {
			return err
		}
	}
	return nil
}

// openPlain starts a language's plain HTTP server and a proxy to it, and adds the start of
// the language itself.
func (s *stage) openPlain(ctx context.Context, l *language, sources string) error {
	bare := &contestant{language: l.name, name: filepath.Base(l.interpreter) + " " + strings.Join(l.nothing, " ")}
	bare.cold = func(ctx context.Context) (time.Duration, error) {
		began := time.Now()
		err := exec.CommandContext(ctx, l.interpreter, l.nothing...).Run() //nolint:gosec // the interpreter Wick found
		return time.Since(began), err
	}
	server, err := s.startPlain(ctx, l.interpreter, filepath.Join(sources, l.plain))
	if err != nil {
		return err
	}
	// The proxy is a process of its own, as Wick is.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	proxy, err := s.startPlain(ctx, self, "-proxy", server)
	if err != nil {
		return err
	}
	s.contestants = append(s.contestants, bare,
		&contestant{language: l.name, name: "plain HTTP server behind Go's reverse proxy", url: proxy, concurrent: true},
		&contestant{language: l.name, name: "plain HTTP server, asked directly", url: server, concurrent: true})
	return nil
}

// startPlain starts a server that says its address in its first line, and returns its URL.
func (s *stage) startPlain(ctx context.Context, program string, arguments ...string) (string, error) {
	server := exec.CommandContext(ctx, program, arguments...) //nolint:gosec // the interpreter Wick found, or this program
	out, err := server.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := server.Start(); err != nil {
		return "", err
	}
	s.closers = append(s.closers, func() error { return end(server) })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s %v said no address: %w", program, arguments, err)
	}
	return "http://" + strings.TrimSpace(address), nil
}

// proxy passes requests on to a URL until the process is ended.
func proxy(to string) error {
	target, err := url.Parse(to)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Println(listener.Addr()); err != nil {
		return err
	}
	// As many connections are kept as there may be clients; the default is two.
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}}
	return server.Serve(listener)
}

// interpreterOf asks wick what it runs a runtime's functions with.
func interpreterOf(ctx context.Context, wick string, runtime types.Runtime) (string, error) {
	out, err := exec.CommandContext(ctx, wick, "runtimes", "--json").Output() //nolint:gosec // the wick to measure
	if err != nil {
		return "", fmt.Errorf("wick runtimes: %w", err)
	}
	var all []struct{ Runtime, Bin string }
	if err := json.Unmarshal(out, &all); err != nil {
		return "", fmt.Errorf("wick runtimes: %w", err)
	}
	for _, r := range all {
		if r.Runtime == string(runtime) {
			return r.Bin, nil
		}
	}
	return "", fmt.Errorf("wick finds nothing that runs %s on this machine", runtime)
}
