package code

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/flate"

	"github.com/wick-run/wick"
)

// plan is what a zip unpacks to, checked: every path stays inside, no two entries
// want the same one, and the sizes are within the limits.
type plan struct {
	files []*entry // regular files and symbolic links
	dirs  []*entry // named folders and those that only appear in a file's path; parents first
}

// entry is one file, link or folder of a plan.
type entry struct {
	path    string // clean, relative, with forward slashes
	mode    fs.FileMode
	modTime time.Time // zero for a folder that the zip doesn't name
	zip     *zip.File // nil for a folder that the zip doesn't name
	from    string    // a folder that has it already, "" for none
}

// inflaters are decompressors to be used again: their windows are most of what
// unpacking would allocate.
var inflaters sync.Pool

// inflate returns a decompressor that Close puts back.
func inflate(r io.Reader) io.ReadCloser {
	f, ok := inflaters.Get().(io.ReadCloser)
	if !ok {
		return &inflater{flate.NewReader(r)}
	}
	if err := f.(flate.Resetter).Reset(r, nil); err != nil {
		return &inflater{flate.NewReader(r)}
	}
	return &inflater{f}
}

type inflater struct{ io.ReadCloser }

// Close puts the decompressor back, once.
func (i *inflater) Close() error {
	f := i.ReadCloser
	if f == nil {
		return nil
	}
	i.ReadCloser = nil
	err := f.Close()
	inflaters.Put(f)
	return err
}

// maxLinkBytes bounds a symbolic link's target. Source: PATH_MAX.
const maxLinkBytes = 4096

// readPlan reads and checks a zip's directory. It fails with AWS's words.
func readPlan(r io.ReaderAt, size int64) (*plan, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, invalidZip(err)
	}
	z.RegisterDecompressor(zip.Deflate, inflate)
	if len(z.File) > MaxEntries {
		return nil, invalidZip(fmt.Errorf("%d entries, more than %d", len(z.File), MaxEntries))
	}
	if len(z.File) == 0 {
		return nil, wick.Errorf(wick.InvalidParameter, "Uploaded file must be a non-empty zip")
	}
	var total uint64
	byPath := make(map[string]*entry, len(z.File))
	var order []string
	for _, f := range z.File {
		e, err := planEntry(f)
		if err != nil {
			return nil, invalidZip(fmt.Errorf("entry %q: %w", f.Name, err))
		}
		if e == nil {
			continue // the folder itself
		}
		// The sum can't overflow: entries are few and each is below the limit.
		if f.UncompressedSize64 >= MaxUnzippedBytes {
			return nil, tooLargeUnzipped()
		}
		if !e.mode.IsDir() {
			total += f.UncompressedSize64
		}
		if total >= MaxUnzippedBytes {
			return nil, tooLargeUnzipped()
		}
		// Of two entries with one path the later one counts, as with unzip -o. That a
		// file and a folder share one is found below.
		if old := byPath[e.path]; old != nil && old.mode.IsDir() != e.mode.IsDir() {
			return nil, invalidZip(fmt.Errorf("entry %q is both a file and a folder", f.Name))
		}
		if byPath[e.path] == nil {
			order = append(order, e.path)
		}
		byPath[e.path] = e
	}
	return arrange(order, byPath)
}

// arrange splits entries into files and folders, adds the folders that only appear
// in paths, and makes sure that nothing is to be written through a file or a link.
func arrange(order []string, byPath map[string]*entry) (*plan, error) {
	p := &plan{}
	dirs := map[string]*entry{}
	var addDir func(dir string) error
	addDir = func(dir string) error {
		if dir == "." || dirs[dir] != nil {
			return nil
		}
		e := byPath[dir]
		switch {
		case len(dirs) == MaxEntries:
			return invalidZip(fmt.Errorf("more than %d folders", MaxEntries))
		case e == nil:
			e = &entry{path: dir, mode: fs.ModeDir | 0o755}
		case !e.mode.IsDir():
			return invalidZip(fmt.Errorf("entry %q is a file, and others are inside it", dir))
		}
		dirs[dir] = e // before its parent, so that a deep path is walked once
		if err := addDir(path.Dir(dir)); err != nil {
			return err
		}
		p.dirs = append(p.dirs, e)
		return nil
	}
	for _, name := range order {
		e, dir := byPath[name], name
		if !e.mode.IsDir() {
			p.files = append(p.files, e)
			dir = path.Dir(name)
		}
		if err := addDir(dir); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// planEntry checks one entry by itself; nil for an entry that names the root.
func planEntry(f *zip.File) (*entry, error) {
	if f.Flags&0x1 != 0 {
		return nil, errors.New("encrypted")
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return nil, fmt.Errorf("compression method %d", f.Method)
	}
	clean, err := cleanPath(f.Name)
	if err != nil || clean == "." {
		return nil, err
	}
	e := &entry{path: clean, modTime: f.Modified, zip: f}
	mode := f.Mode()
	switch {
	case strings.HasSuffix(f.Name, "/") || mode.IsDir():
		// All may look into every folder and only its owner change it, whatever the
		// zip says: functions run as another user than the one that unpacks.
		e.mode = fs.ModeDir | 0o755
	case mode&fs.ModeSymlink != 0:
		if f.UncompressedSize64 > maxLinkBytes {
			return nil, errors.New("symbolic link with too long a target")
		}
		e.mode = fs.ModeSymlink | 0o777
	case mode.IsRegular():
		e.mode = readable(mode.Perm())
	default:
		return nil, fmt.Errorf("neither file, folder nor symbolic link: %v", mode)
	}
	return e, nil
}

// readable adds what another user than the owner needs: to read, and to execute what
// the owner may execute; and takes away that others may write. Zips without Unix
// permissions come out as 0644.
func readable(perm fs.FileMode) fs.FileMode {
	if perm&0o100 != 0 {
		perm |= 0o111
	}
	return (perm | 0o444) &^ 0o022
}

// cleanPath returns a name of a zip as a clean relative path, or why it isn't safe
// to use as one.
func cleanPath(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("no name")
	case strings.HasPrefix(name, "/"):
		return "", errors.New("absolute path")
	case strings.IndexByte(name, 0) >= 0:
		return "", errors.New("NUL in the name")
	case len(name) > 4000:
		return "", errors.New("path too long")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errors.New("path leaves the package")
		}
		if len(part) > 255 {
			return "", errors.New("name too long")
		}
	}
	return path.Clean(name), nil
}

// checkLink says whether a link may be kept: a relative one that stays inside the
// package, or an absolute one to a place that every instance has of its own.
func checkLink(at, target string) error {
	if target == "" || strings.IndexByte(target, 0) >= 0 || !utf8.ValidString(target) {
		return errors.New("symbolic link without a proper target")
	}
	if strings.HasPrefix(target, "/") {
		clean := path.Clean(target)
		for _, own := range []string{"/tmp", "/opt", "/var/task", "/var/lang", "/mnt"} {
			if clean == own || strings.HasPrefix(clean, own+"/") {
				return nil
			}
		}
		return fmt.Errorf("symbolic link to %s leaves the package", target)
	}
	if joined := path.Join(path.Dir(at), target); joined == ".." || strings.HasPrefix(joined, "../") {
		return fmt.Errorf("symbolic link to %s leaves the package", target)
	}
	return nil
}

// invalidZip is AWS's answer to a package it can't unpack; why is for the operator.
func invalidZip(why error) error {
	return &wick.Error{
		Kind:    wick.InvalidParameter,
		Message: "Could not unzip uploaded file. Please check your file, then try to upload again.",
		Cause:   why,
	}
}

func tooLargeUnzipped() error {
	return wick.Errorf(wick.InvalidParameter, "Unzipped size must be smaller than %d bytes", MaxUnzippedBytes)
}
