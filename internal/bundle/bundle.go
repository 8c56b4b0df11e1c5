// Package bundle makes a project folder into a deployment package: it finds out which
// runtime and handler the folder is written for, builds what has to be built (Go,
// Rust, Java), and zips the result so that equal folders give equal bytes.
//
// It talks to no server. wick deploy is the caller.
package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// MaxZipBytes is the largest package that can be sent in a request.
// Source: Lambda quotas, deployment package, zipped, direct upload.
const MaxZipBytes = 50 << 20

// Options are what the caller knows already; an empty member is found out.
type Options struct {
	Runtime      string // a Lambda runtime identifier
	Handler      string
	Architecture string // x86_64 or arm64; this machine's when empty
	// Runtimes are the identifiers to choose a guessed runtime from, best first. With
	// none of the folder's language, the newest that this package knows is taken.
	Runtimes []string
	// Before is what an earlier deploy ended with. It is kept, rather than guessed again,
	// as long as the folder is written in the same language.
	Before Before
	// Output gets what compilers print. Nil drops it.
	Output io.Writer
}

// Before is the runtime and handler of a function that exists.
type Before struct{ Runtime, Handler string }

// Bundle is a folder ready to deploy.
type Bundle struct {
	Zip           []byte
	CodeSHA256    string // base64, as CodeSha256 in AWS's answers
	Files         int
	UnpackedBytes int64

	Runtime      string
	Handler      string
	Architecture string

	// RuntimeReason and HandlerReason say in a few words what a guess rests on. They
	// are empty for what the Options named.
	RuntimeReason, HandlerReason string
	// Built is the command that compiled it, or "".
	Built string
}

// Make bundles the folder dir, or takes the jar or zip of that name.
func Make(ctx context.Context, dir string, o Options) (*Bundle, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if o.Architecture == "" {
		o.Architecture = HostArchitecture()
	}
	if !info.IsDir() {
		if ext := filepath.Ext(dir); ext != ".jar" && ext != ".zip" {
			return nil, fmt.Errorf("%s is a file; name the folder that holds the function, or a jar or zip", dir)
		}
		b, err := makeArchive(dir, o)
		if err != nil {
			return nil, err
		}
		return b.sealed()
	}
	if o.Output == nil {
		o.Output = io.Discard
	}
	p, err := inspect(dir, o)
	if err != nil {
		return nil, err
	}
	b := &Bundle{
		Runtime: p.runtime, Handler: p.handler, Architecture: o.Architecture,
		RuntimeReason: p.runtimeReason, HandlerReason: p.handlerReason,
	}
	files, err := p.files(ctx, dir, o, b)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no files to deploy", dir)
	}
	b.Zip, b.UnpackedBytes, err = archive(files)
	if err != nil {
		return nil, err
	}
	b.Files = len(files)
	return b.sealed()
}

// sealed checks a package's size and notes its hash.
func (b *Bundle) sealed() (*Bundle, error) {
	if len(b.Zip) > MaxZipBytes {
		return nil, fmt.Errorf("the package is %d MB zipped and the limit is %d MB: leave out what the function doesn't need (development dependencies, tests, build output)",
			len(b.Zip)>>20, MaxZipBytes>>20)
	}
	sum := sha256.Sum256(b.Zip)
	b.CodeSHA256 = base64.StdEncoding.EncodeToString(sum[:])
	return b, nil
}

// files returns what goes into the package, compiling it first where that is needed.
func (p *project) files(ctx context.Context, dir string, o Options, b *Bundle) ([]file, error) {
	if p.compile == nil && p.build == nil {
		return collect(dir)
	}
	scratch, err := os.MkdirTemp("", "wick-build-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	if p.build != nil {
		files, command, err := p.build(ctx, dir, scratch, o)
		b.Built = command
		return files, err
	}
	binary, command, err := p.compile(ctx, dir, scratch, o)
	if err != nil {
		return nil, err
	}
	b.Built = command
	// The binary has to be read before the scratch folder goes.
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	return []file{{name: "bootstrap", executable: true, data: data}}, nil
}

// HostArchitecture returns AWS's name for this machine's processor.
func HostArchitecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// Name is what the function of a folder is called when nobody says: the folder's name,
// with what AWS doesn't allow in a name replaced by a hyphen.
// Source: Lambda API, FunctionName, [a-zA-Z0-9-_]+, 64 characters.
func Name(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil { // else there is no working directory, and Make will say so
		dir = abs
	}
	base := filepath.Base(dir)
	if ext := filepath.Ext(base); ext == ".jar" || ext == ".zip" {
		base = strings.TrimSuffix(base, ext)
	}
	name := strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			return c
		}
		return '-'
	}, base)
	return name[:min(len(name), 64)]
}
