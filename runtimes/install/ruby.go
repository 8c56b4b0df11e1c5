package install

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wick-run/wick/runtimes"
)

// ruby gets an interpreter from the system's packages; no registry carries any.
func (i *Installer) ruby(ctx context.Context, runtime string, want runtimes.Wanted) (*runtimes.Installed, error) {
	version := fmt.Sprintf("%d.%d", want.Major, want.Minor)
	return nil, i.fromSystem(ctx, runtime, "ruby"+version,
		fmt.Sprintf("no registry carries builds of Ruby: `rbenv install %s`, or your system's package, brings one", version))
}

// rubySDK is the gems of AWS's SDK for Ruby.
func rubySDK(t tools, in runtimes.Interpreter, wanted []string, files string) (runtimes.Installed, error) {
	gem := filepath.Join(filepath.Dir(in.Bin), "gem")
	if !isFile(gem) {
		return runtimes.Installed{}, fmt.Errorf("there is no gem beside %s, which gems come with: `apt-get install ruby-rubygems` brings it", in.Bin)
	}
	set := []string{"GEM_HOME=" + files, "GEM_PATH=" + files, "BUNDLE_GEMFILE=", "RUBYOPT="}
	args := append([]string{gem, "install", "--quiet", "--no-document", "--no-user-install", "--install-dir", files, "--bindir", filepath.Join(t.scratch, "bin")}, wanted...)
	if _, err := t.run(set, in.Bin, args...); err != nil {
		return runtimes.Installed{}, err
	}
	// gem checks each against the checksums in it; the package as a whole is recorded here.
	packages, err := gemPackages(filepath.Join(files, "cache"))
	if err != nil {
		return runtimes.Installed{}, err
	}
	for _, name := range []string{"cache", "doc", "build_info", "plugins", "bin"} {
		if err := os.RemoveAll(filepath.Join(files, name)); err != nil {
			return runtimes.Installed{}, err
		}
	}
	if _, err := t.run(set, in.Bin, "-e", fmt.Sprintf("require %q", wanted[0])); err != nil {
		return runtimes.Installed{}, fmt.Errorf("what came can't be required: %w", err)
	}
	return runtimes.Installed{Version: versionIn(packages, "aws-sdk-core"), Packages: packages}, nil
}

// gemPackages are the gems that gem has kept: NAME-VERSION.gem.
func gemPackages(cache string) ([]runtimes.Package, error) {
	files, err := filepath.Glob(filepath.Join(cache, "*.gem"))
	if err != nil {
		return nil, err
	}
	var all []runtimes.Package
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		whole := strings.TrimSuffix(filepath.Base(file), ".gem")
		cut := strings.LastIndex(whole, "-")
		if cut < 0 {
			continue // no gem's name
		}
		all = append(all, runtimes.Package{Name: whole[:cut], Version: whole[cut+1:], Checksum: "sha256:" + hex.EncodeToString(sum[:])})
	}
	return all, nil
}
