package runtimes

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/wick-run/wick/internal/csharp"
)

// coreSources are a stand-in for Amazon.Lambda.Core and a serializer: NuGet, where the real
// ones are, isn't reached from everywhere.
const coreSources = "../../runtimes/testdata/dotnet"

// dotnetPackages are the files of the packages made so far, by the name of their source.
var dotnetPackages = struct {
	sync.Mutex
	made map[string]map[string]string
}{made: map[string]map[string]string{}}

// dotnetFunction compiles a source of testdata/dotnet, whose handler is that of AWS's
// recordings.
func dotnetFunction(t *testing.T, source string, more map[string]string) function {
	t.Helper()
	dotnetPackages.Lock()
	defer dotnetPackages.Unlock()
	files := dotnetPackages.made[source]
	if files == nil {
		files = compileDotnet(t, source)
		dotnetPackages.made[source] = files
	}
	all := map[string]string{}
	for _, of := range []map[string]string{files, more} {
		for name, text := range of {
			all[name] = text
		}
	}
	return function{runtime: "dotnet8", handler: "dotnet::Dotnet.Function::FunctionHandler", code: zipped(t, all)}
}

func compileDotnet(t *testing.T, source string) map[string]string {
	t.Helper()
	compiler, err := csharp.Find()
	if errors.Is(err, csharp.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	core := filepath.Join(dir, "Amazon.Lambda.Core.dll")
	if err := compiler.Compile(core, true, nil, filepath.Join(coreSources, "core", "Core.cs")); err != nil {
		t.Fatal(err)
	}
	function := filepath.Join(dir, "dotnet.dll")
	if err := compiler.Compile(function, true, []string{core}, filepath.Join("testdata", "dotnet", source+".cs"), filepath.Join(coreSources, "fn", "Serializer.cs")); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, path := range []string{core, function} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = string(data)
	}
	files["dotnet.deps.json"], files["dotnet.runtimeconfig.json"] = csharp.Settings("dotnet", "Amazon.Lambda.Core")
	return files
}
