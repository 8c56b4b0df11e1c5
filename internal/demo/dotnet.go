package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wick-run/wick/internal/csharp"
)

// compileDotnet puts an example, compiled, into a folder of its name below scratch, where
// this machine has no .NET SDK for wick deploy to publish it with. It returns what to deploy,
// and in missing what is not here for either.
func compileDotnet(ctx context.Context, example, scratch string) (deploy, missing string, err error) {
	if sdks, err := exec.CommandContext(ctx, "dotnet", "--list-sdks").Output(); err == nil && strings.TrimSpace(string(sdks)) != "" {
		return example, "", nil
	}
	compiler, err := csharp.Find()
	if errors.Is(err, csharp.ErrMissing) {
		return "", "a C# compiler", nil
	}
	if err != nil {
		return "", "", err
	}
	deploy = filepath.Join(scratch, filepath.Base(example))
	if err := os.MkdirAll(deploy, 0o755); err != nil {
		return "", "", err
	}
	const name = "Hello"
	if err := compiler.Compile(ctx, filepath.Join(deploy, name+".dll"), true, nil, filepath.Join(example, "Function.cs")); err != nil {
		return "", "", err
	}
	deps, config := csharp.Settings(name)
	const defaults = "aws-lambda-tools-defaults.json"
	options, err := os.ReadFile(filepath.Join(example, defaults))
	if err != nil {
		return "", "", err
	}
	for file, text := range map[string]string{name + ".deps.json": deps, name + ".runtimeconfig.json": config, defaults: string(options)} {
		if err := os.WriteFile(filepath.Join(deploy, file), []byte(text), 0o644); err != nil { //nolint:gosec // a package's file
			return "", "", err
		}
	}
	return deploy, "", nil
}
