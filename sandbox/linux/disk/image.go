//go:build linux

package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// bytesPerInode is how much of a disk there is for each file it can hold.
const bytesPerInode = 16384

// features are those of ext4 without the journal and without room to grow.
const features = "ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super2," +
	"large_file,huge_file,dir_nlink,extra_isize,metadata_csum"

// template is what an empty file system of a size consists of.
type template struct {
	size   int64
	pieces []piece
}

// piece are bytes of an image that aren't a hole.
type piece struct {
	at   int64
	data []byte
}

// images are the templates by size, each made once.
type images struct {
	mu     sync.Mutex // guards bySize, not the making
	bySize map[int]*making
}

// making is a template that is there once done is closed. One that failed is made anew
// by who asks next.
type making struct {
	done     chan struct{}
	template *template
	err      error
}

// template is the template for sizeMB; mkfs.ext4 writes it into a file in dir.
func (s *images) template(ctx context.Context, dir string, sizeMB int) (*template, error) {
	s.mu.Lock()
	m := s.bySize[sizeMB]
	if m == nil {
		if s.bySize == nil {
			s.bySize = map[int]*making{}
		}
		m = &making{done: make(chan struct{})}
		s.bySize[sizeMB] = m
		s.mu.Unlock()
		// Others wait for this one: it goes on when who asked first has given up.
		if sizeMB == AheadMB {
			m.template = kept(dir, sizeMB)
		}
		if m.template == nil {
			m.template, m.err = makeTemplate(context.WithoutCancel(ctx), dir, sizeMB)
			if m.err == nil && sizeMB == AheadMB {
				_ = m.template.keep(dir, sizeMB) // or it is made again the next time
			}
		}
		if m.err != nil {
			s.mu.Lock()
			delete(s.bySize, sizeMB)
			s.mu.Unlock()
		}
		close(m.done)
		return m.template, m.err
	}
	s.mu.Unlock()
	select {
	case <-m.done:
		return m.template, m.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// makeTemplate runs mkfs.ext4. How large an image must be to have sizeMB MiB for files
// depends on what mkfs.ext4 makes of the size, so it is made, looked at, and made again
// larger when it falls short.
func makeTemplate(ctx context.Context, dir string, sizeMB int) (*template, error) {
	want := int64(sizeMB) << 20
	size := want + want/50 + 4<<20
	for range 4 {
		t, free, err := format(ctx, dir, size)
		if err != nil {
			return nil, err
		}
		if free >= want {
			return t, nil
		}
		size += want - free + want/1000 + 1<<20
	}
	return nil, fmt.Errorf("mkfs.ext4: no image has %d MB free", sizeMB)
}

// format makes an image of size bytes and says how many are for files in it.
func format(ctx context.Context, dir string, size int64) (_ *template, free int64, err error) {
	f, err := os.CreateTemp(dir, "tmp*.template")
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if err := f.Truncate(size); err != nil {
		return nil, 0, err
	}
	mkfs, err := findMkfs()
	if err != nil {
		return nil, 0, err
	}
	// No copies of the superblock, nothing kept for root; inode tables stay holes.
	cmd := exec.CommandContext(ctx, mkfs, "-q", "-F", "-b", "4096", "-I", "256",
		"-i", strconv.Itoa(bytesPerInode), "-m", "0",
		"-O", "none,"+features,
		"-E", "lazy_itable_init=1,nodiscard,num_backup_sb=0,packed_meta_blocks=1", f.Name())
	// Without the machine's /etc/mke2fs.conf: which features there are is said here.
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "MKE2FS_CONFIG=/dev/null"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, 0, fmt.Errorf("mkfs.ext4: %w: %s", err, bytes.TrimSpace(out))
	}
	t, err := readTemplate(f, size)
	if err != nil {
		return nil, 0, err
	}
	free, err = freeBytes(f)
	return t, free, err
}

var (
	systemSbin = []string{"/usr/sbin", "/sbin", "/usr/local/sbin"}
	sbin       = systemSbin // tests have none
)

// findMkfs: it is in sbin, which isn't on everybody's PATH.
func findMkfs() (string, error) {
	path, err := exec.LookPath("mkfs.ext4")
	if err == nil {
		return path, nil
	}
	for _, dir := range sbin {
		if at, err := exec.LookPath(filepath.Join(dir, "mkfs.ext4")); err == nil {
			return at, nil
		}
	}
	return "", err
}

// readTemplate reads what isn't a hole.
func readTemplate(f *os.File, size int64) (*template, error) {
	t := &template{size: size}
	for at := int64(0); at < size; {
		start, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // none from here on
			break
		}
		if err != nil {
			return nil, err
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		data := make([]byte, end-start)
		if _, err := io.ReadFull(io.NewSectionReader(f, start, end-start), data); err != nil {
			return nil, err
		}
		// Where the file system of dir has no holes all is data, most of it zeros.
		t.pieces = append(t.pieces, nonzero(start, data)...)
		at = end
	}
	return t, nil
}

// nonzero cuts data into its blocks that hold anything.
func nonzero(at int64, data []byte) []piece {
	const block = 4096
	var zeros [block]byte
	var pieces []piece
	for off := 0; off < len(data); off += block {
		part := data[off:min(off+block, len(data))]
		if bytes.Equal(part, zeros[:len(part)]) {
			continue
		}
		if n := len(pieces); n > 0 && pieces[n-1].at+int64(len(pieces[n-1].data)) == at+int64(off) {
			pieces[n-1].data = append(pieces[n-1].data, part...)
			continue
		}
		pieces = append(pieces, piece{at + int64(off), bytes.Clone(part)})
	}
	return pieces
}

// freeBytes reads from an image's superblock how much of it files can have: the free
// blocks but for those ext4 holds back, a fiftieth of all and 4096 at most, so as not to
// run out when it writes late what it accepted early.
func freeBytes(f io.ReaderAt) (int64, error) {
	const superblock = 1024
	var b [1024]byte
	if _, err := f.ReadAt(b[:], superblock); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	if le.Uint16(b[0x38:]) != unix.EXT4_SUPER_MAGIC {
		return 0, errors.New("mkfs.ext4: it made no ext4")
	}
	blockBytes := int64(1024) << le.Uint32(b[0x18:])
	blocks := int64(le.Uint32(b[0x150:]))<<32 | int64(le.Uint32(b[0x4:]))
	free := int64(le.Uint32(b[0x158:]))<<32 | int64(le.Uint32(b[0xC:]))
	return (free - min(blocks/50, 4096)) * blockBytes, nil
}

// write makes a new image at path.
func (t *template) write(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(t.size)
	for _, p := range t.pieces {
		if err != nil {
			break
		}
		_, err = f.WriteAt(p.data, p.at)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return f, nil
}
