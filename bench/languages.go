package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/wick-run/wick/internal/client"
)

// language is one that the same small function is written in.
type language struct {
	name, version string
	runtime       types.Runtime
	handler       string
	file          string   // the function
	plain         string   // the same as a plain HTTP server
	bin           string   // the interpreter that Wick runs it with
	bare          []string // behind bin: the start of the language itself
	client        []string // behind bin, in the folder of peers: AWS's runtime client
	offline       string   // its function's name in serverless.yml
	code          []byte   // its package
	coldBar       float64  // ms
}

const testdata = "bench/testdata"

// openLanguages finds what there is on the machine.
func (b *bench) openLanguages(ctx context.Context) error {
	bins, err := b.interpreters(ctx)
	if err != nil {
		return err
	}
	for _, l := range []*language{
		{
			name: "Node.js", runtime: types.RuntimeNodejs20x, handler: "index.handler", file: "index.mjs", plain: "plain.mjs",
			bare: []string{"-e", "0"}, client: []string{"node_modules/aws-lambda-ric/bin/index.mjs"}, offline: "node", coldBar: 10,
		},
		{
			name: "Python", runtime: types.RuntimePython311, handler: "app.handler", file: "app.py", plain: "plain.py",
			bare: []string{"-c", "pass"}, client: []string{"-m", "awslambdaric"}, offline: "python", coldBar: 5,
		},
		{name: "Go", runtime: types.RuntimeProvidedal2023, handler: "bootstrap", file: "bootstrap", coldBar: 8},
		{name: "Java", runtime: types.RuntimeJava25, handler: "Hello::handle", file: "Hello.class"},
	} {
		found, ok := bins[l.runtime]
		if !ok {
			fmt.Fprintf(os.Stderr, "bench: nothing on this machine runs %s: it is left out\n", l.runtime)
			continue
		}
		l.bin, l.version = found.Bin, found.Version
		if err := b.build(ctx, l); err != nil {
			return fmt.Errorf("building the function in %s: %w", l.name, err)
		}
		b.languages = append(b.languages, l)
	}
	return nil
}

type interpreter struct {
	Runtime              types.Runtime
	Version, Bin, Status string
}

// interpreters asks Wick what it runs each runtime's functions with.
func (b *bench) interpreters(ctx context.Context) (map[types.Runtime]interpreter, error) {
	out, err := exec.CommandContext(ctx, b.o.wick, "runtimes", "--json").Output() //nolint:gosec // the wick to measure
	if err != nil {
		return nil, fmt.Errorf("wick runtimes: %w", err)
	}
	var all []interpreter
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("wick runtimes: %w", err)
	}
	bins := map[types.Runtime]interpreter{types.RuntimeProvidedal2023: {}}
	for _, i := range all {
		if i.Status != client.RuntimeMissing {
			bins[i.Runtime] = i
		}
	}
	return bins, nil
}

// build makes a language's package.
func (b *bench) build(ctx context.Context, l *language) error {
	file := filepath.Join(testdata, l.file)
	command := func(name string, arguments ...string) error {
		cmd := exec.CommandContext(ctx, name, arguments...) //nolint:gosec // compilers
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return nil
	}
	switch l.name {
	case "Go":
		file = filepath.Join(b.dir, l.file)
		if err := command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "./"+testdata+"/bootstrap"); err != nil {
			return err
		}
		l.bin, l.bare = file, []string{"0"}
	case "Java":
		file = filepath.Join(b.dir, l.file)
		if err := command(filepath.Join(filepath.Dir(l.bin), "javac"), "-d", b.dir, filepath.Join(testdata, "Hello.java")); err != nil {
			return err
		}
		l.bare = []string{"-cp", b.dir, "Hello"}
	}
	var err error
	l.code, err = packed(file)
	return err
}

// packed makes a package of one file.
func packed(file string) ([]byte, error) {
	content, err := os.ReadFile(file) //nolint:gosec // our own
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	header := &zip.FileHeader{Name: filepath.Base(file), Method: zip.Deflate}
	header.SetMode(0o755)
	entry, err := w.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	_, err = entry.Write(content)
	err = errors.Join(err, w.Close())
	return buf.Bytes(), err
}

// startBare starts the language with nothing to do and returns when it has ended.
func (l *language) startBare(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := exec.CommandContext(ctx, l.bin, l.bare...).Run() //nolint:gosec // the interpreter Wick found
	return time.Since(began), err
}

// named returns the languages of these names that are there.
func (b *bench) named(names ...string) []*language {
	var some []*language
	for _, name := range names {
		for _, l := range b.languages {
			if l.name == name {
				some = append(some, l)
			}
		}
	}
	return some
}
