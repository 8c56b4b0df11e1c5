package runtimes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/wick-run/wick"
)

// addedFile holds the interpreters that wick runtimes add has named, by runtime. It lies
// in InstalledDir's parent, Options.Dir.
const addedFile = "added.json"

// sourceAdded is the Interpreter.Source of those.
const sourceAdded = "added"

// Added returns the programs that runtimes are to be run by, below dir (see Options.Dir):
// what wick runtimes add was told.
func Added(dir string) (map[string]string, error) {
	added := map[string]string{}
	data, err := os.ReadFile(filepath.Join(dir, addedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return added, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &added); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, addedFile), err)
	}
	return added, nil
}

// Add has a runtime run by the interpreter at a path, a program or the folder it is
// installed in, from the next Refresh on. The program is asked for its version first: the
// error, an InvalidParameter for the user, says why it can't run that runtime.
func Add(ctx context.Context, dir, runtime, path string) (Interpreter, error) {
	in, err := InterpreterAt(ctx, runtime, path)
	if err != nil {
		return Interpreter{}, err
	}
	return in, changeAdded(dir, func(added map[string]string) { added[runtime] = in.Bin })
}

// Forget undoes Add; ok is false when there was nothing to undo.
func Forget(dir, runtime string) (ok bool, err error) {
	err = changeAdded(dir, func(added map[string]string) {
		_, ok = added[runtime]
		delete(added, runtime)
	})
	return ok, err
}

func changeAdded(dir string, change func(map[string]string)) error {
	added, err := Added(dir)
	if err != nil {
		return err
	}
	before := maps.Clone(added)
	if change(added); maps.Equal(before, added) {
		return nil
	}
	data, err := json.MarshalIndent(added, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // instances see parts of it
		return err
	}
	temp, err := os.CreateTemp(dir, "."+addedFile)
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // renamed away unless something failed
	_, err = temp.Write(append(data, '\n'))
	if err := errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), filepath.Join(dir, addedFile))
}

// InterpreterAt returns the interpreter at a path, a program or the folder it is installed
// in, as a runtime would be run by it. The error says why it can't be.
func InterpreterAt(ctx context.Context, runtime, path string) (Interpreter, error) {
	want, ok := parseRuntime(runtime)
	l := want.language.known()
	if known, _ := Known(runtime); !known || !ok {
		return Interpreter{}, wick.Errorf(wick.InvalidParameter, "%s is no runtime that Wick runs", runtime)
	}
	if l.programs == nil {
		return Interpreter{}, wick.Errorf(wick.InvalidParameter, "%s brings its own program: there is nothing to add", runtime)
	}
	bin, err := programAt(path, l)
	if err != nil {
		return Interpreter{}, err
	}
	c := candidate{language: l.name, bin: bin, source: sourceAdded}
	switch {
	case l.versionOf != nil:
		c.version = l.versionOf(bin)
	case l.versionsOf != nil:
		c.version = l.nearestOf(want, l.versionsOf(bin))
	case l.printed != nil:
		c.version = askVersion(ctx, &c)
	}
	in, ok := c.interpreter()
	v, _ := parseVersion(c.version)
	switch {
	case c.version == "":
		return Interpreter{}, wick.Errorf(wick.InvalidParameter, "%s doesn't say that it is %s", bin, l.title)
	case !ok:
		return Interpreter{}, wick.Errorf(wick.InvalidParameter, "%s is %s %s, which Wick doesn't run", bin, l.title, c.version)
	case !l.takes(want, v):
		return Interpreter{}, wick.Errorf(wick.InvalidParameter, "%s is %s %s, which can't run %s", bin, l.title, c.version, runtime)
	}
	return in, nil
}

// addedCandidates are the programs that were added and are still there, as what the
// runtimes they were added for need.
func addedCandidates(paths map[string]string) []candidate {
	var all []candidate
	for runtime, path := range paths {
		want, ok := parseRuntime(runtime)
		l := want.language.known()
		if !ok || !runnable(path) {
			continue
		}
		c := candidate{language: l.name, bin: path, source: sourceAdded}
		switch {
		case l.versionOf != nil:
			c.version = l.versionOf(path)
		case l.versionsOf != nil:
			c.version = l.nearestOf(want, l.versionsOf(path))
		}
		all = append(all, c)
	}
	return all
}

// addedFor returns the interpreters that were added and can still run what they were added
// for, by runtime.
func addedFor(paths map[string]string, found []Interpreter) map[string]Interpreter {
	added := map[string]Interpreter{}
	for runtime, path := range paths {
		want, ok := parseRuntime(runtime)
		if !ok {
			continue
		}
		for _, in := range found {
			v, _ := parseVersion(in.Version) // interpreters without a version aren't kept
			if in.Source == sourceAdded && in.Bin == path && in.Language == want.language && want.language.known().takes(want, v) {
				added[runtime] = in
			}
		}
	}
	return added
}

// programAt finds a language's program at a path, or in a folder and its bin.
func programAt(path string, l *language) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if isDir(path) {
		folder := path
		path = ""
		for _, dir := range []string{filepath.Join(folder, "bin"), folder} {
			entries, _ := os.ReadDir(dir) // one of the two is often missing
			at := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return l.programs.MatchString(e.Name()) })
			if at >= 0 {
				path = filepath.Join(dir, entries[at].Name())
				break
			}
		}
		if path == "" {
			return "", wick.Errorf(wick.InvalidParameter, "there is no %s in %s", l.title, folder)
		}
	}
	bin, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", wick.Errorf(wick.InvalidParameter, "there is no program at %s", path)
	}
	if !runnable(bin) {
		return "", wick.Errorf(wick.InvalidParameter, "%s is no program that runs in a sandbox: name the interpreter itself, not a script that starts it", bin)
	}
	return bin, nil
}
