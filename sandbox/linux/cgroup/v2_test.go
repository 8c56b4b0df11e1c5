//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/mountinfo"

	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sandbox"
)

// unified is where this machine has version 2, which may be without the controllers that
// limit anything: freezing, killing and the rules of delegation are there all the same.
func unified(t *testing.T) string {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		t.Fatal(err)
	}
	if len(mounts) == 0 {
		t.Skip("no cgroup2 is mounted here")
	}
	if os.Getuid() != 0 {
		t.Skip("making control groups needs root")
	}
	return mounts[0].Mountpoint
}

// v2Machine has version 2 alone, at top, with this process in own.
func v2Machine(t *testing.T, top, own string) machine {
	t.Helper()
	rel := strings.TrimPrefix(own, top)
	return fakeMachine(t, fmt.Sprintf("41 31 0:38 / %s rw - cgroup2 cgroup2 rw\n", top), "0::/"+strings.TrimPrefix(rel, "/")+"\n")
}

// realV2 is a tree in this machine's version 2.
func realV2(t *testing.T) *Tree {
	t.Helper()
	id := newID()
	leak.Check(t, id)
	top := unified(t)
	return openFor(t, id, v2Machine(t, top, top))
}

func TestVersion2FreezesAndThaws(t *testing.T) {
	g := newGroup(t, realV2(t), "a", sandbox.Limits{})
	frozenGroupStands(t, g)
}

func TestVersion2KillsWhatIsFrozen(t *testing.T) {
	killEndsFrozen(t, newGroup(t, realV2(t), "a", sandbox.Limits{}))
}

func TestVersion2SparesTheProcessesToKeep(t *testing.T) {
	killSpares(t, newGroup(t, realV2(t), "a", sandbox.Limits{}))
}

func TestVersion2StartsAProcessInTheGroup(t *testing.T) {
	g := newGroup(t, realV2(t), "a", sandbox.Limits{})
	fd, ok := g.CloneFD()
	if !ok {
		t.Fatal("no descriptor")
	}
	cmd := exec.Command("cat", "/proc/self/cgroup")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.ENOSYS) {
		t.Skip("clone3 isn't permitted here")
	}
	if err != nil || !strings.Contains(string(out), filepath.Base(g.tree.folder())+"/a") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestVersion2SaysWhichControllersAreMissing(t *testing.T) {
	tree := realV2(t)
	if tree.Version() != 2 {
		t.Fatalf("version %d", tree.Version())
	}
	for _, c := range v2Controllers {
		missing := !contains(tree.hier.(*v2).has, c)
		said := slices.ContainsFunc(tree.Gaps(), func(gap string) bool { return strings.Contains(gap, c+" controller") })
		if missing != said {
			t.Errorf("%s: missing %v, said %v", c, missing, said)
		}
	}
}

// delegation is a folder of version 2 in which there is a controller to hand on.
type delegation struct {
	id, top, own, controller string
}

// delegated makes own, below a new folder top of the real hierarchy, with the controller
// on in it. Any will do, and hugetlb is one that machines with version 1 leave to
// version 2.
func delegated(t *testing.T) delegation {
	t.Helper()
	d := delegation{id: newID(), controller: "hugetlb"}
	leak.Check(t, d.id)
	root := unified(t)
	text, err := readFile(root, "cgroup.controllers")
	if err != nil {
		t.Fatal(err)
	}
	if !contains(strings.Fields(text), d.controller) {
		t.Skipf("version 2 has no %s controller here, but %q", d.controller, text)
	}
	was, err := readFile(root, "cgroup.subtree_control")
	if err != nil {
		t.Fatal(err)
	}
	d.top = filepath.Join(root, "top-"+d.id)
	d.own = filepath.Join(d.top, "own")
	if err := os.MkdirAll(d.own, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeFolder(d.top); err != nil {
			t.Error(err)
		}
		if !contains(strings.Fields(was), d.controller) {
			// Another test's folder beside may have it on.
			_ = writeFile(root, "cgroup.subtree_control", "-"+d.controller)
		}
	})
	for _, dir := range []string{root, d.top} {
		if err := writeFile(dir, "cgroup.subtree_control", "+"+d.controller); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d delegation) machine(t *testing.T) machine {
	on := v2Machine(t, d.top, d.own)
	on.v2 = []string{d.controller}
	return on
}

// enter moves this process into a group and back after the test.
func enter(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	var was string
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "0::"); ok {
			was = filepath.Join(unified(t), strings.TrimSpace(rest))
		}
	}
	self := strconv.Itoa(os.Getpid())
	if err := writeFile(dir, "cgroup.procs", self); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := writeFile(was, "cgroup.procs", self); err != nil {
			t.Error(err)
		}
	})
}

func (d delegation) placed(t *testing.T, tree *Tree, dir string) {
	t.Helper()
	if got := filepath.Dir(tree.folder()); got != dir {
		t.Errorf("its folder is in %s, not %s", got, dir)
	}
	if gaps := tree.Gaps(); len(gaps) > 0 {
		t.Errorf("gaps: %q", gaps)
	}
	g := newGroup(t, tree, "a", sandbox.Limits{})
	if text, err := readFile(g.member.(*v2Group).dir, "cgroup.controllers"); text != d.controller || err != nil {
		t.Errorf("a group has controllers %q, %v", text, err)
	}
}

func TestAloneInItsGroupTheServerMakesRoomInIt(t *testing.T) {
	d := delegated(t)
	enter(t, d.own)
	tree := openFor(t, d.id, d.machine(t))
	d.placed(t, tree, d.own)
	if pids, err := readPIDs(d.own); len(pids) > 0 || err != nil {
		t.Errorf("processes are left there: %v, %v", pids, err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	// All is as it was.
	if pids, err := readPIDs(d.own); !slices.Equal(pids, []int{os.Getpid()}) || err != nil {
		t.Errorf("processes there: %v, %v", pids, err)
	}
	if names, err := subfolders(d.own); len(names) > 0 || err != nil {
		t.Errorf("folders there: %q, %v", names, err)
	}
	if text, err := readFile(d.own, "cgroup.subtree_control"); text != "" || err != nil {
		t.Errorf("controllers handed on: %q, %v", text, err)
	}
}

func TestBesideOthersTheServerGoesToTheGroupAbove(t *testing.T) {
	d := delegated(t)
	beside(t, d.own)
	enter(t, d.own)
	tree := openFor(t, d.id, d.machine(t))
	d.placed(t, tree, d.top)
	if pids, err := readPIDs(d.own); len(pids) != 2 || err != nil {
		t.Errorf("it moved processes: %v, %v", pids, err)
	}
}

// beside is another process in dir.
func beside(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // killed, as it says
	})
	if err := writeFile(dir, "cgroup.procs", strconv.Itoa(cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
}

func TestInAContainerTheServerMovesWhatIsBesideIt(t *testing.T) {
	d := delegated(t)
	beside(t, d.own)
	enter(t, d.own)
	d.top = d.own // nothing is above
	tree := openFor(t, d.id, d.machine(t))
	d.placed(t, tree, d.own)
	if pids, err := readPIDs(leafOf(d.own, "wick-"+d.id)); len(pids) != 2 || err != nil {
		t.Errorf("in the leaf: %v, %v", pids, err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	if pids, err := readPIDs(d.own); len(pids) != 2 || err != nil {
		t.Errorf("not all are back: %v, %v", pids, err)
	}
}

// files is a group whose files are plain ones: what is written to them can be read back.
func files(t *testing.T, content map[string]string) *v2Group {
	t.Helper()
	h := &v2{parent: t.TempDir(), has: v2Controllers}
	dir := filepath.Join(h.parent, "a")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := h.open("a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.release(); err != nil {
			t.Error(err)
		}
	})
	return m.(*v2Group)
}

// plain is what the kernel has in the files at first.
func plain() map[string]string {
	return map[string]string{
		"cgroup.events": "populated 1\nfrozen 0\n", "cgroup.freeze": "0\n", "cgroup.procs": "12\n34\n",
		"cpu.stat": "usage_usec 1500000\nuser_usec 1\n", "cpu.max": "max 100000\n",
		"memory.current": "100000000\n", "memory.peak": "120000000\n", "memory.max": "max\n",
		"memory.stat":     "anon 1\ninactive_anon 5\ninactive_file 30000000\n",
		"memory.events":   "low 0\nhigh 0\noom 3\noom_kill 2\noom_group_kill 1\n",
		"memory.swap.max": "max\n", "memory.oom.group": "0\n", "pids.max": "max\n", "pids.current": "7\n",
	}
}

func TestVersion2WritesLimitsInItsOwnWords(t *testing.T) {
	leak.Check(t)
	m := files(t, plain())
	expect := func(want map[string]string) {
		t.Helper()
		for name, text := range want {
			if got, err := readFile(m.dir, name); got != text || err != nil {
				t.Errorf("%s is %q, not %q (%v)", name, got, text, err)
			}
		}
	}
	first := sandbox.Limits{MemoryBytes: 128 << 20, CPUMilli: 72, Processes: 1024}
	if err := m.limit(nil, first); err != nil {
		t.Fatal(err)
	}
	expect(map[string]string{
		"memory.max": "134217728", "memory.swap.max": "0", "memory.oom.group": "1",
		"cpu.max": "1440 20000", "pids.max": "1024",
	})
	if err := m.limit(&first, sandbox.Limits{}); err != nil {
		t.Fatal(err)
	}
	expect(map[string]string{"memory.max": "max", "cpu.max": "max 20000", "pids.max": "max"})
}

func TestVersion2ReadsUsageAndItsPeak(t *testing.T) {
	leak.Check(t)
	m := files(t, plain())
	u, err := m.usage()
	want := sandbox.Usage{MemoryBytes: 70_000_000, PeakMemoryBytes: 120_000_000, CPU: 1_500_000_000, Processes: 7, OOMKills: 2}
	if u != want || err != nil {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestWhereThePeakCannotBeResetReadingsAreIt(t *testing.T) {
	leak.Check(t)
	content := plain()
	delete(content, "memory.peak")
	m := files(t, content)
	g := &Group{name: "a", member: m}
	expect := func(now, peak int64) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(m.dir, "memory.current"), fmt.Appendln(nil, now+30_000_000), 0o600); err != nil {
			t.Fatal(err)
		}
		if u, err := g.Usage(); u.MemoryBytes != now || u.PeakMemoryBytes != peak || err != nil {
			t.Errorf("%+v, %v", u, err)
		}
	}
	expect(50_000_000, 50_000_000)
	expect(20_000_000, 50_000_000)
	if err := g.ResetPeak(); err != nil {
		t.Fatal(err)
	}
	expect(10_000_000, 10_000_000)
}

func TestWeightsOfVersion2AreFractionsOfAUsualOne(t *testing.T) {
	for _, c := range []struct {
		weight, usual int
		want          string
	}{
		{sandbox.UsualWeight, usualWeight, "100"},
		{64 * sandbox.UsualWeight, usualWeight, "6400"},
		{200 * sandbox.UsualWeight, usualWeight, "10000"},
		{sandbox.UsualWeight, groupWeight, "2500"},
		{sandbox.UsualWeight / 8, groupWeight, "312"},
		{sandbox.UsualWeight / 8 / 32, groupWeight, "9"},
		{sandbox.MinWeight, groupWeight, "4"},
		{0, groupWeight, "1"},
	} {
		if got := weightText(c.weight, c.usual); got != c.want {
			t.Errorf("%d, where %d is usual, is %s, not %s", c.weight, c.usual, got, c.want)
		}
	}
}
