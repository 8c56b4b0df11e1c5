package runtimes

import (
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/wick-run/wick"
)

var ruby = &language{
	name: Ruby, title: "Ruby", prefix: "ruby",
	identifier: regexp.MustCompile(`^(\d{1,3})\.(\d{1,3})$`),
	byMinor:    true,
	carriesSDK: true,
	runs:       func(v version) bool { return v[0] >= 3 },

	programs: regexp.MustCompile(`^ruby(?:\d+\.\d+)?$`),
	printed:  regexp.MustCompile(`^ruby (\d+\.\d+\.\d+)`),
	places: func(f folders) []place {
		const bin = "bin/ruby"
		return []place{
			{"rbenv", filepath.Join(f.env("RBENV_ROOT", ".rbenv"), "versions"), bin},
			{"rvm", filepath.Join(f.env("rvm_path", ".rvm"), "rubies"), bin},
			{"rvm", filepath.Join(f.root, "/usr/local/rvm/rubies"), bin},
			{"asdf", filepath.Join(f.asdf, "ruby"), bin},
			{"mise", filepath.Join(f.mise, "ruby"), bin},
			{"chruby", filepath.Join(f.home, ".rubies"), bin},
			{"chruby", filepath.Join(f.root, "/opt/rubies"), bin},
		}
	},

	mounts: func(s *Set, in Interpreter) ([]Mount, error) {
		if in.Root == "" {
			frame, err := s.systemFrame(in, "ruby", filepath.Base(in.Bin))
			return []Mount{{frame, langDir}}, err
		}
		return []Mount{{in.Root, langDir}}, nil
	},
	program: func(Interpreter) string { return langDir + "/bin/ruby" },
	command: rubyCommand,
	frames:  logFrames,

	environment: func(env map[string]string, _ Match, w wanted) {
		library := fmt.Sprintf("%d.%d.0", w.major, w.minor)
		env["GEM_HOME"] = runtimeDir
		env["GEM_PATH"] = "/var/task/vendor/bundle/ruby/" + library + ":/opt/ruby/gems/" + library +
			":/var/runtime:/var/runtime/ruby/" + library
		env["RUBYLIB"] = "/var/runtime/gems/aws_lambda_ric-3.1.3/lib:/var/task:/var/runtime/lib:/opt/ruby/lib"
		// Ruby's image has them twice.
		env["PATH"] = langDir + "/bin:" + env["PATH"]
		env["LD_LIBRARY_PATH"] = langDir + "/lib:" + env["LD_LIBRARY_PATH"]
	},
	adapt:          keepLibrary,
	laterVariables: []string{"GEM_HOME", "GEM_PATH", "RUBYLIB"},
	startVariables: []string{"RUBYOPT", "RUBY_*", "RUBYSHELL"},
}

// rubyCommand starts Ruby with its own library named where it was moved: where that is,
// is compiled in.
func rubyCommand(m Match, program string, _ *wick.Function) []string {
	args := []string{program}
	if root := m.Interpreter.Root; root != "" {
		v, _ := parseVersion(m.Interpreter.Version) // interpreters without a version aren't kept
		library := fmt.Sprintf("lib/ruby/%d.%d.0", v[0], v[1])
		args = append(args, "-I", filepath.Join(langDir, library))
		// The extensions' folder is named after the machine, e.g. x86_64-linux.
		configs, _ := filepath.Glob(filepath.Join(root, library, "*", "rbconfig.rb")) // the pattern is well-formed
		for _, config := range configs {
			args = append(args, "-I", filepath.Join(langDir, library, filepath.Base(filepath.Dir(config))))
		}
	}
	return append(args, runtimeDir+"/lib/bootstrap.rb")
}
