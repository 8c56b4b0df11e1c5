package runtimes

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"
)

// Options says where to look and where to keep files.
type Options struct {
	// Dir is a folder for bootstraps and the memory of versions; it is made if missing.
	// Instances see parts of it, read-only.
	Dir string
	// Getenv and Home replace os.Getenv and the user's home folder; for tests.
	Getenv func(string) string
	Home   string
	// Root is put in front of system paths (/usr/bin, …); for tests.
	Root string
}

// Set is the interpreters of this machine, and the bootstraps for them. It doesn't
// change; its methods can be called from several goroutines.
type Set struct {
	dir          string
	interpreters []Interpreter
	bootstraps   map[Language]string
}

// versionTimeout bounds asking one program for its version.
const versionTimeout = 5 * time.Second

// Discover finds the interpreters of this machine, on PATH and where the usual version
// managers keep theirs, and writes the bootstraps. Versions are read from folder names
// where a manager made them; other programs are asked once, and the answer remembered
// until the file changes.
func Discover(ctx context.Context, o Options) (*Set, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir() // without a home there are no version managers in it
	}
	s := &Set{dir: o.Dir, bootstraps: map[Language]string{}}
	for _, l := range []Language{Node, Python} {
		dir, err := materialise(o.Dir, l)
		if err != nil {
			return nil, fmt.Errorf("write %s bootstrap: %w", l, err)
		}
		s.bootstraps[l] = dir
	}
	s.interpreters = identify(ctx, candidates(o), filepath.Join(o.Dir, "interpreters.json"))
	return s, nil
}

// List returns the interpreters, by language and version, newest first.
func (s *Set) List() []Interpreter { return append([]Interpreter(nil), s.interpreters...) }

// candidate is a program that may be an interpreter.
type candidate struct {
	language Language
	bin      string // links resolved
	version  string // when its place tells
	source   string
}

// place is where a manager keeps one interpreter a folder: dir/VERSION/bin.
type place struct {
	language Language
	source   string
	dir      string
	bin      string // below a version's folder
}

func places(o Options) []place {
	env := func(name string, fallback ...string) string {
		if v := o.Getenv(name); v != "" {
			return v
		}
		return filepath.Join(append([]string{o.Home}, fallback...)...)
	}
	data := env("XDG_DATA_HOME", ".local", "share")
	asdf := filepath.Join(env("ASDF_DATA_DIR", ".asdf"), "installs")
	mise := filepath.Join(env("MISE_DATA_DIR", ".local", "share", "mise"), "installs")
	prefix := o.Getenv("N_PREFIX")
	if prefix == "" {
		prefix = filepath.Join(o.Root, "/usr/local")
	}
	python, node := "bin/python3", "bin/node"
	return []place{
		{Python, "pyenv", filepath.Join(env("PYENV_ROOT", ".pyenv"), "versions"), python},
		{Python, "asdf", filepath.Join(asdf, "python"), python},
		{Python, "mise", filepath.Join(mise, "python"), python},
		{Python, "uv", env("UV_PYTHON_INSTALL_DIR", ".local", "share", "uv", "python"), python},
		{Node, "nvm", filepath.Join(env("NVM_DIR", ".nvm"), "versions", "node"), node},
		{Node, "fnm", filepath.Join(env("FNM_DIR", ".local", "share", "fnm"), "node-versions"), "installation/" + node},
		{Node, "fnm", filepath.Join(data, "fnm", "node-versions"), "installation/" + node},
		{Node, "volta", filepath.Join(env("VOLTA_HOME", ".volta"), "tools", "image", "node"), node},
		{Node, "asdf", filepath.Join(asdf, "nodejs"), node},
		{Node, "mise", filepath.Join(mise, "node"), node},
		{Node, "nodenv", filepath.Join(env("NODENV_ROOT", ".nodenv"), "versions"), node},
		{Node, "n", filepath.Join(prefix, "n", "versions", "node"), node},
	}
}

var (
	folderVersion = regexp.MustCompile(`^(?:v|cpython-)?(\d+\.\d+\.\d+)(?:-|$)`)
	programName   = regexp.MustCompile(`^(?:python3(?:\.\d+)?|node|nodejs)$`)
)

// candidates lists programs, each once.
func candidates(o Options) []candidate {
	var all []candidate
	seen := map[string]bool{}
	add := func(c candidate, path string) {
		bin, err := filepath.EvalSymlinks(path)
		if err != nil || seen[bin] || !runnable(bin) {
			return
		}
		seen[bin] = true
		c.bin = bin
		all = append(all, c)
	}
	for _, p := range places(o) {
		entries, err := os.ReadDir(p.dir)
		if err != nil {
			continue // that manager isn't here
		}
		for _, e := range entries {
			folder := filepath.Join(p.dir, e.Name())
			parts := folderVersion.FindStringSubmatch(e.Name())
			// A link (3.12 → 3.12.1) is the folder it points to; an environment made
			// from an interpreter isn't one.
			if parts == nil || e.Type()&os.ModeSymlink != 0 || exists(filepath.Join(folder, "pyvenv.cfg")) {
				continue
			}
			add(candidate{language: p.language, version: parts[1], source: p.source}, filepath.Join(folder, p.bin))
		}
	}
	dirs := filepath.SplitList(o.Getenv("PATH"))
	onPath := len(dirs)
	for _, d := range []string{"/usr/local/bin", "/usr/bin", "/bin"} {
		dirs = append(dirs, filepath.Join(o.Root, d))
	}
	for i, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // PATH often names folders that aren't there
		}
		source := "PATH"
		if i >= onPath {
			source = dir
		}
		for _, e := range entries {
			if !programName.MatchString(e.Name()) {
				continue
			}
			language := Python
			if strings.HasPrefix(e.Name(), "node") {
				language = Node
			}
			add(candidate{language: language, source: source}, filepath.Join(dir, e.Name()))
		}
	}
	return all
}

// runnable says whether a file is a program that also runs where only the system's
// folders are: no script (a version manager's shim), no loader of another world (Nix,
// Homebrew).
func runnable(bin string) bool {
	info, err := os.Stat(bin)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return false
	}
	file, err := os.Open(bin)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // only read
	head := make([]byte, 2)
	if _, err := file.ReadAt(head, 0); err != nil || string(head) == "#!" {
		return false
	}
	if runtime.GOOS != "linux" {
		return true
	}
	program, err := elf.NewFile(file)
	if err != nil {
		return false
	}
	loader := loaderOf(program)
	return loader == "" || strings.HasPrefix(loader, "/lib") || strings.HasPrefix(loader, "/usr/")
}

// remembered is what the memory of versions holds of one program.
type remembered struct {
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Version  string    `json:"version"`
}

// identify turns candidates into interpreters. A program that doesn't tell its version
// isn't one.
func identify(ctx context.Context, all []candidate, memoryFile string) []Interpreter {
	memory := map[string]remembered{}
	if data, err := os.ReadFile(memoryFile); err == nil {
		if json.Unmarshal(data, &memory) != nil {
			memory = map[string]remembered{} // damaged: ask again
		}
	}
	current := map[string]remembered{}
	var asked sync.WaitGroup
	var mu sync.Mutex // guards all[i].version and current
	learnt := false
	for i := range all {
		c := &all[i]
		info, err := os.Stat(c.bin)
		if c.version != "" || err != nil {
			continue
		}
		if m, ok := memory[c.bin]; ok && m.Size == info.Size() && m.Modified.Equal(info.ModTime()) {
			mu.Lock()
			c.version, current[c.bin] = m.Version, m
			mu.Unlock()
			continue
		}
		learnt = true
		asked.Add(1)
		go func() {
			defer asked.Done()
			version := askVersion(ctx, c.bin)
			mu.Lock()
			defer mu.Unlock()
			c.version = version
			current[c.bin] = remembered{info.Size(), info.ModTime(), version}
		}()
	}
	asked.Wait()
	if learnt && ctx.Err() == nil {
		remember(memoryFile, current)
	}
	var found []Interpreter
	for _, c := range all {
		v, ok := parseVersion(c.version)
		if !ok || v.less(oldest[c.language]) || c.language == Python && v[0] != 3 {
			continue // too old for the bootstraps, or another language by now
		}
		in := Interpreter{Language: c.language, Version: c.version, Bin: c.bin, Source: c.source}
		if !strings.HasPrefix(c.bin, "/usr/") {
			in.Root = filepath.Dir(filepath.Dir(c.bin))
		}
		found = append(found, in)
	}
	sort.SliceStable(found, func(i, j int) bool {
		if found[i].Language != found[j].Language {
			return found[i].Language < found[j].Language
		}
		a, _ := parseVersion(found[i].Version)
		b, _ := parseVersion(found[j].Version)
		return b.less(a)
	})
	return found
}

var printedVersion = regexp.MustCompile(`^(?:Python |v)(\d+\.\d+\.\d+)`)

func askVersion(ctx context.Context, bin string) string {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "--version")
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.Output()
	parts := printedVersion.FindSubmatch(bytes.TrimSpace(out))
	if err != nil || parts == nil {
		return ""
	}
	return string(parts[1])
}

// remember keeps what programs said. Failing to is no failure: they are asked again.
func remember(file string, memory map[string]remembered) {
	data, err := json.Marshal(memory)
	if err != nil {
		return
	}
	temp := file + ".new"
	if os.WriteFile(temp, data, 0o600) == nil && os.Rename(temp, file) != nil {
		_ = os.Remove(temp) // it is overwritten next time
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
