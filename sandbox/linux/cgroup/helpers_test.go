//go:build linux

package cgroup

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sandbox"
)

// TestMain runs the tests, or, as a child of one, what runs in a group.
func TestMain(m *testing.M) {
	if words := os.Getenv("CGROUP_TEST_CHILD"); words != "" {
		if err := child(words); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child waits for a line of input before it begins: it is in no group yet. Then it does
// what words say, says so, and waits for its input to end.
func child(words string) error {
	input := bufio.NewReader(os.Stdin)
	if _, err := input.ReadString('\n'); err != nil {
		return err
	}
	what, n, _ := strings.Cut(words, " ")
	count, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	switch what {
	case "alloc": // MiB
		data, err := syscall.Mmap(-1, 0, count<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			return err
		}
		for i := 0; i < len(data); i += 4096 {
			data[i] = 1
		}
	case "alloc-and-free":
		data, err := syscall.Mmap(-1, 0, count<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_POPULATE)
		if err == nil {
			err = syscall.Munmap(data)
		}
		if err != nil {
			return err
		}
	case "spawn": // sleeping children
		for range count {
			if err := exec.Command("sleep", "1000").Start(); err != nil {
				return err
			}
		}
	case "burn": // milliseconds
		var r syscall.Rusage
		for used := 0; used < count; used = int((r.Utime.Nano() + r.Stime.Nano()) / 1e6) {
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
				return err
			}
		}
	case "tick": // lines without end
		for {
			if _, err := fmt.Println("tick"); err != nil {
				return err
			}
		}
	}
	fmt.Println("done")
	_, err = io.Copy(io.Discard, input)
	return err
}

// kid is a child in a group.
type kid struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a child in g that does what words say.
func start(t testing.TB, g *Group, words string) *kid {
	t.Helper()
	k := &kid{Cmd: exec.Command("/proc/self/exe")}
	k.Env = append(os.Environ(), "CGROUP_TEST_CHILD="+words)
	var err error
	if k.in, err = k.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := k.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	k.out = bufio.NewReader(out)
	k.Stderr = os.Stderr
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = k.Process.Kill() // most often it has ended
		_ = k.Wait()         // killed, or waited for, as it says
	})
	if err := g.AddPID(k.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(k.in, "begin\n"); err != nil {
		t.Fatal(err)
	}
	return k
}

// done waits for the child to have done what it was told.
func (k *kid) done(t testing.TB) {
	t.Helper()
	if line, err := k.out.ReadString('\n'); line != "done\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
}

// signal waits for the child's end and says what signal was the cause.
func (k *kid) signal(t testing.TB) syscall.Signal {
	t.Helper()
	var ended *exec.ExitError
	if err := k.Wait(); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return k.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

// runs says whether the child is there and no zombie.
func (k *kid) runs(t testing.TB) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", k.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return !strings.Contains(string(text), ") Z ")
}

// newID is an ID no other tree has.
func newID() string { return strings.ToLower(rand.Text()[:12]) }

// realTree is a tree on this machine, as it is.
func realTree(t testing.TB) *Tree {
	t.Helper()
	id := newID()
	leak.Check(t, id)
	tree := openFor(t, id, system)
	if tree.Version() == 0 {
		t.Skip("no control groups here: ", tree.Gaps())
	}
	return tree
}

func openFor(t testing.TB, id string, on machine) *Tree {
	t.Helper()
	tree, err := openTree(Options{ID: id}, on)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return tree
}

func newGroup(t testing.TB, tree *Tree, name string, l sandbox.Limits) *Group {
	t.Helper()
	g, err := tree.New(name, l)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// eventually polls until f says yes.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
