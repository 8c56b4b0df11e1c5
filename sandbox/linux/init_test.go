//go:build linux

package linux

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func TestTheCommittedInitIsWhatItsSourceGives(t *testing.T) {
	for _, cc := range []string{"x86_64-linux-gnu-gcc", "aarch64-linux-gnu-gcc"} {
		if _, err := exec.LookPath(cc); err != nil {
			t.Skip("to build init/init.c again it takes ", cc, " (packages gcc and gcc-aarch64-linux-gnu)")
		}
		// Another release of the compiler gives other bytes, as good.
		version, err := exec.Command(cc, "-dumpfullversion").Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(version)); !strings.HasPrefix(got, "12.") {
			t.Skip("init/*.elf are built by gcc 12, here is ", got)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("init/build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"amd64.elf", "arm64.elf"} {
		built, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(filepath.Join("init", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(built, committed) {
			t.Errorf("%s is not what init.c gives: run go generate ./sandbox/linux", name)
		}
	}
}

// talk starts an init outside any sandbox, to be talked to.
func talk(t *testing.T, command ...string) *control {
	t.Helper()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.ExtraFiles = []*os.File{theirs}
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	c := newControl(ours)
	t.Cleanup(func() {
		c.close()
		// It ends with its socket.
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestInitRunsScripts(t *testing.T) {
	for _, machine := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		t.Run(machine.Name, func(t *testing.T) {
			command := []string{"init/" + map[*arch.Info]string{arch.X86_64: "amd64", arch.AARCH64: "arm64"}[machine] + ".elf"}
			if host, err := arch.GetInfo(runtime.GOARCH); err != nil || host != machine {
				qemu := "qemu-" + machine.Name + "-static"
				if _, err := exec.LookPath(qemu); err != nil {
					t.Skip("to run it here it takes ", qemu, " (package qemu-user-static)")
				}
				command = append([]string{qemu}, command...)
			}
			c := talk(t, command...)
			nr := func(name string) uintptr { return uintptr(machine.SyscallNames[name]) }
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()

			// A passed file, a result of an earlier call, data, and pointers in data.
			k := &script{}
			dup := k.call("dup", nr("dup"), file(1))
			k.call("write", nr("write"), dup, "hello ", 6)
			k.want(6)
			text := k.put([]byte("again"))
			iov := k.put(make([]byte, 16))
			k.setPointer(int(iov), text)
			k.data[iov+8] = 5
			k.call("writev", nr("writev"), dup, iov, 1)
			k.try(nr("close"), 9999)
			if err := c.run(requestRun, k, nil, w); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			if n, err := r.Read(buf); string(buf[:n]) != "hello again" || err != nil {
				t.Errorf("it wrote %q, %v", buf[:n], err)
			}

			k = &script{}
			k.call("fine", nr("getpid"))
			k.call("open nothing", nr("openat"), atFDCWD, "/nowhere", 0, 0)
			k.call("not reached", nr("write"), file(1), "x", 1)
			err = c.run(requestRun, k, nil, w)
			if !errors.Is(err, unix.ENOENT) || err.Error() != "open nothing: no such file or directory" {
				t.Errorf("error is %v", err)
			}
			k = &script{}
			k.call("write", nr("write"), file(1), "xy", 2)
			k.want(1)
			if err = c.run(requestRun, k, nil, w); !errors.Is(err, unix.EPROTO) {
				t.Errorf("for a result that isn't wanted, error is %v", err)
			}
			// Nobody is signalled by an init that isn't a PID namespace's first process.
			req, err := c.signal(unix.SIGCONT)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := req.wait(); err != nil || unix.Errno(m.b) != unix.EPERM {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

// TestTheFilterOfEachArchitecture runs the filters as the kernel would.
func TestTheFilterOfEachArchitecture(t *testing.T) {
	for _, machine := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		f, err := assembleFilter(machine)
		if err != nil {
			t.Fatal(err)
		}
		var program []bpf.Instruction
		for _, i := range f {
			program = append(program, i.Disassemble())
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		// The VM reads big-endian, as from a packet.
		ask := func(id uint32, number int, args ...uint64) string {
			b := make([]byte, 64)
			put := func(at int, v uint32) { copy(b[at:], []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}) }
			put(offsetNumber, uint32(number))
			put(offsetArch, id)
			for i, a := range args {
				put(offsetArg0+8*i, uint32(a))
			}
			n, err := vm.Run(b)
			if err != nil {
				t.Fatal(err)
			}
			switch n := uint32(n); {
			case n == seccompAllow:
				return "allowed"
			case n == seccompKill:
				return "killed"
			default:
				return unix.ErrnoName(unix.Errno(n &^ seccompErrno))
			}
		}
		number := machine.SyscallNames
		id := uint32(machine.ID)
		for _, c := range []struct{ got, want string }{
			{ask(id, number["read"]), "allowed"},
			{ask(id, number["execve"]), "allowed"},
			{ask(id, number["mount"]), "EPERM"},
			{ask(id, number["bpf"]), "EPERM"},
			{ask(id, number["clone3"]), "ENOSYS"},
			{ask(id, number["clone"], uint64(unix.SIGCHLD)), "allowed"},
			{ask(id, number["clone"], unix.CLONE_VM|unix.CLONE_THREAD|unix.CLONE_SIGHAND), "allowed"},
			{ask(id, number["clone"], unix.CLONE_NEWUSER), "EPERM"},
			{ask(id, number["socket"], unix.AF_UNIX), "allowed"},
			{ask(id, number["socket"], unix.AF_VSOCK), "EAFNOSUPPORT"},
			{ask(id, number["socket"], unix.AF_NETLINK, 3, unix.NETLINK_ROUTE), "allowed"},
			{ask(id, number["socket"], unix.AF_NETLINK, 3, unix.NETLINK_NETFILTER), "EAFNOSUPPORT"},
			{ask(id, number["ioctl"], 0, unix.TIOCSTI), "EPERM"},
			{ask(id, number["ioctl"], 0, unix.TIOCGWINSZ), "allowed"},
			{ask(id, number["personality"], 8), "EPERM"},
			{ask(id, 100000), "allowed"}, // the kernel's ENOSYS
			{ask(uint32(arch.I386.ID), 20), "killed"},
			{ask(uint32(arch.ARM.ID), 20), "killed"},
		} {
			if c.got != c.want {
				t.Errorf("%s: %s, not %s", machine.Name, c.got, c.want)
			}
		}
		if len(f) > 4096 {
			t.Errorf("%s: %d instructions", machine.Name, len(f))
		}
	}
}

func TestIDsAreGivenOnce(t *testing.T) {
	i := &ids{base: 1000, count: 3, used: map[int]bool{}}
	seen := map[string]identity{}
	for range 3 {
		who, err := i.take()
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []int{who.root, who.user} {
			if id < 1000 || id >= 1006 {
				t.Errorf("%+v", who)
			}
			if other, ok := seen[fmt.Sprint(id)]; ok {
				t.Errorf("%+v and %+v", who, other)
			}
			seen[fmt.Sprint(id)] = who
		}
	}
	if _, err := i.take(); err == nil {
		t.Error("there is a fourth")
	}
	i.release(identity{index: 1})
	if who, err := i.take(); err != nil || who.index != 1 {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestIDMaps(t *testing.T) {
	for _, c := range []struct {
		text  string
		first int
		want  bool
	}{
		{"         0          0 4294967295\n", firstID, true},
		{"0 1000 1\n", 0, false},
		{"0 1000 1\n1 100000 65536\n", 32768, true},
		{"0 1000 1\n1 100000 65536\n", firstID, false},
		{"", 0, false},
	} {
		if got := mapped([]byte(c.text), c.first, 32768); got != c.want {
			t.Errorf("%q from %d: %v", c.text, c.first, got)
		}
	}
}

func TestProcTexts(t *testing.T) {
	const memory = "MemTotal:       24684092 kB\nMemFree:        20000000 kB\nSwapTotal:       1000000 kB\nHugePages_Total:       0\nHugePages_Free:        7\n"
	want := "MemTotal:         131072 kB\nMemFree:          131072 kB\nSwapTotal:             0 kB\nHugePages_Total:       0\nHugePages_Free:        0\n"
	if got := string(memoryInfo([]byte(memory), 128<<20)); got != want {
		t.Errorf("%q", got)
	}
	if got := string(memoryInfo([]byte(memory), 0)); got != memory {
		t.Errorf("%q", got)
	}
	const cpus = "processor: 0\nx: y\n\nprocessor: 1\n\nprocessor: 2\n\n"
	for n, want := range []string{"", "processor: 0\nx: y\n\n", "processor: 0\nx: y\n\nprocessor: 1\n\n", cpus, cpus} {
		if got := string(cpuInfo([]byte(cpus), n)); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for milli, want := range map[int]int{0: runtime.NumCPU(), 72: min(2, runtime.NumCPU()), 2000: min(2, runtime.NumCPU()), 2001: min(3, runtime.NumCPU()), 1 << 20: runtime.NumCPU()} {
		if got := visibleCPUs(milli); got != want {
			t.Errorf("%d: %d", milli, got)
		}
	}
}
