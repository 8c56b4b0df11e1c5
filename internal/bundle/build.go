package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// buildGo compiles the main package in dir for Lambda's Linux.
func buildGo(ctx context.Context, dir, scratch string, o Options) (binary, command string, err error) {
	binary = filepath.Join(scratch, "bootstrap")
	// -buildvcs=false: the commit would change the package's hash though no code did.
	// lambda.norpc leaves out what only the retired go1.x runtime needed.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags=lambda.norpc", "-o", binary, "."}
	arch := map[string]string{"x86_64": "amd64", "arm64": "arm64"}[o.Architecture]
	env := []string{"GOOS=linux", "GOARCH=" + arch, "CGO_ENABLED=0"}
	if err := run(ctx, dir, env, o.Output, o.Output, "go", args...); err != nil {
		return "", "", err
	}
	return binary, strings.Join(env, " ") + " go build", nil
}

// buildRust compiles the crate in dir with its release profile. A crate of several
// binaries needs a handler that names one of them, as cargo-lambda has it.
func buildRust(ctx context.Context, dir, _ string, o Options) (binary, command string, err error) {
	args := []string{"build", "--release", "--message-format=json-render-diagnostics"}
	command = "cargo build --release"
	if o.Architecture != HostArchitecture() {
		target := map[string]string{"x86_64": "x86_64", "arm64": "aarch64"}[o.Architecture] + "-unknown-linux-gnu"
		args = append(args, "--target", target)
		command += " --target " + target
	}
	var messages bytes.Buffer
	if err := run(ctx, dir, nil, &messages, o.Output, "cargo", args...); err != nil {
		return "", "", err
	}
	var binaries []string
	for line := range bytes.Lines(messages.Bytes()) {
		var m struct {
			Executable string `json:"executable"`
		}
		if json.Unmarshal(line, &m) == nil && m.Executable != "" {
			binaries = append(binaries, m.Executable)
		}
	}
	for _, b := range binaries {
		if len(binaries) == 1 || filepath.Base(b) == o.Handler {
			return b, command, nil
		}
	}
	if len(binaries) == 0 {
		return "", "", fmt.Errorf("%s builds no binary: a function needs a src/main.rs", dir)
	}
	names := make([]string, len(binaries))
	for i, b := range binaries {
		names[i] = filepath.Base(b)
	}
	return "", "", fmt.Errorf("%s builds several binaries (%s): name one with --handler", dir, strings.Join(names, ", "))
}

// buildMake has a Makefile make the program bootstrap, in another folder so that nothing
// is left in this one: VPATH says where the sources are.
func buildMake(ctx context.Context, dir, scratch string, o Options) (binary, command string, err error) {
	if o.Architecture != HostArchitecture() {
		return "", "", fmt.Errorf("%s is built for this machine, which is %s: build the bootstrap for %s yourself and deploy the folder it is in",
			dir, HostArchitecture(), o.Architecture)
	}
	args := []string{"--no-print-directory", "-C", scratch, "-f", filepath.Join(dir, "Makefile"), "VPATH=" + dir, "bootstrap"}
	if err := run(ctx, dir, nil, o.Output, o.Output, "make", args...); err != nil {
		return "", "", err
	}
	binary = filepath.Join(scratch, "bootstrap")
	if _, err := os.Stat(binary); err != nil {
		return "", "", fmt.Errorf("make bootstrap in %s made no bootstrap in the folder it ran in (the folder of the sources is VPATH)", dir)
	}
	return binary, "make bootstrap", nil
}

// run runs a compiler in dir and turns its failure into words.
func run(ctx context.Context, dir string, env []string, stdout, stderr io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s is needed to build %s and is not installed", name, dir)
	case err != nil:
		return fmt.Errorf("%s %s in %s failed: %w", name, args[0], dir, err)
	}
	return nil
}
