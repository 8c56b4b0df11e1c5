package bundle

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is one entry of a package: its content is data, or what is at path.
type file struct {
	name       string // in the package, with slashes
	executable bool
	path       string
	data       []byte
}

// leftOut are names that never belong to a function: version control, and what tools
// make for this machine alone.
var leftOut = map[string]bool{
	".git": true, ".hg": true, ".svn": true, ".DS_Store": true,
	"__pycache__": true, ".venv": true, ".pytest_cache": true, ".mypy_cache": true,
}

// collect lists the files below dir. Symbolic links are followed: a package manager
// links into folders that would not be in the package.
func collect(dir string) ([]file, error) {
	var files []file
	var walk func(dir, prefix string, above []string) error
	walk = func(dir, prefix string, above []string) error {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return err
		}
		if slices.Contains(above, real) {
			return fmt.Errorf("%s links to a folder that it is in", dir)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if leftOut[e.Name()] {
				continue
			}
			at, name := filepath.Join(dir, e.Name()), path.Join(prefix, e.Name())
			info, err := os.Stat(at)
			switch {
			case err != nil && e.Type()&os.ModeSymlink != 0:
				return fmt.Errorf("%s is a link to nothing: remove it or mend it", at)
			case err != nil:
				return err
			case info.IsDir():
				if err := walk(at, name, append(above[:len(above):len(above)], real)); err != nil {
					return err
				}
			case info.Mode().IsRegular():
				files = append(files, file{name: name, executable: info.Mode()&0o111 != 0, path: at})
			}
		}
		return nil
	}
	return files, walk(dir, "", nil)
}

// epoch is the time every entry carries: the first that a zip can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// archive zips files. Order, times and modes depend on nothing but names and
// executable bits, so equal folders give equal packages.
func archive(files []file) (zipped []byte, unpacked int64, err error) {
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range files {
		n, err := add(w, f)
		if err != nil {
			return nil, 0, err
		}
		unpacked += n
	}
	if err := w.Close(); err != nil {
		return nil, 0, err
	}
	return buf.Bytes(), unpacked, nil
}

func add(w *zip.Writer, f file) (int64, error) {
	h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: epoch}
	if strings.HasSuffix(f.name, ".zip") || strings.HasSuffix(f.name, ".jar") {
		h.Method = zip.Store // compressed already
	}
	if f.executable || f.name == "bootstrap" {
		h.SetMode(0o755)
	} else {
		h.SetMode(0o644)
	}
	entry, err := w.CreateHeader(h)
	if err != nil {
		return 0, err
	}
	if f.data != nil {
		n, err := entry.Write(f.data)
		return int64(n), err
	}
	in, err := os.Open(f.path)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	return io.Copy(entry, in)
}
