package install

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tools runs the registries' clients for one install.
type tools struct {
	installer *Installer
	ctx       context.Context //nolint:containedctx // of one install, which it lives as long as
	lock      *os.File        // inherited by what runs, so that it outlives this process
	scratch   string          // a folder that goes away with the install
}

// run runs a program and returns what it printed. Its settings are the user's; set come on
// top. A failure holds the end of what it said.
func (t tools) run(set []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(t.ctx, name, args...)
	cmd.Env = append(os.Environ(), set...)
	cmd.Dir = t.scratch
	cmd.ExtraFiles = []*os.File{t.lock}
	endWithUs(cmd)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := runOnThread(cmd)
	if t.ctx.Err() != nil {
		return nil, t.ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s failed (%w):\n%s", filepath.Base(name), err, tail(out.Bytes(), said.Bytes()))
	}
	return out.Bytes(), nil
}

// tailLines is how much of a client's complaint is shown.
const tailLines = 12

// tail returns the last lines of what a client said.
func tail(out, said []byte) string {
	if len(bytes.TrimSpace(said)) == 0 {
		said = out
	}
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	for n, line := range lines {
		lines[n] = "  " + strings.TrimRight(line, "\r")
	}
	return strings.Join(lines, "\n")
}

// listOrOne decodes JSON that is a list, or a single value where there is but one: as npm
// prints what it has one or many of.
func listOrOne[T any](data []byte) ([]T, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return nil, nil
	}
	if data[0] == '[' {
		var list []T
		err := json.Unmarshal(data, &list)
		return list, err
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return nil, err
	}
	return []T{one}, nil
}
