//go:build linux

package linux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

func init() { roles["user"] = ordinaryUser }

// ordinaryUser makes a sandbox without privileges and prints what it finds in it.
func ordinaryUser() {
	say := func(what string, values ...any) { fmt.Println(what+":", fmt.Sprint(values...)) }
	d, err := New(Options{ID: os.Getenv("WICK_TEST_ID"), Dir: os.Getenv("WICK_TEST_DIR"), Egress: true, Ahead: 1})
	if err != nil {
		say("new", err)
		os.Exit(0)
	}
	say("gaps", len(d.Gaps()))
	s, err := d.Create(context.Background(), sandbox.Spec{
		ID: "a", Hostname: "inside", TmpMB: 8, Slots: []string{"/var/task"}, Egress: true,
		Limits: sandbox.Limits{MemoryBytes: 64 << 20, Processes: 50},
	})
	if err != nil {
		say("create", err)
		os.Exit(0)
	}
	say("attach", s.Attach(sandbox.Mount{Source: "/usr/share", Target: "/var/task"}))
	l, err := s.Listen("tcp", "169.254.100.1:9001")
	say("listen", err)
	if err == nil {
		say("closed", l.Close())
	}
	for name, script := range map[string]string{
		"user":  "id -u; id -g",
		"root":  "ls / | tr '\\n' ' '",
		"slot":  "ls /var/task | wc -l",
		"write": "touch /usr/x /x 2>/dev/null; echo $?",
		"full":  "head -c 9000000 /dev/zero >/tmp/x; echo $?",
		"kill":  "kill -9 1; ls /proc/1 2>/dev/null || echo alive",
	} {
		r, w, err := os.Pipe()
		if err != nil {
			say(name, err)
			continue
		}
		c := shell(script)
		c.Stdout = w
		_, err = s.Start(c)
		err = errors.Join(err, w.Close())
		text, readErr := io.ReadAll(r)
		if err := errors.Join(err, readErr); err != nil {
			say(name, err)
			continue
		}
		say(name, strings.Join(strings.Fields(string(text)), " "))
	}
	p, err := s.Start(shell("sleep 1000 & sleep 1000"))
	say("start", err)
	say("freeze", s.Freeze())
	u, err := s.Usage()
	say("usage", u.Processes > 0, u.MemoryBytes > 0, err)
	say("kill all", s.KillAll())
	<-p.Done()
	say("close", d.Close())
	os.Exit(0)
}

func TestAnOrdinaryUserGetsSandboxesToo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user, and this is none")
	}
	// Of the test binary's own folder the other user can read nothing.
	dir, err := os.MkdirTemp("", "wick-test")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir+"/program", string(program), 0o755)
	home := dir + "/home"
	const nobody = 65534
	if err := errors.Join(os.Mkdir(home, 0o755), os.Chown(home, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dir + "/program")
	cmd.Env = []string{"PATH=/usr/bin:/bin", roleVariable + "=user", "WICK_TEST_DIR=" + home, "WICK_TEST_ID=" + newID()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "the kernel refused a user namespace") {
		t.Skip("this kernel gives an ordinary user no user namespace: ", string(out))
	}
	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		got[name] = value
	}
	for name, want := range map[string]string{
		"gaps": "4", "attach": "<nil>", "listen": "<nil>", "closed": "<nil>",
		"user": "993 990", "write": "1", "full": "1", "kill": "alive",
		"start": "<nil>", "freeze": "<nil>", "usage": "true true <nil>", "kill all": "<nil>", "close": "<nil>",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, not %q", name, got[name], want)
		}
	}
	if strings.Contains(got["root"], "home") || !strings.Contains(got["root"], "usr") {
		t.Errorf("the root has %s", got["root"])
	}
	if got["slot"] == "" || got["slot"] == "0" {
		t.Errorf("the slot has %q files", got["slot"])
	}
	if t.Failed() {
		t.Log(string(out))
	}
}

func TestPrivateMountsAreEntered(t *testing.T) {
	// TestMain has entered: what goes on in here is not seen outside.
	var here, outside unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &here); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid()), &outside); err != nil {
		t.Skip("can't look at the mounts of the parent: ", err)
	}
	if here.Ino == outside.Ino {
		t.Error("the tests are in the mount namespace of who started them")
	}
	if _, ok := os.LookupEnv(enteredVariable); ok {
		t.Error("the mark in the environment is still there")
	}
}
