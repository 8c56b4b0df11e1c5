package leak

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAChildProcessIsFoundWithItsOwnChildren(t *testing.T) {
	before := Now()
	cmd := exec.Command("sh", "-c", "sleep 1000 & echo ready; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	found := before.Diff(Now())
	expect(t, found, "process", "sh -c")
	expect(t, found, "process", "sleep 1000")
	if err := unix.Kill(-cmd.Process.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it says
	if left := before.wait(); len(left) > 0 {
		t.Errorf("after its end: %q", left)
	}
}

func TestAMountBelowATestsFolderIsFound(t *testing.T) {
	dir := t.TempDir()
	before := Now(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		if os.Getuid() == 0 {
			t.Fatal(err)
		}
		t.Skip("mounting needs root")
	}
	expect(t, before.Diff(Now(dir)), "mount", dir)
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if left := before.wait(); len(left) > 0 {
		t.Errorf("after its end: %q", left)
	}
}
