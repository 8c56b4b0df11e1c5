package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick/runtimes"
)

// now is when it is; a variable of its own keeps the imports of the others short.
var now = time.Now

// havingInterpreter finds an interpreter that is installed already.
func (i *Installer) havingInterpreter(key string) func([]runtimes.Installed) *runtimes.Installed {
	before := i.current(key)
	return func(there []runtimes.Installed) *runtimes.Installed {
		for n, one := range there {
			if one.Key == key && (!i.Upgrade || before == nil || one.Name != before.Name) {
				return &there[n]
			}
		}
		return nil
	}
}

// fromSystem installs a Debian package, where this is Debian or like it, has it, and the
// user may; else its error says what to do, in the end otherwise.
func (i *Installer) fromSystem(ctx context.Context, runtimeID, name, otherwise string) error {
	version := aptVersion(ctx, name)
	if version == "" {
		return fmt.Errorf("%s: %s; then `wick runtimes` finds it, or is told with `wick runtimes add %s PATH`", runtimeID, otherwise, runtimeID)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s: `sudo apt-get install %s` brings it (%s)", runtimeID, name, version)
	}
	i.say("%s: installing the system's package %s %s (apt-get)", runtimeID, name, version)
	dir := runtimes.InstalledDir(i.Dir)
	lock, unlock, err := i.lock(ctx, "apt")
	if err != nil {
		return err
	}
	t := tools{installer: i, ctx: ctx, lock: lock, scratch: dir}
	_, err = t.run([]string{"DEBIAN_FRONTEND=noninteractive"}, "apt-get", "install", "--yes", "--no-install-recommends", name)
	return errors.Join(err, unlock())
}

var aptCandidate = regexp.MustCompile(`(?m)^\s*Candidate: (\S+)$`)

// aptVersion is the version of a package that apt would install, "" where it has none.
func aptVersion(ctx context.Context, name string) string {
	cmd := exec.CommandContext(ctx, "apt-cache", "policy", name)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	found := aptCandidate.FindSubmatch(out)
	if err != nil || found == nil || string(found[1]) == "(none)" {
		return ""
	}
	return string(found[1])
}

// mustSay runs a program that has just come, and fails unless it prints what it should.
func (t tools) mustSay(program, text string, args ...string) error {
	out, err := t.run(quietly, program, args...)
	if err != nil {
		return fmt.Errorf("what came doesn't run here: %w", err)
	}
	if got := string(bytes.TrimSpace(out)); text != "" && got != text {
		return fmt.Errorf("what came says it is %s, not %s", got, text)
	}
	return nil
}

// moveInto moves what a folder holds into another, of the same file system.
func moveInto(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// compareVersions orders versions by their numbers: 3.9.0 before 3.10.0.
func compareVersions(a, b string) int {
	numbers := func(v string) []int {
		v, _, _ = strings.Cut(v, "-")
		var all []int
		for _, part := range strings.Split(v, ".") {
			n, _ := strconv.Atoi(part) // what is no number counts as 0
			all = append(all, n)
		}
		return all
	}
	return slices.Compare(numbers(a), numbers(b))
}

func newerThan(a, b string) bool { return compareVersions(a, b) > 0 }

// sizeOf returns how much a folder holds; what can't be read counts for nothing.
func sizeOf(dir string) (bytes int64, files int) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // only errors of ours are returned
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
				files++
			}
		}
		return nil
	})
	return bytes, files
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
