package code

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/wick-run/wick"
)

// Limits of a package. Source: Lambda quotas, deployment package; the words that
// go with them are recorded from the service.
const (
	// MaxZippedBytes bounds a package uploaded in the request itself.
	MaxZippedBytes = 52428800
	// MaxUnzippedBytes bounds a package's files together; it is also the largest zip
	// taken from S3.
	MaxUnzippedBytes = 262144000
	// MaxEntries bounds the files and folders of a package. AWS names no number; this
	// one keeps a hostile zip of empty files from eating the disk's inodes.
	MaxEntries = 200_000
)

// Options configure a Store; the zero value works.
type Options struct {
	Log *slog.Logger
	// S3 returns the client packages given as S3Bucket and S3Key are fetched with;
	// nil when no S3 is configured.
	S3 func() *s3.Client
	// Grace is how long after its last use Collect leaves a package alone, so that
	// one stored a moment before its function is committed isn't taken for garbage.
	// 0 means 15 minutes.
	Grace time.Duration
	// Removed is called when a package, or layers merged, was removed; nil for nobody.
	Removed func(name string)
}

// Store is a content-addressed store of packages in one directory. Its methods may
// be called from several goroutines; one process at a time may have the directory.
type Store struct {
	dir string
	o   Options
	// boot identifies this run of the machine's kernel.
	boot string

	mu sync.Mutex
	// trees has the packages known unpacked, being unpacked, or in use; guarded by mu.
	trees  map[string]*tree
	closed bool
	work   sync.WaitGroup
}

// tree is what the store knows of one package. Guarded by Store.mu.
type tree struct {
	// busy is there while a goroutine unpacks or removes the package, and closed when
	// it is done.
	busy     chan struct{}
	removing bool
	ready    bool  // unpacked, and found whole by this process
	err      error // of the last attempt to unpack
	holders  int
	used     time.Time
}

// ErrClosed is returned by a store that has been closed.
var ErrClosed = errors.New("package store is closed")

// Open opens the store in dir, making it if there is none, and throws away what an
// earlier process left half-written.
func Open(dir string, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Grace == 0 {
		o.Grace = 15 * time.Minute
	}
	s := &Store{dir: dir, o: o, boot: bootID(), trees: map[string]*tree{}}
	if err := os.RemoveAll(s.tmp()); err != nil {
		return nil, fmt.Errorf("clean up package store: %w", err)
	}
	for _, d := range []string{dir, s.tmp(), filepath.Join(dir, "zips"), filepath.Join(dir, "trees")} {
		// Functions run as another user and must reach what is unpacked below.
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("open package store: %w", err)
		}
	}
	return s, nil
}

// Close waits for what is being unpacked and closes the store. It may be called twice.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// Put checks a zip and stores it. It fails with AWS's words, as a *wick.Error: when
// it is no zip or an unsafe one, or too large zipped or unzipped; and with another
// error when the disk does. Storing what is there already is no error. When Put
// returns, the package is on stable storage.
func (s *Store) Put(ctx context.Context, r io.Reader) (wick.Package, error) {
	return s.put(ctx, r, MaxZippedBytes)
}

func (s *Store) put(ctx context.Context, r io.Reader, limit int64) (wick.Package, error) {
	none := wick.Package{}
	if s.isClosed() {
		return none, ErrClosed
	}
	f, err := os.CreateTemp(s.tmp(), "zip-*")
	if err != nil {
		return none, fmt.Errorf("store package: %w", err)
	}
	defer func() {
		f.Close()           // synced before the rename, or thrown away
		os.Remove(f.Name()) // renamed away when all went well
	}()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, hash), &contextReader{ctx, io.LimitReader(r, limit+1)})
	if err != nil {
		return none, fmt.Errorf("store package: %w", err)
	}
	if size > limit {
		return none, wick.Errorf(wick.RequestTooLarge, "Zipped size must be smaller than %d bytes", limit)
	}
	if size == 0 {
		return none, wick.Errorf(wick.InvalidParameter, "Uploaded file must be a non-empty zip")
	}
	if _, err := readPlan(f, size); err != nil {
		return none, err
	}
	p := wick.Package{SHA256: hex.EncodeToString(hash.Sum(nil)), Size: size}
	if err := s.keep(f, p); err != nil {
		return none, fmt.Errorf("store package: %w", err)
	}
	return p, nil
}

// keep moves a written zip to its place, durably.
func (s *Store) keep(f *os.File, p wick.Package) error {
	s.touch(p.SHA256)
	name := s.zip(p.SHA256)
	if have, err := os.Stat(name); err == nil && have.Size() == p.Size && s.intact(p.SHA256) {
		return nil
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(name)), syncDir(filepath.Join(s.dir, "zips")))
}

// intact says whether the stored zip still has the hash it is named after.
func (s *Store) intact(sha string) bool {
	f, err := os.Open(s.zip(sha))
	if err != nil {
		return false
	}
	defer f.Close() // only read
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return false
	}
	return hex.EncodeToString(hash.Sum(nil)) == sha
}

// Open returns the zip of a package. NotFound if it isn't stored; the caller closes it.
func (s *Store) Open(sha string) (*os.File, error) {
	if !validSHA(sha) {
		return nil, wick.Errorf(wick.NotFound, "no such package: %s", sha)
	}
	f, err := os.Open(s.zip(sha))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wick.Errorf(wick.NotFound, "no such package: %s", sha)
	}
	return f, err
}

// Collect removes every package and every folder of merged layers that isn't in inUse
// (keys: SHA-256 in hex, wick.MergedLayers), isn't held, and hasn't been used for the
// store's grace. It returns the bytes of the zips it removed.
func (s *Store) Collect(ctx context.Context, inUse map[string]bool) (freed int64, err error) {
	shards, err := os.ReadDir(filepath.Join(s.dir, "zips"))
	if err != nil {
		return 0, fmt.Errorf("collect packages: %w", err)
	}
	for _, shard := range shards {
		zips, err := os.ReadDir(filepath.Join(s.dir, "zips", shard.Name()))
		if err != nil {
			return freed, fmt.Errorf("collect packages: %w", err)
		}
		for _, z := range zips {
			if err := ctx.Err(); err != nil {
				return freed, err
			}
			sha := strings.TrimSuffix(z.Name(), ".zip")
			if !validSHA(sha) || inUse[sha] {
				continue
			}
			info, err := z.Info()
			if err != nil {
				continue // removed in the meantime
			}
			removed, err := s.remove(sha, s.o.Grace)
			if err != nil {
				return freed, err
			}
			if removed {
				freed += info.Size()
			}
		}
	}
	return freed, s.collectMerged(ctx, inUse)
}

// Remove removes a package and its folder, unless it is held. Removing what isn't
// there is no error.
func (s *Store) Remove(sha string) error {
	if !validSHA(sha) {
		return nil
	}
	_, err := s.remove(sha, 0)
	return err
}

// remove takes a package off the disk unless it is held, being unpacked, or was used
// within grace.
func (s *Store) remove(sha string, grace time.Duration) (bool, error) {
	s.mu.Lock()
	t := s.trees[sha]
	wanted := t != nil && (t.holders > 0 || t.busy != nil || grace > 0 && time.Since(t.used) < grace)
	if s.closed || wanted {
		s.mu.Unlock()
		return false, nil
	}
	// Whoever wants the package now waits until it is gone, and then finds out.
	gone := &tree{busy: make(chan struct{}), removing: true}
	s.trees[sha] = gone
	s.mu.Unlock()

	err := s.removeFiles(sha)

	s.mu.Lock()
	delete(s.trees, sha)
	close(gone.busy)
	s.mu.Unlock()
	if err != nil {
		return false, fmt.Errorf("remove package: %w", err)
	}
	if s.o.Removed != nil {
		s.o.Removed(sha)
	}
	return true, nil
}

// Has says whether there is a package, or a folder of merged layers, of that name.
func (s *Store) Has(name string) bool {
	if !validSHA(name) {
		return false
	}
	_, err := os.Stat(s.zip(name))
	return err == nil || isDir(s.tree(name))
}

func (s *Store) removeFiles(sha string) error {
	if err := os.Remove(s.zip(sha)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.dropTree(sha)
}

// touch notes that a package is in use now. If the package is just being removed it
// waits for that to be over: from then on Collect leaves what is stored alone.
func (s *Store) touch(sha string) {
	for {
		s.mu.Lock()
		t := s.entry(sha)
		if !t.removing {
			t.used = time.Now()
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		<-t.busy
	}
}

// entry returns what is known of a package; s.mu is held.
func (s *Store) entry(sha string) *tree {
	t := s.trees[sha]
	if t == nil {
		t = &tree{}
		s.trees[sha] = t
	}
	return t
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Store) tmp() string            { return filepath.Join(s.dir, "tmp") }
func (s *Store) zip(sha string) string  { return filepath.Join(s.dir, "zips", sha[:2], sha+".zip") }
func (s *Store) tree(sha string) string { return filepath.Join(s.dir, "trees", sha) }

// validSHA says whether sha is a SHA-256 in hex, and so safe in a path.
func validSHA(sha string) bool {
	if len(sha) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(sha) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// bootID names this run of the kernel; "" where the system doesn't say.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
