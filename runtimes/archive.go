package runtimes

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// An archive is what a language's runtime starts faster with: of Java the classes of its
// bootstrap and what they use, parsed and linked, as its class-data sharing maps them into
// memory; of Python the modules of its bootstrap, compiled, without which every instance
// keeps some of what its compiler used. It lies beside the bootstrap, in a folder of its
// own for each interpreter, and holds nothing of any function.

const (
	archiveName = "archive"
	// archiveMark stands in the name of a folder that has one, behind the bootstrap's name.
	archiveMark = "-archived-"
)

// CanPrepare says whether there is work that lets what runs m start faster from then on.
// It is done once for each interpreter and version of Wick.
func (s *Set) CanPrepare(m Match) bool {
	target, ok := s.archiveFolder(m.Interpreter)
	return ok && !isDir(target)
}

// Prepare does that work. run starts a command as an instance of m has its programs, in a
// sandbox with m's mounts and nothing of anybody's in it, writes what it prints to out, and
// returns when it has ended, with an error unless it ended well.
func (s *Set) Prepare(m Match, run func(c Command, out *os.File) error) error {
	target, ok := s.archiveFolder(m.Interpreter)
	if !ok {
		return nil
	}
	l := m.Language.known()
	command := Command{Path: "/bin/sh", Args: l.archive(m, l.program(m.Interpreter)), Dir: "/"}
	for name, value := range base(m) {
		command.Env = append(command.Env, name+"="+value)
	}
	err := writeOnce(target, func(at string) error {
		if err := linkTree(s.bootstraps[m.Language], at); err != nil {
			return err
		}
		out, err := os.OpenFile(filepath.Join(at, archiveName), os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // read by an instance's user
		if err != nil {
			return err
		}
		if err := errors.Join(run(command, out), out.Close()); err != nil || !l.archiveIsTar {
			return err
		}
		return untar(out.Name(), at)
	})
	if err != nil {
		return fmt.Errorf("making an archive for %s %s: %w", l.title, m.Interpreter.Version, err)
	}
	return nil
}

// maxUntarBytes is more than what any bootstrap compiles to.
const maxUntarBytes = 16 << 20

// untar puts the files of a tar into a folder, and removes it.
func untar(tarball, to string) (err error) {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(tarball)) }()
	for r := tar.NewReader(io.LimitReader(f, maxUntarBytes)); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading what was made: %w", err)
		}
		if head.Typeflag != tar.TypeReg || !filepath.IsLocal(head.Name) {
			return fmt.Errorf("%q is none of the files that are made", head.Name)
		}
		target := filepath.Join(to, head.Name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // read by an instance's user
			return err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, data, 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
}

// archiveFolder is where an interpreter's bootstrap is with its archive, once that is made;
// ok is false where there is none to make.
func (s *Set) archiveFolder(in Interpreter) (folder string, ok bool) {
	l := in.Language.known()
	v, _ := parseVersion(in.Version) // interpreters without a version aren't kept
	if !s.options.Walls || l.archive == nil || v.less(l.archiveSince) {
		return "", false
	}
	sum := sha256.New()
	fmt.Fprintln(sum, in.Bin, in.Version, in.Root) //nolint:errcheck // a hash never fails
	for _, name := range l.archiveOf {
		info, err := os.Stat(filepath.Join(in.Root, name))
		if err != nil {
			return "", false // not as we know it
		}
		fmt.Fprintln(sum, name, info.Size(), info.ModTime().UnixNano()) //nolint:errcheck // likewise
	}
	return s.bootstraps[in.Language] + archiveMark + hex.EncodeToString(sum.Sum(nil))[:16], true
}

// hasArchive says whether a match's mounts bring an archive.
func (m Match) hasArchive() bool {
	for _, mount := range m.Mounts {
		if mount.Target == runtimeDir {
			return strings.Contains(filepath.Base(mount.Source), archiveMark)
		}
	}
	return false
}
