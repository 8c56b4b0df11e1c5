//go:build ignore

// Command generate compiles the .NET bootstrap into wick-runtime.dll, and the function it
// rehearses with into wick-rehearsal.dll. They depend on nothing but their sources and run on
// every .NET from 3.1 on. go generate runs it. Where the compiler is not on the machine it
// says so and leaves the files as they are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/wick-run/wick/internal/csharp"
)

func main() {
	out := flag.String("o", ".", "the `folder` to write to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	compiler, err := csharp.FindExact(context.Background())
	if errors.Is(err, csharp.ErrMissing) {
		fmt.Fprintf(os.Stderr, "generate: %v; the assemblies stay as they are\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wick-dotnet-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	core := filepath.Join(dir, "Amazon.Lambda.Core.dll")
	if err := compiler.Compile(context.Background(), core, true, nil, "core/Declarations.cs"); err != nil {
		return err
	}
	sources, err := filepath.Glob("src/*.cs")
	if err != nil {
		return err
	}
	if err := compiler.Compile(context.Background(), filepath.Join(dir, "wick-rehearsal.dll"), true, nil, "rehearsal/Function.cs"); err != nil {
		return err
	}
	// The assembly's name is its file's.
	made := filepath.Join(dir, "wick-runtime.dll")
	if err := compiler.Compile(context.Background(), made, false, []string{core}, sources...); err != nil {
		return err
	}
	for _, name := range []string{"wick-runtime.dll", "wick-rehearsal.dll"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
