package code

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// file is an entry of a zip to be.
type file struct {
	name, body string
	mode       fs.FileMode // 0: no Unix mode at all
	raw        func(*zip.FileHeader)
}

var someTime = time.Date(2024, 3, 4, 5, 6, 8, 0, time.UTC)

func makeZip(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: someTime}
		if f.mode != 0 {
			h.SetMode(f.mode)
		}
		if f.raw != nil {
			f.raw(h)
		}
		if h.UncompressedSize64 != 0 {
			lie(t, w, h, f.body)
			continue
		}
		out, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.name, "/") {
			continue
		}
		if _, err := io.WriteString(out, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lie adds a file under a header that may say something else.
func lie(t testing.TB, w *zip.Writer, h *zip.FileHeader, body string) {
	t.Helper()
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(z, body); err != nil {
		t.Fatal(err)
	}
	mustDo(t, z.Close())
	h.CRC32, h.CompressedSize64 = crc32.ChecksumIEEE([]byte(body)), uint64(b.Len())
	out, err := w.CreateRaw(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Grace: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustDo(t, s.Close()) })
	return s
}

func put(t testing.TB, s *Store, files ...file) wick.Package {
	t.Helper()
	p, err := s.Put(context.Background(), bytes.NewReader(makeZip(t, files...)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func dir(t testing.TB, s *Store, sha string) string {
	t.Helper()
	d, err := s.Dir(context.Background(), sha)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAPackageIsStoredUnderItsHashAndUnpackedAsItWas(t *testing.T) {
	s := openStore(t, t.TempDir())
	z := makeZip(t,
		file{name: "app.py", body: "print(1)", mode: 0o600},
		file{name: "bin/tool", body: "#!/bin/sh\n", mode: 0o700},
		file{name: "dos.txt", body: "from Windows"},
		file{name: "empty/", mode: fs.ModeDir | 0o700},
		file{name: "lib/deep/er/x.so", body: "elf", mode: 0o777},
		file{name: "lib/link", body: "deep/er/x.so", mode: fs.ModeSymlink | 0o777},
		file{name: "cache", body: "/tmp/cache", mode: fs.ModeSymlink | 0o777},
	)
	p, err := s.Put(context.Background(), bytes.NewReader(z))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(z); p.SHA256 != hex.EncodeToString(sum[:]) || p.Size != int64(len(z)) {
		t.Errorf("stored as %+v", p)
	}
	d := dir(t, s, p.SHA256)
	for name, want := range map[string]fs.FileMode{
		"app.py": 0o644, "bin": fs.ModeDir | 0o755, "bin/tool": 0o755, "dos.txt": 0o644, "empty": fs.ModeDir | 0o755,
		"lib/deep/er/x.so": 0o755, "lib/link": fs.ModeSymlink | 0o777, ".": fs.ModeDir | 0o755,
	} {
		info, err := os.Lstat(filepath.Join(d, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
		if named := name != "bin" && name != "." && name != "lib/link"; named && !info.ModTime().Equal(someTime) {
			t.Errorf("%s is of %v, want %v", name, info.ModTime(), someTime)
		}
	}
	if got := read(t, filepath.Join(d, "lib/link")); got != "elf" {
		t.Errorf("through the link: %q", got)
	}
	f, err := s.Open(p.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, z) {
		t.Errorf("the zip came back different (%v)", err)
	}
}

func TestUnsafeAndBrokenZipsAreRefusedInAWSsWords(t *testing.T) {
	const unzip = "Could not unzip uploaded file. Please check your file, then try to upload again."
	const big = "Unzipped size must be smaller than 262144000 bytes"
	link := fs.ModeSymlink | 0o777
	for name, c := range map[string]struct {
		zip  []byte
		want string
	}{
		"no zip":             {[]byte("not a zip at all, really"), unzip},
		"nothing":            {nil, "Uploaded file must be a non-empty zip"},
		"zip without files":  {makeZip(t), "Uploaded file must be a non-empty zip"},
		"cut off":            {makeZip(t, file{name: "a", body: "b"})[:40], unzip},
		"parent":             {makeZip(t, file{name: "../evil", body: "x"}), unzip},
		"parent inside":      {makeZip(t, file{name: "a/../../evil", body: "x"}), unzip},
		"absolute":           {makeZip(t, file{name: "/etc/evil", body: "x"}), unzip},
		"NUL":                {makeZip(t, file{name: "a\x00b", body: "x"}), unzip},
		"device":             {makeZip(t, file{name: "dev", mode: fs.ModeDevice | 0o666}), unzip},
		"fifo":               {makeZip(t, file{name: "pipe", mode: fs.ModeNamedPipe | 0o666}), unzip},
		"socket":             {makeZip(t, file{name: "sock", mode: fs.ModeSocket | 0o666}), unzip},
		"link out":           {makeZip(t, file{name: "d/l", body: "../../etc/passwd", mode: link}), unzip},
		"absolute link":      {makeZip(t, file{name: "l", body: "/etc/passwd", mode: link}), unzip},
		"link by detour":     {makeZip(t, file{name: "l", body: "/tmp/../etc/passwd", mode: link}), unzip},
		"through a link":     {makeZip(t, file{name: "l", body: "/tmp", mode: link}, file{name: "l/evil", body: "x"}), unzip},
		"link, then folder":  {makeZip(t, file{name: "l", body: "/tmp", mode: link}, file{name: "l/", mode: fs.ModeDir}), unzip},
		"file and folder":    {makeZip(t, file{name: "a", body: "x"}, file{name: "a/b", body: "x"}), unzip},
		"encrypted":          {makeZip(t, file{name: "a", body: "x", raw: func(h *zip.FileHeader) { h.Flags |= 1 }}), unzip},
		"long name":          {makeZip(t, file{name: strings.Repeat("a", 256), body: "x"}), unzip},
		"endless link":       {makeZip(t, file{name: "l", body: strings.Repeat("a/", 3000), mode: link}), unzip},
		"corrupt data":       {corrupt(makeZip(t, file{name: "a", body: strings.Repeat("hello ", 100)})), unzip},
		"bomb":               {makeZip(t, declared("a", MaxUnzippedBytes)), big},
		"bomb in two pieces": {makeZip(t, declared("a", MaxUnzippedBytes/2), declared("b", MaxUnzippedBytes/2)), big},
		"bomb in disguise":   {makeZip(t, declared("a", 10)), unzip},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := openStore(t, filepath.Join(root, "store"))
			p, err := s.Put(context.Background(), bytes.NewReader(c.zip))
			if err == nil {
				_, err = s.Dir(context.Background(), p.SHA256)
			}
			var e *wick.Error
			if !errors.As(err, &e) || e.Kind != wick.InvalidParameter || e.Message != c.want {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if left, err := filepath.Glob(filepath.Join(root, "store", "tmp", "*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
			if entries, err := os.ReadDir(root); err != nil || len(entries) != 1 {
				t.Errorf("beside the store: %v %v", entries, err)
			}
		})
	}
}

// declared is a file that says to be of a size; it is 100 bytes.
func declared(name string, size uint64) file {
	return file{name: name, body: strings.Repeat("x", 100), raw: func(h *zip.FileHeader) { h.UncompressedSize64 = size }}
}

// corrupt flips a bit of a zip's compressed data.
func corrupt(z []byte) []byte {
	z = bytes.Clone(z)
	z[40] ^= 0x10
	return z
}

func TestTheZippedLimitIsForUploads(t *testing.T) {
	s := openStore(t, t.TempDir())
	_, err := s.Put(context.Background(), io.LimitReader(zeros{}, MaxZippedBytes+1))
	var e *wick.Error
	if !errors.As(err, &e) || e.Kind != wick.RequestTooLarge || e.Message != "Zipped size must be smaller than 52428800 bytes" {
		t.Errorf("got %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestOfTwoEntriesWithOneNameTheLaterCounts(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := put(t, s, file{name: "a", body: "first"}, file{name: "./a", body: "second"})
	if got := read(t, filepath.Join(dir(t, s, p.SHA256), "a")); got != "second" {
		t.Errorf("got %q", got)
	}
}

func TestAnUnknownPackageIsNotFound(t *testing.T) {
	s := openStore(t, t.TempDir())
	for _, sha := range []string{strings.Repeat("0", 64), "../../etc/passwd", ""} {
		if _, err := s.Dir(context.Background(), sha); wick.KindOf(err) != wick.NotFound {
			t.Errorf("Dir(%q): %v", sha, err)
		}
		if _, err := s.Open(sha); wick.KindOf(err) != wick.NotFound {
			t.Errorf("Open(%q): %v", sha, err)
		}
	}
}

func TestConcurrentCallersUnpackOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := put(t, s, file{name: "a", body: strings.Repeat("x", 1<<20)})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.Dir(context.Background(), p.SHA256); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	before, err := os.Stat(s.tree(p.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	dir(t, s, p.SHA256)
	after, err := os.Stat(s.tree(p.SHA256))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("unpacked again (%v)", err)
	}
}

func TestDamagedOrUnfinishedFoldersAreUnpackedAgain(t *testing.T) {
	for name, damage := range map[string]func(s *Store, d string) error{
		"gone":       func(_ *Store, d string) error { return os.RemoveAll(d) },
		"file gone":  func(_ *Store, d string) error { return os.Remove(filepath.Join(d, "x/a")) },
		"file short": func(_ *Store, d string) error { return os.Truncate(filepath.Join(d, "x/a"), 1) },
		"now a link": func(_ *Store, d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "x/a")), os.Symlink("/etc/passwd", filepath.Join(d, "x/a")))
		},
		"no note of a boot": func(_ *Store, d string) error { return os.Remove(d + ".boot") },
		"another boot":      func(_ *Store, d string) error { return os.WriteFile(d+".boot", []byte("earlier"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			where := t.TempDir()
			s := openStore(t, where)
			p := put(t, s, file{name: "x/a", body: "whole"})
			d := dir(t, s, p.SHA256)
			mustDo(t, s.Close())
			if err := damage(s, d); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, where)
			if got := read(t, filepath.Join(dir(t, s, p.SHA256), "x/a")); got != "whole" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestAFolderThatGoesWhileTheStoreIsOpenComesBack(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := put(t, s, file{name: "a", body: "x"})
	if err := os.RemoveAll(dir(t, s, p.SHA256)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir(t, s, p.SHA256), "a")); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestADamagedZipIsReplacedByTheSamePackage(t *testing.T) {
	s := openStore(t, t.TempDir())
	z := makeZip(t, file{name: "a", body: "x"})
	p, err := s.Put(context.Background(), bytes.NewReader(z))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.zip(p.SHA256), corrupt(z), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(context.Background(), bytes.NewReader(z)); err != nil {
		t.Fatal(err)
	}
	if !s.intact(p.SHA256) {
		t.Error("still damaged")
	}
}

func TestWhatAnEarlierProcessLeftHalfWrittenIsRemoved(t *testing.T) {
	where := t.TempDir()
	s := openStore(t, where)
	if err := os.MkdirAll(filepath.Join(s.tmp(), "tree-1", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	openStore(t, where)
	if left, err := os.ReadDir(s.tmp()); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestCollectLeavesWhatIsInUseHeldOrFresh(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir())
	used := put(t, s, file{name: "a", body: "used"})
	held := put(t, s, file{name: "a", body: "held"})
	idle := put(t, s, file{name: "a", body: "idle"})
	_, release, err := s.Acquire(ctx, held.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	dir(t, s, idle.SHA256)
	s.o.Grace = time.Hour
	if freed, err := s.Collect(ctx, nil); err != nil || freed != 0 {
		t.Errorf("fresh packages collected: %d bytes, %v", freed, err)
	}
	s.o.Grace = time.Nanosecond
	freed, err := s.Collect(ctx, map[string]bool{used.SHA256: true})
	if err != nil || freed != idle.Size {
		t.Errorf("collected %d bytes (%v), want %d", freed, err, idle.Size)
	}
	if _, err := s.Dir(ctx, idle.SHA256); wick.KindOf(err) != wick.NotFound {
		t.Errorf("collected, and yet: %v", err)
	}
	if isDir(s.tree(idle.SHA256)) {
		t.Error("its folder is still there")
	}
	release()
	release() // may be called twice
	if _, err := s.Collect(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if zips, err := filepath.Glob(filepath.Join(s.dir, "zips", "*", "*")); err != nil || len(zips) > 0 {
		t.Errorf("still there: %v %v", zips, err)
	}
}

func TestACallerThatLeavesDoesNotStopTheUnpacking(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := put(t, s, file{name: "a", body: "x"})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Dir(ctx, p.SHA256); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	dir(t, s, p.SHA256)
}

func TestAClosedStoreRefuses(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := put(t, s, file{name: "a", body: "x"})
	mustDo(t, s.Close())
	mustDo(t, s.Close())
	if _, err := s.Dir(context.Background(), p.SHA256); !errors.Is(err, ErrClosed) {
		t.Errorf("Dir: %v", err)
	}
	if _, err := s.Put(context.Background(), strings.NewReader("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("Put: %v", err)
	}
}

// FuzzUnpack has any bytes taken for a zip: whatever they say, nothing appears
// outside the folder, and what appears inside is within the limits.
func FuzzUnpack(f *testing.F) {
	f.Add(makeZip(f, file{name: "a/b", body: "x", mode: 0o644}, file{name: "l", body: "a/b", mode: fs.ModeSymlink | 0o777}))
	f.Add(makeZip(f, file{name: "../x", body: "x"}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, z []byte) {
		p, err := readPlan(bytes.NewReader(z), int64(len(z)))
		if err != nil {
			return
		}
		var size uint64
		for _, e := range p.files {
			size += e.zip.UncompressedSize64
		}
		if size >= MaxUnzippedBytes {
			t.Fatalf("a plan of %d bytes", size)
		}
		if size > 1<<20 {
			return // within the limits, and too slow for a fuzzer
		}
		outer := t.TempDir()
		inner := filepath.Join(outer, "tree")
		if err := os.Mkdir(inner, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := p.write(inner); err != nil {
			return
		}
		if entries, err := os.ReadDir(outer); err != nil || len(entries) != 1 {
			t.Fatalf("outside: %v %v", entries, err)
		}
	})
}

func BenchmarkUnpack(b *testing.B) {
	var files []file
	for i := range 1000 {
		files = append(files, file{name: "node_modules/m" + string(rune('a'+i%26)) + "/f" + hex.EncodeToString([]byte{byte(i >> 8), byte(i)}) + ".js", body: strings.Repeat("module.exports = () => 42 // \n", 300)})
	}
	z := makeZip(b, files...)
	p, err := readPlan(bytes.NewReader(z), int64(len(z)))
	if err != nil {
		b.Fatal(err)
	}
	root := b.TempDir()
	for i := 0; b.Loop(); i++ {
		d := filepath.Join(root, hex.EncodeToString([]byte{byte(i >> 16), byte(i >> 8), byte(i)}))
		if err := os.Mkdir(d, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := p.write(d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(files)), "files/op")
}
