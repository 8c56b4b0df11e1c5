package runtimes

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Installed is something that wick runtimes install has brought into the data directory:
// an interpreter, or the SDK that AWS's image of a language carries. It is a folder of its
// own in InstalledDir, complete from the moment it is there, and never changes.
type Installed struct {
	Kind Kind `json:"kind"`
	// Key is the same for what replaces one another: the versions of one thing.
	Key      string   `json:"key"`
	Language Language `json:"language"`
	// Version is the interpreter's (22.11.0), or the SDK's own (boto3's 1.40.1).
	Version string `json:"version"`
	// For is the version of the language that an SDK is for, as SDKVersion has it; empty
	// for an interpreter.
	For string `json:"for,omitempty"`
	// Bin is an interpreter's program below the folder of files; empty for an SDK.
	Bin      string    `json:"bin,omitempty"`
	Packages []Package `json:"packages"`         // what it is made of
	Wanted   []string  `json:"wanted,omitempty"` // the packages that were asked for
	At       time.Time `json:"at"`

	Name string `json:"-"` // of the folder
	Dir  string `json:"-"` // its path
}

// Kind says what Installed is.
type Kind string

// What can be installed.
const (
	KindInterpreter Kind = "interpreter"
	KindSDK         Kind = "sdk"
)

// Package is one package of a registry, and the checksum its registry gave and its client
// checked: sha256 or sha512, as "sha256:HEX" or "sha512-BASE64".
type Package struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Checksum string `json:"checksum"`
}

// ManifestFile is the name, in an Installed's folder, of the JSON that describes it.
const ManifestFile = "wick.json"

// GonePrefix begins the name of an Installed's folder that has been removed while instances
// may have been using it.
const GonePrefix = ".gone-"

// Files is the folder with what was installed.
func (i Installed) Files() string { return filepath.Join(i.Dir, "files") }

// InstalledDir is where what was installed is kept, below the folder that Options.Dir is.
func InstalledDir(dir string) string { return filepath.Join(dir, "installed") }

// ReadInstalled returns what is installed below dir (see Options.Dir), newest first. What
// lies there and isn't complete is left out.
func ReadInstalled(dir string) []Installed {
	entries, err := os.ReadDir(InstalledDir(dir))
	if err != nil {
		return nil // nothing has been installed
	}
	var all []Installed
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // being made, or gone
		}
		if i, err := readInstalled(filepath.Join(InstalledDir(dir), e.Name())); err == nil {
			all = append(all, i)
		}
	}
	sort.SliceStable(all, func(a, b int) bool { return all[a].At.After(all[b].At) })
	return all
}

func readInstalled(dir string) (Installed, error) {
	data, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		return Installed{}, err
	}
	var i Installed
	if err := json.Unmarshal(data, &i); err != nil {
		return Installed{}, fmt.Errorf("%s: %w", dir, err)
	}
	i.Name, i.Dir = filepath.Base(dir), dir
	return i, nil
}

// SDKVersion is the version of its language that an interpreter's SDK has to be for: 3.12
// for Python 3.12.1, 22 for Node.js 22.11.0. It is empty where AWS's images carry none.
func (in Interpreter) SDKVersion() string {
	l := in.Language.known()
	v, ok := parseVersion(in.Version)
	switch {
	case !ok || !l.carriesSDK:
		return ""
	case l.byMinor:
		return fmt.Sprintf("%d.%d", v[0], v[1])
	}
	return fmt.Sprint(v[0])
}

// Serves says whether what is installed is for a runtime, of its very version.
func (i Installed) Serves(runtime string) bool {
	want, ok := parseRuntime(runtime)
	if !ok || want.language != i.Language {
		return false
	}
	if i.Kind == KindSDK {
		return i.For == Interpreter{Language: i.Language, Version: fmt.Sprintf("%d.%d.0", want.major, max(want.minor, 0))}.SDKVersion()
	}
	v, ok := parseVersion(i.Version)
	return ok && want.language.known().distance(want, v) == 0
}

// runtimeFolder is what /var/runtime is for an interpreter: its language's bootstrap, with
// its archive once that is made, and beside it the SDK, if that is installed. The two share
// one folder, as on AWS, made of links once for each pair.
func (s *Set) runtimeFolder(in Interpreter, sdk *Installed) (string, error) {
	bootstrap := s.bootstraps[in.Language]
	if archived, ok := s.archiveFolder(in); ok && isDir(archived) {
		bootstrap = archived
	}
	if sdk == nil {
		return bootstrap, nil
	}
	target := bootstrap + sdkMark + sdk.Name
	return target, writeOnce(target, func(at string) error {
		// The bootstrap last: nothing of an SDK's takes the place of what starts it.
		for _, from := range []string{sdk.Files(), bootstrap} {
			if err := linkTree(from, at); err != nil {
				return fmt.Errorf("putting the SDK beside the %s bootstrap: %w", in.Language, err)
			}
		}
		return nil
	})
}

// sdkMark stands between a bootstrap's and an SDK's name in the name of their folder.
const sdkMark = "+"

// linkTree puts the files of one folder into another, as links to the same files or, where
// the file system has none, as copies.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, below)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755) //nolint:gosec // read by an instance's user
		case d.Type()&os.ModeSymlink != 0:
			at, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(at, target)
		}
		if err := os.Link(path, target); err == nil {
			return nil
		} else if os.IsExist(err) {
			if err := os.Remove(target); err != nil {
				return err
			}
			if os.Link(path, target) == nil {
				return nil
			}
		}
		return copyFile(path, target)
	})
}

// copyFile copies with the time of the last change, which says whether compiled Python is
// that of its source.
func copyFile(path, target string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(target, data, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(target, info.ModTime(), info.ModTime())
}

// sweepFolders removes the folders of SDKs that aren't installed any more, and what was
// removed while it was in use. No instance may be running.
func (s *Set) sweepFolders(installed []Installed) error {
	gone, err := filepath.Glob(filepath.Join(InstalledDir(s.dir), GonePrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range gone {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing what isn't installed any more: %w", err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, "runtime"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		_, name, marked := strings.Cut(e.Name(), sdkMark)
		used := !marked
		for _, i := range installed {
			used = used || i.Name == name
		}
		if !used {
			if err := os.RemoveAll(filepath.Join(s.dir, "runtime", e.Name())); err != nil {
				return fmt.Errorf("removing what an SDK left: %w", err)
			}
		}
	}
	return nil
}
