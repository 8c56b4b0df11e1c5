package runtimes

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A pack is a file with what an interpreter's own compiler makes of the modules of a
// package, or of layers: Node's code caches, Python's .pyc files. It is made once for each
// package and interpreter, in a sandbox where nothing of the package is run, and mounted in
// the instances that come after, which otherwise compile the same each. Its folder is named
// after the package's content and the interpreter; a file beside it has its checksum, for
// neither V8 nor Python looks closely at what it is given.

// packing is how a language's packs are made; see language.
type packing struct {
	// folder, in /var/runtime, has an empty folder for each of packTargets: the slots that
	// packs are mounted over.
	folder string
	// command prints a pack of what is below a folder.
	command func(program, root string) []string
	// counts says whether a file is one that the command compiles. Of less than worth bytes
	// of such files no pack is made.
	counts func(name string, size int64) bool
	worth  int64
}

// Tree is a folder with code, as instances have it.
type Tree struct {
	// Name is different for different content: a package's SHA-256, wick.MergedLayers.
	Name   string
	Target string // where instances have it: /var/task or /opt
}

const (
	packName = "pack"
	// packMostBytes bounds what is in a pack beside its index, packFileBytes the file, and
	// packsMostBytes all of them: those unused for longest go.
	packMostBytes  = 64 << 20
	packFileBytes  = packMostBytes * 3 / 2
	packsMostBytes = 512 << 20
	// packMostSeconds of CPU is what compiling may take; what hasn't been compiled then is
	// left to the instances.
	packMostSeconds = 15
	// packRetry is how long a tree whose pack could not be made is left alone.
	packRetry = 10 * time.Minute
	// packTouch is how exactly is known when a pack was used last.
	packTouch = time.Hour
)

// packTargets are the folders whose content packs are made of, and the slots' names.
var packTargets = map[string]string{taskDir: "task", optDir: "opt"}

// packs is what a Set knows of the packs in its folder.
type packs struct {
	mu    sync.Mutex // guards known
	known map[string]*packState
}

// packState is what is known of a pack, by its folder's name. An empty one is a pack that
// isn't worth having.
type packState struct {
	bytes  int64
	failed bool
	at     time.Time // of the failure, or when it was last marked as used
}

// PackSlots returns the folders inside that packs for m are mounted at, as slots of its
// sandboxes; none where there are no packs.
func (s *Set) PackSlots(m Match) []string {
	var slots []string
	for target := range packTargets {
		if slot := s.PackSlot(m, target); slot != "" {
			slots = append(slots, slot)
		}
	}
	slices.Sort(slots)
	return slots
}

// PackSlot returns the slot of the pack of what is at a target; "" where there is none.
func (s *Set) PackSlot(m Match, target string) string {
	l := m.Language.known()
	if l.packs == nil || !s.options.Walls || packTargets[target] == "" {
		return ""
	}
	return runtimeDir + "/" + l.packs.folder + "/" + packTargets[target]
}

// Pack returns the folder with the pack of a tree for what runs m, to be mounted at its
// slot; "" where there is none. missing says that MakePack may make one.
func (s *Set) Pack(m Match, t Tree) (folder string, missing bool) {
	name := s.packFolder(m, t)
	if name == "" {
		return "", false
	}
	s.packs.mu.Lock()
	state := s.packs.known[name]
	s.packs.mu.Unlock()
	if state == nil {
		var err error
		if state, err = s.checkPack(name); err != nil {
			return "", true // what is broken is made anew
		}
		s.notePack(name, state)
	}
	s.packs.mu.Lock()
	defer s.packs.mu.Unlock()
	now := time.Now()
	switch {
	case state.failed:
		return "", now.Sub(state.at) > packRetry
	case state.bytes == 0:
		return "", false
	case now.Sub(state.at) > packTouch:
		state.at = now
		_ = os.Chtimes(s.packSum(name), now, now) // it only goes sooner
	}
	return filepath.Join(s.packsDir(), name), false
}

func (s *Set) notePack(name string, state *packState) {
	s.packs.mu.Lock()
	defer s.packs.mu.Unlock()
	if s.packs.known == nil {
		s.packs.known = map[string]*packState{}
	}
	s.packs.known[name] = state
}

// packFolder is the name of the folder of a tree's pack; "" where there is none to make.
func (s *Set) packFolder(m Match, t Tree) string {
	if s.PackSlot(m, t.Target) == "" {
		return ""
	}
	in := m.Interpreter
	info, err := os.Stat(in.Bin)
	if err != nil {
		return ""
	}
	sum := sha256.New()
	// What makes packs, and what reads them, is part of the bootstrap.
	fmt.Fprintln(sum, t.Target, s.bootstraps[in.Language], in.Bin, in.Version, info.Size(), info.ModTime().UnixNano()) //nolint:errcheck // a hash never fails
	return t.Name + "-" + hex.EncodeToString(sum.Sum(nil))[:16]
}

func (s *Set) packsDir() string             { return filepath.Join(s.dir, "packs") }
func (s *Set) packSum(folder string) string { return filepath.Join(s.packsDir(), folder+".sum") }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkPack reads a pack that this process has neither made nor read before, and fails
// unless it is all there.
func (s *Set) checkPack(folder string) (*packState, error) {
	text, err := os.ReadFile(s.packSum(folder))
	if err != nil {
		return nil, err
	}
	var want uint32
	var bytes int64
	if _, err := fmt.Sscanf(string(text), "%x %d\n", &want, &bytes); err != nil {
		return nil, err
	}
	state := &packState{bytes: bytes}
	if bytes == 0 {
		return state, nil
	}
	f, err := os.Open(filepath.Join(s.packsDir(), folder, packName))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	sum := crc32.New(castagnoli)
	n, err := io.Copy(sum, io.LimitReader(f, packFileBytes+1))
	if err == nil && (n != bytes || sum.Sum32() != want) {
		err = errors.New("a pack isn't what it was")
	}
	return state, err
}

// MakePack makes the pack of a tree, which is at dir, unless it is there. run starts a
// command as an instance of m has its programs, in a sandbox with m's mounts and the tree
// at its target, writes what it prints to out, and returns when it has ended, with an error
// unless it ended well.
func (s *Set) MakePack(m Match, t Tree, dir string, run func(c Command, out *os.File) error) error {
	name := s.packFolder(m, t)
	if _, missing := s.Pack(m, t); !missing {
		return nil
	}
	state, err := s.makePack(name, m, t, dir, run)
	if err != nil {
		state = &packState{failed: true, at: time.Now()}
		err = fmt.Errorf("compiling the modules of %s ahead: %w", t.Name, err)
	}
	s.notePack(name, state)
	return errors.Join(err, s.evictPacks(name))
}

func (s *Set) makePack(name string, m Match, t Tree, dir string, run func(c Command, out *os.File) error) (*packState, error) {
	if err := os.MkdirAll(s.packsDir(), 0o755); err != nil { //nolint:gosec // read by an instance's user
		return nil, err
	}
	if err := s.removePack(name); err != nil { // a broken one
		return nil, err
	}
	l := m.Language.known()
	worth, err := l.packs.isWorth(dir)
	if err != nil {
		return nil, err
	}
	var bytes int64
	sum := crc32.New(castagnoli)
	if worth {
		command := Command{Args: l.packs.command(l.program(m.Interpreter), t.Target), Dir: "/"}
		command.Path = command.Args[0]
		for name, value := range base(m) {
			command.Env = append(command.Env, name+"="+value)
		}
		err = writeOnce(filepath.Join(s.packsDir(), name), func(at string) error {
			f, err := os.OpenFile(filepath.Join(at, packName), os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // read by an instance's user
			if err != nil {
				return err
			}
			bytes, err = capture(io.MultiWriter(f, sum), packFileBytes, func(out *os.File) error { return run(command, out) })
			return errors.Join(err, f.Close())
		})
		if err != nil {
			return nil, err
		}
	}
	// Without its sum a pack counts for nothing, so that comes last.
	at := filepath.Join(s.packsDir(), ".new-sum")
	if err := os.WriteFile(at, fmt.Appendf(nil, "%08x %d\n", sum.Sum32(), bytes), 0o644); err != nil { //nolint:gosec // nothing secret
		return nil, err
	}
	return &packState{bytes: bytes, at: time.Now()}, os.Rename(at, s.packSum(name))
}

// capture copies what a program prints to w, and fails if that is more than most bytes.
func capture(w io.Writer, most int64, run func(out *os.File) error) (n int64, err error) {
	r, out, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	copied := make(chan error, 1)
	go func() {
		var err error
		n, err = io.Copy(w, io.LimitReader(r, most+1))
		if err == nil && n > most {
			err = errors.New("it printed too much")
		}
		copied <- errors.Join(err, r.Close()) // from here on its writes fail
	}()
	err = run(out)
	return n, errors.Join(err, out.Close(), <-copied)
}

var errEnough = errors.New("enough")

// isWorth says whether a folder has so much to compile that a pack saves time.
func (p *packing) isWorth(dir string) (bool, error) {
	var total int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil && p.counts(path, info.Size()) {
			if total += info.Size(); total >= p.worth {
				return errEnough
			}
		}
		return err
	})
	if errors.Is(err, errEnough) {
		return true, nil
	}
	return false, err
}

// DropPacks removes the packs of trees of that name. Instances that have one mounted find
// it empty, and compile their modules.
func (s *Set) DropPacks(tree string) error {
	return s.sweepPacks(func(folder string) bool { return !strings.HasPrefix(folder, tree+"-") })
}

// SweepPacks removes the packs of trees that aren't there any more, and what a process
// that was killed has left. No instance may be running.
func (s *Set) SweepPacks(isThere func(tree string) bool) error {
	return s.sweepPacks(func(folder string) bool {
		tree, _, _ := strings.Cut(folder, "-")
		return !strings.HasPrefix(folder, ".") && isThere(tree)
	})
}

func (s *Set) sweepPacks(keep func(folder string) bool) error {
	entries, err := os.ReadDir(s.packsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		if folder := strings.TrimSuffix(e.Name(), ".sum"); !keep(folder) {
			errs = append(errs, s.removePack(folder))
		}
	}
	return errors.Join(errs...)
}

// evictPacks removes packs until the rest is small enough, but not the one just made.
func (s *Set) evictPacks(made string) error {
	entries, err := os.ReadDir(s.packsDir())
	if err != nil {
		return err
	}
	type pack struct {
		folder string
		used   time.Time
		bytes  int64
	}
	var all []pack
	var total int64
	for _, e := range entries {
		folder, isSum := strings.CutSuffix(e.Name(), ".sum")
		info, err := e.Info()
		if !isSum || err != nil {
			continue
		}
		p := pack{folder: folder, used: info.ModTime()}
		if info, err := os.Stat(filepath.Join(s.packsDir(), folder, packName)); err == nil {
			p.bytes = info.Size()
		}
		total += p.bytes
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b pack) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.folder, b.folder)) })
	var errs []error
	for _, p := range all {
		if total <= s.packsLimit() {
			break
		}
		if p.bytes > 0 && p.folder != made {
			errs = append(errs, s.removePack(p.folder))
			total -= p.bytes
		}
	}
	return errors.Join(errs...)
}

func (s *Set) packsLimit() int64 { return cmp.Or(s.options.PacksBytes, packsMostBytes) }

// removePack removes a pack, or what there is of one: first what makes it count.
func (s *Set) removePack(folder string) error {
	s.packs.mu.Lock()
	delete(s.packs.known, folder)
	s.packs.mu.Unlock()
	if err := os.Remove(s.packSum(folder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(filepath.Join(s.packsDir(), folder))
}
