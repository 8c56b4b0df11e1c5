package runtimes

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

//go:embed node/index.mjs node/ca-cert.pem node/wick/*.mjs node/wick-native-*.node
//go:embed python/bootstrap.py python/wick_runtime/*.py
//go:embed ruby/lib
//go:embed dotnet/bootstrap dotnet/*.dll dotnet/*.json
//go:embed java/wick-runtime.jar java/lib/wick-rehearsal.jar java/classes java/wick-native-*.so
var embedded embed.FS

// materialise writes a language's bootstrap into a folder named after its content, once,
// and returns the folder. An instance mounts it at /var/runtime.
func materialise(dir string, l Language) (string, error) {
	type file struct {
		name string
		data []byte
	}
	var files []file
	sum := sha256.New()
	err := fs.WalkDir(embedded, string(l), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		files = append(files, file{name, data})
		fmt.Fprintf(sum, "%s %d\n", name, len(data)) //nolint:errcheck // a hash never fails
		sum.Write(data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("embedded %s bootstrap: %w", l, err)
	}
	var slots []string
	if packs := l.known().packs; packs != nil {
		for _, name := range packTargets {
			slots = append(slots, path.Join(packs.folder, name))
		}
		fmt.Fprintln(sum, packs.folder) //nolint:errcheck // likewise
	}
	target := filepath.Join(dir, "runtime", string(l)+"-"+hex.EncodeToString(sum.Sum(nil))[:16])
	return target, writeOnce(target, func(at string) error {
		for _, slot := range slots {
			if err := os.MkdirAll(filepath.Join(at, filepath.FromSlash(slot)), 0o755); err != nil { //nolint:gosec // read by an instance's user
				return err
			}
		}
		for _, f := range files {
			to := filepath.Join(at, filepath.FromSlash(f.name[len(l)+1:]))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(to, f.data, 0o644); err != nil { //nolint:gosec // read by an instance's user
				return err
			}
		}
		return nil
	})
}

// writeOnce makes a folder with fill unless it is there. It appears whole or not at all,
// also when two processes do this at once.
func writeOnce(target string, fill func(at string) error) error {
	if isDir(target) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // read by an instance's user
		return err
	}
	at, err := os.MkdirTemp(filepath.Dir(target), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(at)                      //nolint:errcheck // renamed away unless something failed before
	if err := os.Chmod(at, 0o755); err != nil { //nolint:gosec // read by an instance's user
		return err
	}
	if err := fill(at); err != nil {
		return err
	}
	if err := os.Rename(at, target); err != nil && !errors.Is(err, fs.ErrExist) && !isDir(target) {
		return err
	}
	return nil
}

// nodeFrame is /var/lang of a Node instance: bin/node is where the program is mounted.
func (s *Set) nodeFrame() (string, error) {
	target := filepath.Join(s.dir, "lang", "node")
	return target, writeOnce(target, func(at string) error {
		if err := os.MkdirAll(filepath.Join(at, "lib"), 0o755); err != nil { //nolint:gosec // as above
			return err
		}
		if err := os.Mkdir(filepath.Join(at, "bin"), 0o755); err != nil { //nolint:gosec // as above
			return err
		}
		return os.WriteFile(filepath.Join(at, "bin", "node"), nil, 0o755) //nolint:gosec // a place to mount over
	})
}

// systemFrame is /var/lang of a system interpreter: links to where it is, by these names.
func (s *Set) systemFrame(in Interpreter, names ...string) (string, error) {
	sum := sha256.Sum256([]byte(in.Bin + " " + in.Version))
	target := filepath.Join(s.dir, "lang", string(in.Language)+"-"+hex.EncodeToString(sum[:8]))
	return target, writeOnce(target, func(at string) error {
		if err := os.Mkdir(filepath.Join(at, "bin"), 0o755); err != nil { //nolint:gosec // as above
			return err
		}
		for _, name := range names {
			err := os.Symlink(in.Bin, filepath.Join(at, "bin", name))
			if err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		return nil
	})
}

// emptyDir is a folder with nothing in it, to hide another.
func (s *Set) emptyDir() (string, error) {
	target := filepath.Join(s.dir, "lang", "empty")
	return target, writeOnce(target, func(string) error { return nil })
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
