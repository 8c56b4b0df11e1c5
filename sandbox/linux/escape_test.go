//go:build linux

package linux

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

// probe is a mount of the program testdata/probe at /var/probe.
func probe(t testing.TB) sandbox.Mount {
	t.Helper()
	dir, err := probeOnce()
	if err != nil {
		t.Fatal(err)
	}
	return sandbox.Mount{Source: dir, Target: "/var/probe"}
}

// probeOnce builds it, in a folder that stays: it is found again by the next run.
var probeOnce = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(os.TempDir(), "wick-test-probe")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "probe"), "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the probe: %w\n%s", err, out)
	}
	return dir, nil
})

func probing(args ...string) sandbox.Command {
	return sandbox.Command{Path: "/var/probe/probe", Args: append([]string{"probe"}, args...), Dir: "/tmp"}
}

// syscalls makes system calls in a sandbox and returns the errors.
func syscalls(t *testing.T, s *Sandbox, calls ...string) []syscall.Errno {
	t.Helper()
	text, exit := run(t, s, probing(append([]string{"syscalls"}, calls...)...))
	lines := strings.Fields(text)
	if exit != (sandbox.Exit{}) || len(lines) != len(calls) {
		t.Fatalf("%+v: %s", exit, text)
	}
	var errnos []syscall.Errno
	for _, line := range lines {
		n, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		errnos = append(errnos, syscall.Errno(n))
	}
	return errnos
}

func TestRefusedSystemCallsFail(t *testing.T) {
	s := create(t, open(t), sandbox.Spec{Mounts: []sandbox.Mount{probe(t)}})
	machine, err := arch.GetInfo(runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string) string {
		n, ok := machine.SyscallNames[name]
		if !ok {
			t.Fatalf("no system call %s", name)
		}
		return strconv.Itoa(n)
	}
	var names, calls []string
	for _, name := range refused {
		if n, ok := machine.SyscallNames[name]; ok {
			names, calls = append(names, name), append(calls, strconv.Itoa(n))
		}
	}
	for i, got := range syscalls(t, s, calls...) {
		if got != unix.EPERM {
			t.Errorf("%s: %v", names[i], got)
		}
	}
	const high = 1 << 32 // in the upper half of an argument the kernel takes as 32 bits
	for _, c := range []struct {
		call string
		want syscall.Errno
	}{
		{number("clone3"), unix.ENOSYS},
		{fmt.Sprintf("%s:%d", number("clone"), unix.CLONE_NEWUSER|int(unix.SIGCHLD)), unix.EPERM},
		{fmt.Sprintf("%s:%d", number("clone"), unix.CLONE_NEWNS|int(unix.SIGCHLD)), unix.EPERM},
		{fmt.Sprintf("%s:%d", number("clone"), unix.CLONE_NEWPID|int(unix.SIGCHLD)), unix.EPERM},
		{fmt.Sprintf("%s:0:%d", number("ioctl"), unix.TIOCSTI), unix.EPERM},
		{fmt.Sprintf("%s:0:%d", number("ioctl"), unix.TIOCSTI|high), unix.EPERM},
		{fmt.Sprintf("%s:0:%d", number("ioctl"), unix.TIOCGWINSZ), unix.ENOTTY},
		{fmt.Sprintf("%s:%d", number("personality"), 0x0400000), unix.EPERM}, // READ_IMPLIES_EXEC
		{fmt.Sprintf("%s:0", number("personality")), 0},
		{fmt.Sprintf("%s:%d", number("personality"), 0xffffffff), 0},
		{fmt.Sprintf("%s:%d:1:0", number("socket"), unix.AF_UNIX), 0},
		{fmt.Sprintf("%s:%d:1:0", number("socket"), unix.AF_INET), 0},
		{fmt.Sprintf("%s:%d:1:0", number("socket"), unix.AF_INET6), 0},
		{fmt.Sprintf("%s:%d:3:%d", number("socket"), unix.AF_NETLINK, unix.NETLINK_ROUTE), 0},
		{fmt.Sprintf("%s:%d:3:%d", number("socket"), unix.AF_NETLINK, unix.NETLINK_AUDIT), unix.EAFNOSUPPORT},
		{fmt.Sprintf("%s:%d:3:0", number("socket"), unix.AF_PACKET), unix.EAFNOSUPPORT},
		{fmt.Sprintf("%s:%d:5:0", number("socket"), unix.AF_ALG), unix.EAFNOSUPPORT},
		{fmt.Sprintf("%s:%d:1:0", number("socket"), unix.AF_VSOCK), unix.EAFNOSUPPORT},
		{fmt.Sprintf("%s:%d:3:1", number("socket"), unix.AF_INET), unix.EPERM}, // raw: for want of a capability
		{fmt.Sprintf("%s:0", number("setuid")), unix.EPERM},
		{fmt.Sprintf("%s:0", number("setgid")), unix.EPERM},
	} {
		if got := syscalls(t, s, c.call)[0]; got != c.want {
			t.Errorf("%s: %v, not %v", c.call, got, c.want)
		}
	}
	if runtime.GOARCH != "amd64" {
		return
	}
	const x32 = 0x40000000
	if got := syscalls(t, s, strconv.Itoa(x32|unix.SYS_GETPID))[0]; got != unix.ENOSYS {
		t.Errorf("x32: %v", got)
	}
	if text, exit := run(t, s, probing("int80")); exit.Signal != unix.SIGSYS {
		t.Errorf("by int 0x80: %+v, %s", exit, text)
	}
}

// TestTheHostIsOutOfReach runs shell commands that must fail, each for a wall.
func TestTheHostIsOutOfReach(t *testing.T) {
	repo, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, "the host's", 0o644)
	s := create(t, open(t), sandbox.Spec{})
	start(t, s, "echo mine >/tmp/mine; exec sleep 1000")
	for _, script := range []string{
		"cat " + secret, "ls " + repo, "cat /etc/shadow",
		"ls /root", "ls /home", "ls /work", "ls /var/lib", "ls /var/log", "ls /srv", "ls /run", "ls /boot", "ls " + oldRoot + "/*",
		"ls /etc/ssh", "ls /sys/class", "ls /sys/fs",
		// processes
		"ls /proc/1", "cat /proc/1/environ", "ls /proc/1/root/", "ls /proc/1/fd",
		"kill -9 1 && ! kill -0 1", "ls /proc/" + strconv.Itoa(os.Getpid()),
		// the kernel's and the machine's settings
		"echo 1 >/proc/sys/kernel/sysrq", "echo b >/proc/sysrq-trigger", "echo x >/proc/sys/kernel/core_pattern",
		"echo 1 >/proc/sys/vm/overcommit_memory", "echo 1 >/proc/sys/net/ipv4/ip_forward",
		"test -s /proc/kcore", "test -s /proc/keys", "test -s /proc/kallsyms", "test -s /proc/timer_list", "ls /proc/acpi/*",
		"hostname other", "date -s 2001-01-01",
		// files
		"touch /x", "touch /etc/x", "touch /usr/x", "touch /var/task/x", "touch /opt/x", "touch /dev/x", "touch /sys/x", "touch /var/x",
		"echo root::0:0::/:/bin/sh >/etc/passwd", "echo >/proc/meminfo",
		"mknod /tmp/disk b 8 0", "mknod /tmp/mem c 1 1", "mknod /dev/mem c 1 1",
		"cat /dev/mem", "cat /dev/kmsg", "ls /dev/vda /dev/sda /dev/loop0 /dev/kvm", "ls /dev/net",
		"mount -t tmpfs x /tmp", "mount --bind / /tmp", "mount -o remount,rw /usr", "umount /proc", "umount /usr",
		"unshare -U true", "unshare -m true", "nsenter -t 1 -m true", "chroot / true",
		// itself
		"echo -1000 >/proc/self/oom_score_adj", "echo -1 >/proc/self/oom_score_adj",
		"ulimit -n 4096", "ulimit -c unlimited", "renice -n -5 $$", "chown 0 /tmp/mine", "test $(id -u) = 0",
		"echo 0 >/proc/self/uid_map", "ls /sys/fs/cgroup/*",
	} {
		text, exit := run(t, s, shell(script))
		switch exit.Code {
		case 0:
			t.Errorf("%s: succeeded: %s", script, text)
		case 127:
			t.Logf("not tried, there is no such program here: %s", script)
		}
	}
	// It is all still there, and what a function may do it can.
	for _, script := range []string{
		"echo '#!/bin/sh\necho ran' >/tmp/program && chmod +x /tmp/program && /tmp/program",
		"echo x >/dev/shm/x && rm /dev/shm/x", "echo 500 >/proc/self/oom_score_adj", "echo name >/proc/self/comm",
		"head -c 8 /dev/urandom >/dev/null", "test $(hostname) = inside", "getent hosts inside", "getent passwd 993",
		"readlink /proc/self/fd/0 | grep /dev/null", "test $(cat /proc/sys/kernel/shm_rmid_forced) = 1",
		"sleep 1000 & kill $!; exit 0", "date", "test -f /usr/share/zoneinfo/UTC || true", "test \"$(cut -d: -f3- /proc/self/cgroup | sort -u)\" = /",
	} {
		if text, exit := run(t, s, shell(script)); exit.Code != 0 {
			t.Errorf("%s: %+v: %s", script, exit, text)
		}
	}
}

func TestASetuidProgramGainsNothing(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("/usr/bin/id")
	if err != nil {
		t.Skip("no /usr/bin/id to make a setuid program of: ", err)
	}
	writeFile(t, dir+"/id", string(text), 0o755)
	if err := os.Chmod(dir+"/id", 0o755|os.ModeSetuid|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	s := create(t, open(t), sandbox.Spec{Mounts: []sandbox.Mount{{Source: dir, Target: "/var/setuid"}}})
	if err := s.Attach(sandbox.Mount{Source: dir, Target: "/var/task"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/var/setuid/id", "/var/task/id"} {
		if got := sh(t, s, path+" -u; "+path+" -g"); got != "993\n990" {
			t.Errorf("%s: it is %s", path, got)
		}
	}
}

func TestAForkBombIsBoundedAndEnds(t *testing.T) {
	d := open(t)
	if d.cgroups.Version() == 0 {
		t.Skip("no cgroups here to bound processes with")
	}
	s := create(t, d, sandbox.Spec{
		Mounts: []sandbox.Mount{probe(t)},
		Limits: sandbox.Limits{MemoryBytes: 512 << 20, Processes: 64},
	})
	text, exit := run(t, s, probing("fork"))
	if !strings.Contains(text, "resource temporarily unavailable") || exit != (sandbox.Exit{}) {
		t.Fatalf("%+v: %s", exit, text)
	}
	if u, err := s.Usage(); err != nil || u.Processes > 64 || u.Processes < 5 {
		t.Errorf("%+v, %v", u, err)
	}
	// With no room for another process, the server's requests still come through.
	bomb := start(t, s, "f() { f | f & }; while :; do f; done")
	if err := s.KillAll(); err != nil {
		t.Fatal(err)
	}
	wait(t, bomb)
	if u, err := s.Usage(); err != nil || u.Processes != 0 {
		t.Errorf("%+v, %v", u, err)
	}
	sh(t, s, "true")
}

func TestAMemoryBombEndsAndTheSandboxIsUsableAgain(t *testing.T) {
	d := open(t)
	if d.cgroups.Version() == 0 {
		t.Skip("no cgroups here to bound memory with")
	}
	s := create(t, d, sandbox.Spec{
		Mounts: []sandbox.Mount{probe(t)},
		Limits: sandbox.Limits{MemoryBytes: 64 << 20, Processes: 64},
	})
	for range 2 {
		if text, exit := run(t, s, probing("grow")); !exit.OOM || exit.Signal != unix.SIGKILL {
			t.Errorf("%+v: %s", exit, text)
		}
		if err := s.KillAll(); err != nil {
			t.Fatal(err)
		}
		if text, exit := run(t, s, shell("true")); exit != (sandbox.Exit{}) {
			t.Errorf("the next process: %+v %s", exit, text)
		}
	}
}

func TestAFrozenSandboxGetsNoCPU(t *testing.T) {
	s := create(t, open(t), sandbox.Spec{})
	p := start(t, s, "while :; do :; done")
	used := func() time.Duration {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		_, ticks := parseStat(text)
		return time.Duration(ticks) * time.Second / clockTicks
	}
	deadline := time.Now().Add(patience)
	progress := func(from time.Duration) {
		t.Helper()
		for used() < from+50*time.Millisecond {
			if time.Now().After(deadline) {
				t.Fatalf("it gets no CPU: %v", used())
			}
			runtime.Gosched()
		}
	}
	progress(0)
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	before := used()
	// A machine that is busy for a while would have run it too.
	for begin := time.Now(); time.Since(begin) < 200*time.Millisecond; {
	}
	if after := used(); after != before {
		t.Errorf("frozen, it went from %v to %v", before, after)
	}
	if _, err := s.Start(shell("true")); err == nil {
		t.Error("a frozen sandbox starts a process")
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	progress(before)
}

func TestProcShowsTheLimits(t *testing.T) {
	s := create(t, open(t), sandbox.Spec{Limits: sandbox.Limits{MemoryBytes: 256 << 20, CPUMilli: 145}})
	memory := func() string {
		return sh(t, s, "grep -E '^(MemTotal|MemAvailable|SwapTotal)' /proc/meminfo | tr -s ' '")
	}
	if got := memory(); got != "MemTotal: 262144 kB\nMemAvailable: 262144 kB\nSwapTotal: 0 kB" {
		t.Errorf("of 256 MB: %s", got)
	}
	if got, want := sh(t, s, "grep -c ^processor /proc/cpuinfo"), strconv.Itoa(min(2, runtime.NumCPU())); got != want {
		t.Errorf("it sees %s CPUs, not %s", got, want)
	}
	// One that runs already sees what is set later.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := shell("read x <&3; grep MemTotal /proc/meminfo")
	c.Stdout, c.Files = outW, []*os.File{r}
	p, err := s.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Limit(sandbox.Limits{MemoryBytes: 1 << 30, CPUMilli: 2000}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{w, r, outW} {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, p)
	buf := make([]byte, 100)
	n, err := out.Read(buf)
	if got := strings.Fields(string(buf[:n])); err != nil || len(got) != 3 || got[1] != "1048576" {
		t.Errorf("%q, %v", got, err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestChildrenLeftBehindEndWithClose(t *testing.T) {
	s := create(t, open(t), sandbox.Spec{})
	sh(t, s, "setsid sleep 1000 >/dev/null 2>&1 & nohup sleep 1000 >/dev/null 2>&1 & exit 0")
	pids := childrenOf(s.first.Pid)
	if len(pids) != 2 {
		t.Errorf("processes in the sandbox: %v", pids)
	}
	pids = append(pids, s.first.Pid)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}
