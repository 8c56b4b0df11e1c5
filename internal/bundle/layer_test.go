package bundle

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestALayerIsItsFolder(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"python/shared.py": 0o644, "bin/tool": 0o755, "python/__pycache__/shared.pyc": 0o644} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), mode); err != nil { //nolint:gosec // a test's
			t.Fatal(err)
		}
	}
	l, err := MakeLayer(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := MakeLayer(dir)
	if err != nil || again.CodeSHA256 != l.CodeSHA256 {
		t.Errorf("the same folder gives %s and %s, %v", l.CodeSHA256, again.CodeSHA256, err)
	}
	z, err := zip.NewReader(bytes.NewReader(l.Zip), int64(len(l.Zip)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range z.File {
		got = append(got, f.Name+" "+f.Mode().String())
	}
	if want := "bin/tool -rwxr-xr-x, python/shared.py -rw-r--r--"; strings.Join(got, ", ") != want {
		t.Errorf("it holds %v, want %s", got, want)
	}
	file := filepath.Join(dir, "own.zip")
	if err := os.WriteFile(file, l.Zip, 0o600); err != nil {
		t.Fatal(err)
	}
	if same, err := MakeLayer(file); err != nil || !bytes.Equal(same.Zip, l.Zip) || same.CodeSHA256 != l.CodeSHA256 {
		t.Errorf("a zip doesn't go up as it is (%v)", err)
	}
}

func TestWhatIsNoLayer(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.zip")
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		text: text + " is neither a folder nor a zip file", empty: empty + " holds no files for a layer", dir + "/missing": "no such file",
	} {
		if _, err := MakeLayer(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
