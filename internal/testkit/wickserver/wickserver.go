// Package wickserver runs the real wick, built from this module, for tests: a server on
// a port and a data directory of its own, that is waited for, spoken to by AWS's own
// client, and stopped as an operator stops it, with a look at what it leaves behind.
//
// The tests below test/ are the callers. It doesn't take a testing.TB, so that one
// server can outlive the test that needed it first.
package wickserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// Patience bounds waits for what takes milliseconds when all is well: it separates slow
// from stuck on a loaded machine, and no test passes or fails by its length.
const Patience = time.Minute

// Build builds the command wick of the module that the working directory is in, with the
// race detector where the caller has it, and returns the binary's path, in dir. Where
// WICK_BINARY names one that is built already, it returns that.
func Build(dir string) (string, error) {
	if built := os.Getenv("WICK_BINARY"); built != "" {
		return filepath.Abs(built)
	}
	binary := filepath.Join(dir, "wick")
	args := []string{"build", "-race=" + strconv.FormatBool(Race), "-o", binary, "github.com/wick-run/wick/cmd/wick"}
	if out, err := exec.CommandContext(context.Background(), "go", args...).CombinedOutput(); err != nil { //nolint:gosec // the caller's folder
		return "", fmt.Errorf("building wick: %w\n%s", err, out)
	}
	return binary, nil
}

// Server is a running wick serve.
type Server struct {
	URL     string // where it listens
	DataDir string

	cmd    *exec.Cmd
	stdout *Transcript
	stderr *Transcript
	exited chan struct{} // closed when cmd has been waited for
}

var ready = regexp.MustCompile(`(?m)^wick \S+ ready at (http://\S+) in .*$`)

// Start runs binary's serve with args on a free port of the loopback, with a data
// directory that may exist, and returns when it is ready. The environment is the
// caller's without AWS's and Wick's variables.
func Start(binary, dataDir string, args ...string) (*Server, error) {
	s := &Server{DataDir: dataDir, stdout: NewTranscript(), stderr: NewTranscript(), exited: make(chan struct{})}
	args = append([]string{"serve", "--addr", "127.0.0.1:0", "--data-dir", dataDir}, args...)
	s.cmd = exec.CommandContext(context.Background(), binary, args...) //nolint:gosec // the binary under test
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "WICK_")
	})
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // Stop looks at ProcessState
	}()
	match, err := s.stdout.WaitFor(ready, s.exited)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wick serve: %w\n%s%s", err, s.stdout, s.stderr), s.Kill())
	}
	s.URL = match[1]
	return s, nil
}

// Stop ends the server as an operator does, with SIGTERM. It returns what was wrong with
// that: an exit status, or anything it left on the machine. It can be called twice.
func (s *Server) Stop() error {
	select {
	case <-s.exited:
		return nil
	default:
	}
	belongings, err := s.Belongings()
	if err != nil {
		return errors.Join(err, s.Kill())
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping wick serve: %w", err)
	}
	select {
	case <-s.exited:
	case <-time.After(Patience):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines tell where it hangs
		<-s.exited
		return fmt.Errorf("wick serve did not stop on SIGTERM\n%s", s.stderr)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		err = fmt.Errorf("wick serve exited with %d after SIGTERM\n%s", code, s.stderr)
	}
	return errors.Join(err, belongings.Left())
}

// Kill ends the server with SIGKILL and returns when it is gone.
func (s *Server) Kill() error {
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.exited
	return nil
}

// Exited is closed when the server's process has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// OperatorLog is what the server has written to its standard error so far.
func (s *Server) OperatorLog() *Transcript { return s.stderr }

// Client returns AWS's own client for the server. It doesn't retry.
func (s *Server) Client() *lambda.Client {
	return lambda.New(lambda.Options{
		BaseEndpoint: aws.String(s.URL),
		Region:       "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		HTTPClient: &http.Client{},
		Retryer:    aws.NopRetryer{},
	})
}
