package runtimes

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPythonsBootstrapIsCompiledForItsInterpreter(t *testing.T) {
	m := archived(t, match(t, "python3.12"))
	var folder string
	for _, mount := range m.Mounts {
		if mount.Target == runtimeDir {
			folder = mount.Source
		}
	}
	if _, err := os.Stat(filepath.Join(folder, archiveName)); !os.IsNotExist(err) {
		t.Errorf("what was printed is still there: %v", err)
	}
	// Whose source has nothing in it can only come from what was compiled.
	source := filepath.Join(folder, "wick_runtime", "api.py")
	if err := os.Remove(source); err != nil { // a link to that of other interpreters
		t.Fatal(err)
	}
	if err := os.WriteFile(source, nil, 0o644); err != nil { //nolint:gosec // as it was
		t.Fatal(err)
	}
	cmd := exec.Command(m.Interpreter.Bin, "-c", "from wick_runtime import api; print(api.RuntimeAPI.__name__, api.RuntimeAPI.next.__code__.co_filename)")
	cmd.Env = []string{"PYTHONPATH=" + folder}
	out, err := cmd.CombinedOutput()
	if got, want := strings.TrimSpace(string(out)), "RuntimeAPI "+source; err != nil || got != want {
		t.Errorf("%v: %q, not %q", err, got, want)
	}
}

func TestOnlyFilesBesideTheBootstrapAreUnpacked(t *testing.T) {
	for name, c := range map[string]struct {
		head tar.Header
		ok   bool
	}{
		"a file":                {tar.Header{Name: "a/b", Typeflag: tar.TypeReg}, true},
		"a file above":          {tar.Header{Name: "../b", Typeflag: tar.TypeReg}, false},
		"a file from elsewhere": {tar.Header{Name: "/tmp/b", Typeflag: tar.TypeReg}, false},
		"a link":                {tar.Header{Name: "b", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}, false},
		"a folder":              {tar.Header{Name: "b/", Typeflag: tar.TypeDir}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var made bytes.Buffer
			w := tar.NewWriter(&made)
			text := "text"
			if c.head.Typeflag == tar.TypeReg {
				c.head.Size = int64(len(text))
			} else {
				text = ""
			}
			if err := w.WriteHeader(&c.head); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "into")
			tarball := filepath.Join(dir, archiveName)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(tarball, made.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := untar(tarball, dir); (err == nil) != c.ok {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "a", "b")); (err == nil) != c.ok || c.ok && string(got) != text {
				t.Errorf("%q, %v", got, err)
			}
			if _, err := os.Lstat(tarball); !os.IsNotExist(err) {
				t.Errorf("the tar is still there: %v", err)
			}
		})
	}
}
