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
	"slices"
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
	// Walls says that instances have them: programs and bootstraps are where AWS has them,
	// the same for every instance.
	Walls bool
	// PacksBytes bounds the files with what is compiled ahead; 0 is 512 MiB.
	PacksBytes int64
	// Installed is where what wick runtimes install and add have brought is looked for,
	// in the place of Dir: another server's Dir.
	Installed string
}

// Set is the interpreters of this machine, the bootstraps for them and the SDKs to go
// with them. It changes with Refresh only; its methods can be called from several
// goroutines.
type Set struct {
	dir        string
	options    Options
	bootstraps map[Language]string

	mu           sync.RWMutex // guards what Refresh finds
	interpreters []Interpreter
	added        map[string]Interpreter // by runtime: what wick runtimes add has named
	sdks         map[string]*Installed  // by sdkKey

	packs packs
}

// versionTimeout bounds asking one program for its version.
const versionTimeout = 5 * time.Second

// Discover finds the interpreters of this machine, those that wick runtimes install or add
// has brought, on PATH and where the usual version managers keep theirs, and writes the
// bootstraps. Versions are read from folder names where a manager made them; other
// programs are asked once, and the answer remembered until the file changes.
//
// No instance may be running out of o.Dir: what an SDK that is gone left there is removed.
func Discover(ctx context.Context, o Options) (*Set, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir() // without a home there are no version managers in it
	}
	if o.Installed == "" {
		o.Installed = o.Dir
	}
	s := &Set{dir: o.Dir, options: o, bootstraps: map[Language]string{}}
	for _, l := range languages {
		if l.command == nil {
			continue
		}
		dir, err := materialise(o.Dir, l.name)
		if err != nil {
			return nil, fmt.Errorf("write %s bootstrap: %w", l.name, err)
		}
		s.bootstraps[l.name] = dir
	}
	if err := s.Refresh(ctx); err != nil {
		return nil, err
	}
	return s, s.sweepFolders(ReadInstalled(o.Installed))
}

// Refresh looks again for interpreters and for what has been installed and added. Matches
// made before stay as they are: whoever holds one compares its StemKey with a new one's.
func (s *Set) Refresh(ctx context.Context) error {
	o := s.options
	installed := ReadInstalled(o.Installed)
	paths, err := Added(o.Installed)
	if err != nil {
		return err
	}
	all := slices.Concat(installedCandidates(installed), candidates(o), addedCandidates(paths))
	found := identify(ctx, all, filepath.Join(o.Dir, "interpreters.json"))
	if err := ctx.Err(); err != nil {
		return err // not all have been asked
	}
	// Those that were added run only what they were added for.
	added := addedFor(paths, found)
	found = slices.DeleteFunc(found, func(in Interpreter) bool { return in.Source == sourceAdded })
	sdks := map[string]*Installed{}
	for n, i := range installed {
		if key := sdkKey(i.Language, i.For); i.Kind == KindSDK && sdks[key] == nil {
			sdks[key] = &installed[n] // the newest comes first
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interpreters, s.added, s.sdks = found, added, sdks
	return nil
}

func sdkKey(l Language, version string) string { return string(l) + " " + version }

// List returns the interpreters, by language and version, newest first.
func (s *Set) List() []Interpreter {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]Interpreter(nil), s.interpreters...)
}

// installedCandidates are the interpreters among what is installed.
func installedCandidates(installed []Installed) []candidate {
	var all []candidate
	for _, i := range installed {
		bin := filepath.Join(i.Files(), filepath.FromSlash(i.Bin))
		if i.Kind == KindInterpreter && runnable(bin) {
			all = append(all, candidate{language: i.Language, bin: bin, version: i.Version, source: "wick"})
		}
	}
	return all
}

// candidate is a program that may be an interpreter.
type candidate struct {
	language Language
	bin      string // links resolved
	version  string // when its place tells
	source   string
}

// place is where a manager keeps one interpreter a folder, dir/VERSION/bin; without dir it
// is one program.
type place struct {
	source string
	dir    string
	bin    string // below a version's folder
}

// folders are where version managers may keep what they install.
type folders struct {
	// env returns what a variable names, or a folder below home.
	env                 func(name string, fallback ...string) string
	home, root          string // root is in front of system paths
	data, asdf, mise, n string
}

func foldersOf(o Options) folders {
	env := func(name string, fallback ...string) string {
		if v := o.Getenv(name); v != "" {
			return v
		}
		return filepath.Join(append([]string{o.Home}, fallback...)...)
	}
	f := folders{
		env: env, home: o.Home, root: o.Root,
		data: env("XDG_DATA_HOME", ".local", "share"),
		asdf: filepath.Join(env("ASDF_DATA_DIR", ".asdf"), "installs"),
		mise: filepath.Join(env("MISE_DATA_DIR", ".local", "share", "mise"), "installs"),
		n:    o.Getenv("N_PREFIX"),
	}
	if f.n == "" {
		f.n = filepath.Join(o.Root, "/usr/local")
	}
	return f
}

var folderVersion = regexp.MustCompile(`^(?:v|node-v|cpython-|ruby-)?(\d+\.\d+\.\d+)(?:-|$)`)

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
		l := c.language.known()
		if l.versionOf != nil {
			c.version = l.versionOf(bin)
		}
		if l.versionsOf == nil {
			all = append(all, c)
			return
		}
		for _, c.version = range l.versionsOf(bin) {
			all = append(all, c)
		}
	}
	at := foldersOf(o)
	for _, l := range languages {
		if l.places == nil {
			continue
		}
		if home := o.Getenv(l.homeVariable); l.homeVariable != "" && home != "" {
			add(candidate{language: l.name, source: l.homeVariable}, filepath.Join(home, "bin", string(l.name)))
		}
		for _, p := range l.places(at) {
			if p.dir == "" {
				add(candidate{language: l.name, source: p.source}, p.bin)
				continue
			}
			entries, err := os.ReadDir(p.dir)
			if err != nil {
				continue // that manager isn't here
			}
			for _, e := range entries {
				folder := filepath.Join(p.dir, e.Name())
				// A link (3.12 → 3.12.1) is the folder it points to; an environment made
				// from an interpreter isn't one.
				if e.Type()&os.ModeSymlink != 0 || exists(filepath.Join(folder, "pyvenv.cfg")) {
					continue
				}
				c := candidate{language: l.name, source: p.source}
				if parts := folderVersion.FindStringSubmatch(e.Name()); parts != nil {
					c.version = parts[1]
				} else if l.versionOf == nil && l.versionsOf == nil {
					continue
				}
				add(c, filepath.Join(folder, p.bin))
			}
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
			for _, l := range languages {
				if l.programs != nil && l.programs.MatchString(e.Name()) {
					add(candidate{language: l.name, source: source}, filepath.Join(dir, e.Name()))
				}
			}
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
		if c.version != "" || err != nil || c.language.known().printed == nil {
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
			version := askVersion(ctx, c)
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
		if in, ok := c.interpreter(); ok {
			found = append(found, in)
		}
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

// interpreter returns the candidate as what it is; ok is false for one too old for the
// bootstraps, or of another language by now.
func (c candidate) interpreter() (in Interpreter, ok bool) {
	v, ok := parseVersion(c.version)
	l := c.language.known()
	if !ok || !l.runs(v) {
		return Interpreter{}, false
	}
	in = Interpreter{Language: c.language, Version: c.version, Bin: c.bin, Source: c.source}
	if l.root != nil {
		in.Root = l.root(c.bin)
	} else if !strings.HasPrefix(c.bin, "/usr/") {
		in.Root = filepath.Dir(filepath.Dir(c.bin))
	}
	return in, true
}

func askVersion(ctx context.Context, c *candidate) string {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.bin, "--version")
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.Output()
	parts := c.language.known().printed.FindSubmatch(bytes.TrimSpace(out))
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
