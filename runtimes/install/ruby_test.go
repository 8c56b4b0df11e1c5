package install

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wick-run/wick/runtimes"
)

// gemServer serves gems of these names, made and indexed with the machine's own gem, and
// has gem ask it.
func gemServer(t *testing.T, in runtimes.Interpreter, names ...string) {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "gems"), 0o700); err != nil {
		t.Fatal(err)
	}
	gem := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), in.Bin, append([]string{filepath.Join(filepath.Dir(in.Bin), "gem")}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			if strings.Contains(string(out), "Unknown command") {
				t.Skipf("this gem can't make an index: %s", out)
			}
			t.Fatalf("gem %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for n, name := range names {
		source := t.TempDir()
		needs := ""
		if n > 0 {
			needs = "  s.add_dependency 'aws-sdk-core', '~> 3'\n"
		}
		for file, text := range map[string]string{
			"lib/" + name + ".rb": fmt.Sprintf("AWS_%d = '%s'\n", n, name),
			"x.gemspec": fmt.Sprintf("Gem::Specification.new do |s|\n  s.name = '%s'\n  s.version = '3.1.%d'\n  s.summary = 'x'\n"+
				"  s.authors = ['x']\n  s.files = ['lib/%s.rb']\n%send\n", name, n, name, needs),
		} {
			at := filepath.Join(source, file)
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		gem(source, "build", "--silent", "--force", "x.gemspec", "--output", filepath.Join(dir, "gems", fmt.Sprintf("%s-3.1.%d.gem", name, n)))
	}
	gem(dir, "generate_index", "--silent", "--directory", dir)
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(s.Close)
	if err := os.WriteFile(filepath.Join(home, ".gemrc"), []byte(":sources:\n- "+s.URL+"/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GEMRC", filepath.Join(home, ".gemrc"))
	t.Setenv("HOME", home)
}

func TestRubysSDKIsGems(t *testing.T) {
	i, _ := newInstaller(t)
	in := need(t, i, runtimes.Ruby)
	if !isFile(filepath.Join(filepath.Dir(in.Bin), "gem")) {
		t.Skip("gem is not on this machine")
	}
	gemServer(t, in, "aws-sdk-core", "aws-sdk-lambda")
	if err := i.SDKFor(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	there := onlyInstalled(t, i.Dir, "sdk-ruby"+in.SDKVersion()+"-3.1.0-")[0]
	if len(there.Packages) != 2 || versionIn(there.Packages, "aws-sdk-lambda") != "3.1.1" || !strings.HasPrefix(there.Packages[0].Checksum, "sha256:") {
		t.Errorf("packages are %+v", there.Packages)
	}

	// It is found where AWS has it, at GEM_PATH's /var/runtime.
	match, err := i.Machine.Look("ruby3.3")
	if err == nil {
		err = i.Machine.Refresh(t.Context())
	}
	if err == nil {
		match, err = i.Machine.Match("ruby3.3", false)
	}
	if err != nil || match.SDKVersion != "3.1.0" {
		t.Fatalf("what runs Ruby has the SDK %q, %v", match.SDKVersion, err)
	}
	folder := match.Mounts[len(match.Mounts)-1].Source
	cmd := exec.CommandContext(t.Context(), in.Bin, "-e", "require 'aws-sdk-lambda'; require 'aws-sdk-core'; print AWS_1, $LOADED_FEATURES.grep(/sdk-lambda.rb/)")
	cmd.Env = append(os.Environ(), "GEM_HOME="+folder, "GEM_PATH="+folder)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), folder+"/gems/aws-sdk-lambda-3.1.1/lib/aws-sdk-lambda.rb") {
		t.Errorf("required with %v: %s", err, out)
	}
}
