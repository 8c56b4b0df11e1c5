package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wick-run/wick/runtimes"
)

// pip is how a Python gets packages: pip of its own, or another's that acts for it.
type pip struct {
	program string
	before  []string // arguments in front of pip's command
}

// pipSettings undo what would lead an install elsewhere than where it is told, and leave
// indexes, proxies and certificates as the user has them.
var pipSettings = []string{
	"PIP_USER=0", "PIP_REQUIRE_VIRTUALENV=0", "PIP_PREFIX=", "PIP_ROOT=", "PIP_NO_INPUT=1",
	"PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_WARN_SCRIPT_LOCATION=1", "PYTHONWARNINGS=ignore", "PYTHONPATH=", "PYTHONHOME=",
}

// errNoPip says what is missing where no Python here has pip.
var errNoPip = errors.New("no Python on this machine has pip, which packages come with: " +
	"`apt-get install python3-pip`, or `python3 -m ensurepip --user`, brings it")

// findPip returns a pip that installs for an interpreter.
func (t tools) findPip(in runtimes.Interpreter) (pip, error) {
	if t.hasPip(in.Bin) {
		return pip{in.Bin, []string{"-m", "pip"}}, nil
	}
	for _, other := range t.installer.Machine.List() {
		if other.Language == runtimes.Python && t.hasPip(other.Bin) {
			return pip{other.Bin, []string{"-m", "pip", "--python", in.Bin}}, nil
		}
	}
	if path, err := exec.LookPath("pip3"); err == nil {
		return pip{path, []string{"--python", in.Bin}}, nil
	}
	return pip{}, errNoPip
}

func (t tools) hasPip(bin string) bool {
	_, err := t.run(pipSettings, bin, "-m", "pip", "--version")
	return err == nil
}

// anyPip returns a pip for what isn't Python: any will do, the newest first.
func (t tools) anyPip() (pip, error) {
	for _, in := range t.installer.Machine.List() {
		if in.Language == runtimes.Python && t.hasPip(in.Bin) {
			return pip{in.Bin, []string{"-m", "pip"}}, nil
		}
	}
	return pip{}, errNoPip
}

// report is what pip says of an install. Source: pip, installation report, version 1.
type report struct {
	Install []struct {
		Metadata struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"metadata"`
		DownloadInfo struct {
			ArchiveInfo struct {
				Hash   string            `json:"hash"` // as pip before 23.1 has it: sha256=HEX
				Hashes map[string]string `json:"hashes"`
			} `json:"archive_info"`
		} `json:"download_info"`
	} `json:"install"`
}

// install puts packages and what they need into a folder: only such as need no building,
// each checked against the index's checksum.
func (p pip) install(t tools, into string, args ...string) ([]runtimes.Package, error) {
	file := filepath.Join(t.scratch, "report.json")
	all := append(append([]string{}, p.before...), "install", "--quiet", "--only-binary", ":all:", "--target", into, "--report", file)
	if _, err := t.run(pipSettings, p.program, append(all, args...)...); err != nil {
		if strings.Contains(err.Error(), "--report") {
			return nil, fmt.Errorf("the pip of %s is older than 22.2, which Wick needs: `%s -m pip install --upgrade pip`", p.program, p.program)
		}
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading pip's report: %w", err)
	}
	if err := os.Remove(file); err != nil {
		return nil, err
	}
	return parseReport(data)
}

// parseReport reads which packages were installed. One without a checksum has been checked
// against nothing, and isn't taken.
func parseReport(data []byte) ([]runtimes.Package, error) {
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("reading pip's report: %w", err)
	}
	var all []runtimes.Package
	for _, one := range r.Install {
		info := one.DownloadInfo.ArchiveInfo
		sum := info.Hashes["sha256"]
		if old, ok := strings.CutPrefix(info.Hash, "sha256="); ok && sum == "" {
			sum = old
		}
		if sum == "" {
			return nil, fmt.Errorf("the index has no sha256 for %s %s: it can't be verified", one.Metadata.Name, one.Metadata.Version)
		}
		all = append(all, runtimes.Package{Name: one.Metadata.Name, Version: one.Metadata.Version, Checksum: "sha256:" + sum})
	}
	return all, nil
}

// pythonSDK is boto3, the newest that supports an interpreter, as /var/runtime has it.
func pythonSDK(t tools, in runtimes.Interpreter, wanted []string, files string) (runtimes.Installed, error) {
	p, err := t.findPip(in)
	if err != nil {
		return runtimes.Installed{}, err
	}
	args := []string{"--compile"}
	if t.installer.Upgrade {
		args = append(args, "--upgrade")
	}
	packages, err := p.install(t, files, append(args, wanted...)...)
	if err != nil {
		return runtimes.Installed{}, err
	}
	// Programs such as jp.py are for terminals, and /var/runtime has none.
	if err := os.RemoveAll(filepath.Join(files, "bin")); err != nil {
		return runtimes.Installed{}, err
	}
	check := []string{"PYTHONPATH=" + files, "PYTHONDONTWRITEBYTECODE=1", "PYTHONHOME="}
	if _, err := t.run(check, in.Bin, "-c", "import boto3; boto3.session.Session()"); err != nil {
		return runtimes.Installed{}, fmt.Errorf("what came can't be imported: %w", err)
	}
	return runtimes.Installed{Version: versionIn(packages, "boto3"), Packages: packages}, nil
}

func versionIn(packages []runtimes.Package, name string) string {
	for _, p := range packages {
		if p.Name == name {
			return p.Version
		}
	}
	return "0"
}

// python gets an interpreter from uv, which downloads and verifies builds of CPython; no
// package registry carries any.
func (i *Installer) python(ctx context.Context, runtime string, want runtimes.Wanted) (*runtimes.Installed, error) {
	version := fmt.Sprintf("%d.%d", want.Major, want.Minor)
	uv, err := exec.LookPath("uv")
	if err != nil {
		return nil, i.fromSystem(ctx, runtime, "python"+version,
			fmt.Sprintf("no registry carries builds of Python: `pyenv install %s`, or `pip install uv` and then this command again, brings one", version))
	}
	key := "python" + version
	return i.install(ctx, key, i.havingInterpreter(key), func(t tools, files string) (runtimes.Installed, error) {
		i.say("%s: getting Python %s with uv", runtime, version)
		at := filepath.Join(t.scratch, "uv")
		if _, err := t.run(nil, uv, "python", "install", "--quiet", "--no-bin", "--install-dir", at, version); err != nil {
			return runtimes.Installed{}, err
		}
		folders, err := filepath.Glob(filepath.Join(at, "cpython-"+version+".*", "bin", "python"+version))
		if err != nil || len(folders) == 0 {
			return runtimes.Installed{}, errors.Join(errors.New("uv has left no Python where it was told to"), err)
		}
		home := filepath.Dir(filepath.Dir(folders[0]))
		full, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(home), "cpython-"), "-")
		if err := moveInto(home, files); err != nil {
			return runtimes.Installed{}, err
		}
		return runtimes.Installed{
			Kind: runtimes.KindInterpreter, Language: runtimes.Python, Version: full, Bin: "bin/python" + version,
			Packages: []runtimes.Package{{Name: "cpython", Version: full, Checksum: "as uv has it"}},
		}, os.RemoveAll(at)
	})
}
