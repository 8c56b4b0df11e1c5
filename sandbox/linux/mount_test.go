//go:build linux

package linux

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

func TestMountsShowWhatTheyAreOf(t *testing.T) {
	dir := t.TempDir()
	// Nobody but root gets to what is below, on the host.
	locked := filepath.Join(dir, "locked")
	writeFile(t, locked+"/lang/bin/tool", "#!/bin/sh\necho tool\n", 0o755)
	writeFile(t, locked+"/file", "a file", 0o644)
	writeFile(t, dir+"/outer/inner/covered", "covered", 0o644)
	if err := os.Chmod(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(locked+"/lang", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	s := create(t, open(t), sandbox.Spec{Mounts: []sandbox.Mount{
		{Source: locked + "/lang", Target: "/var/outer/inner"}, // out of order, below another
		{Source: dir + "/outer", Target: "/var/outer"},
		{Source: dir + "/link", Target: "/var/lang"},
		{Source: locked + "/file", Target: "/var/runtime/bootstrap"},
		{Source: locked + "/file", Target: "/etc/machine-info"},
	}})
	for script, want := range map[string]string{
		"/var/lang/bin/tool":                   "tool",
		"/var/outer/inner/bin/tool":            "tool",
		"cat /var/runtime/bootstrap":           "a file",
		"cat /etc/machine-info":                "a file",
		"ls /var/outer/inner":                  "bin",
		"ls /var/task /opt":                    "/opt:\n\n/var/task:",
		"cat /etc/hostname":                    "inside",
		"cat /etc/resolv.conf":                 "nameserver 169.254.100.1",
		"grep -c ' /sys' /proc/mounts || true": "0",
	} {
		if got := sh(t, s, script); got != want {
			t.Errorf("%s: %q, not %q", script, got, want)
		}
	}
}

func TestWhatIsMountedBelowASourceIsReadOnlyToo(t *testing.T) {
	source := t.TempDir()
	for _, name := range []string{"/outer", "/later"} {
		if err := os.Mkdir(source+name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(at string) {
		t.Helper()
		if err := unix.Mount("test", at, "tmpfs", 0, "mode=777"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(at, 0); err != nil {
				t.Error(err)
			}
		})
		writeFile(t, at+"/file", "text", 0o666)
	}
	mount(source + "/outer")
	s := create(t, open(t), sandbox.Spec{Mounts: []sandbox.Mount{{Source: source, Target: "/var/mounted"}}})
	if err := s.Attach(sandbox.Mount{Source: source, Target: "/var/task"}); err != nil {
		t.Fatal(err)
	}
	mount(source + "/later")
	for _, at := range []string{"/var/mounted", "/var/task"} {
		if got := sh(t, s, "cat "+at+"/outer/file; ls "+at+"/later"); got != "text" {
			t.Errorf("%s: %q", at, got)
		}
		if text, exit := run(t, s, shell("echo x >"+at+"/outer/file")); exit.Code == 0 {
			t.Errorf("%s was written to: %s", at, text)
		}
	}
	// And the sandbox doesn't hold what it doesn't show: Cleanup can unmount.
}

func TestAnInterpreterOfAnotherPlaceRunsAtVarLang(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on the PATH")
	}
	out, err := exec.Command(python, "-c", "import sys; print(sys.prefix); print(sys.executable)").Output()
	prefix, executable, ok := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || !ok {
		t.Skip("python3 doesn't say where it is: ", err)
	}
	inside, ok := strings.CutPrefix(executable, prefix)
	if !ok || strings.HasPrefix(prefix, "/usr") {
		t.Skip("python3 is in ", prefix, ", which every sandbox has")
	}
	s := create(t, open(t), sandbox.Spec{Mounts: []sandbox.Mount{{Source: prefix, Target: "/var/lang"}}})
	c := sandbox.Command{
		Path: "/var/lang" + inside, Args: []string{"/var/lang" + inside, "-c", "import sys, json, ssl, multiprocessing; multiprocessing.Lock(); print(sys.prefix)"},
		Env: []string{"LD_LIBRARY_PATH=/var/lang/lib"}, Dir: "/var/task",
	}
	if text, exit := run(t, s, c); text != "/var/lang" || exit != (sandbox.Exit{}) {
		t.Errorf("%+v: %s", exit, text)
	}
}
