// Package csharp compiles C# without a .NET SDK: with Debian's mcs (package mono-mcs), against
// the assemblies of a .NET runtime, which scripts/install-tools dotnet brings. The .NET
// bootstrap is made with it, and the functions of tests and of the demo. It is no part of
// what serves.
package csharp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Version is that of .NET which is compiled against: what needs no later one runs on every
// later one. The compiler can't read those after it.
const Version = "3.1.23"

// MadeBy is the version of mcs that what is embedded is made with: others give other bytes.
const MadeBy = "6.8.0.105"

// ErrMissing says that the compiler or .NET isn't on this machine; the error that wraps it
// says which, and how to get it.
var ErrMissing = errors.New("C# can't be compiled here")

// Compiler compiles.
type Compiler struct {
	mcs        string
	references []string
}

// Root returns the folder of .NET that scripts/install-tools dotnet makes, "" where it hasn't.
// It lies in the checkout that the working directory is in.
func Root() string {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		root := filepath.Join(dir, ".cache", "dotnet")
		if _, err := os.Stat(filepath.Join(root, "dotnet")); err == nil {
			return root
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
			break
		}
	}
	return ""
}

// Find returns this machine's compiler; the error is an ErrMissing where it has none.
func Find() (*Compiler, error) {
	mcs, err := exec.LookPath("mcs")
	if err != nil {
		return nil, fmt.Errorf("%w: no mcs on PATH (Debian: mono-mcs)", ErrMissing)
	}
	references, err := filepath.Glob(filepath.Join(Root(), "shared", "Microsoft.NETCore.App", Version, "System.*.dll"))
	if err != nil || len(references) == 0 {
		return nil, fmt.Errorf("%w: no .NET %s in .cache/dotnet: run scripts/install-tools dotnet", ErrMissing, Version)
	}
	references = append(references, filepath.Join(filepath.Dir(references[0]), "Microsoft.Win32.Primitives.dll"))
	return &Compiler{mcs, references}, nil
}

// FindExact is Find for what has to come out the same, byte for byte: another version of the
// compiler is an ErrMissing.
func FindExact(ctx context.Context) (*Compiler, error) {
	c, err := Find()
	if err != nil {
		return nil, err
	}
	text, err := exec.CommandContext(ctx, c.mcs, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("mcs --version: %w", err)
	}
	if fields := strings.Fields(string(text)); len(fields) == 0 || fields[len(fields)-1] != MadeBy {
		return nil, fmt.Errorf("%w as it was: mcs is not %s but %q", ErrMissing, MadeBy, text)
	}
	return c, nil
}

// Compile makes an assembly of sources, a library or a program, whose name is out's. The same
// sources and references give the same assembly, byte for byte.
func (c *Compiler) Compile(ctx context.Context, out string, library bool, references []string, sources ...string) error {
	args := []string{
		"-nostdlib", "-noconfig", "-optimize+", "-unsafe", "-warn:4", "-warnaserror+",
		// An assembly that is a name for another's, and a field that only .NET sets.
		"-nowarn:1702,649", "-out:" + out, "-target:exe",
	}
	if library {
		args[len(args)-1] = "-target:library"
	}
	for _, r := range append(append([]string(nil), c.references...), references...) {
		args = append(args, "-r:"+r)
	}
	text, err := exec.CommandContext(ctx, c.mcs, append(args, sources...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mcs: %w\n%s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	if err := settle(data); err != nil {
		return fmt.Errorf("%s: %w", out, err)
	}
	return os.WriteFile(out, data, 0o644) //nolint:gosec // a package's file
}

// settle replaces what differs from one run of the compiler to the next, the time and the
// module's random ID, by nothing and by a digest of the rest.
func settle(pe []byte) error {
	const timeInHeader, signature = 8, "BSJB" // of metadata. Source: ECMA-335, II.24 and II.25
	if len(pe) < 0x40 {
		return errors.New("is no assembly")
	}
	header := int(binary.LittleEndian.Uint32(pe[0x3c:]))
	metadata := bytes.Index(pe, []byte(signature))
	if header+timeInHeader+4 > len(pe) || metadata < 0 {
		return errors.New("is no assembly")
	}
	clear(pe[header+timeInHeader : header+timeInHeader+4])
	id, err := moduleID(pe[metadata:])
	if err != nil {
		return err
	}
	clear(id)
	sum := sha256.Sum256(pe)
	copy(id, sum[:])
	return nil
}

// moduleID returns the first entry of an assembly's GUIDs, which is the module's.
func moduleID(metadata []byte) ([]byte, error) {
	const guidBytes = 16
	at := 16
	if len(metadata) > at {
		at += int(binary.LittleEndian.Uint32(metadata[12:])) + 4 // the version's text, flags and the streams' number
	}
	for at+8 < len(metadata) {
		offset := int(binary.LittleEndian.Uint32(metadata[at:]))
		name, _, found := strings.Cut(string(metadata[at+8:min(at+40, len(metadata))]), "\x00")
		if !found {
			break
		}
		if name == "#GUID" && offset+guidBytes <= len(metadata) {
			return metadata[offset : offset+guidBytes], nil
		}
		at += 8 + (len(name)+4)&^3 // with the zeros that fill its last word
	}
	return nil, errors.New("has no GUIDs")
}

// Settings are the .deps.json and .runtimeconfig.json that a build of an SDK puts beside an
// assembly: name is without its .dll, and the others are all of the package's.
func Settings(name string, others ...string) (deps, config string) {
	files := ""
	for i, file := range append([]string{name}, others...) {
		if i > 0 {
			files += ","
		}
		files += fmt.Sprintf("%q:{}", file+".dll")
	}
	deps = fmt.Sprintf(`{"runtimeTarget":{"name":".NETCoreApp,Version=v8.0"},"targets":{".NETCoreApp,Version=v8.0":{"%s/1.0.0":{"runtime":{%s}}}},`+
		`"libraries":{"%s/1.0.0":{"type":"project","serviceable":false,"sha512":""}}}`+"\n", name, files, name)
	return deps, `{"runtimeOptions":{"tfm":"net8.0","framework":{"name":"Microsoft.NETCore.App","version":"8.0.0"}}}` + "\n"
}
