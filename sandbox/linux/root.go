//go:build linux

package linux

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

// systemFolders are those of the host that programs need to run at all: bound where
// they are folders, copied where they are links.
var systemFolders = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
	"/nix/store", "/gnu/store", // where distributions have all their programs
}

// etcOfHost are what libraries look up in /etc and what no function is harmed by
// seeing: certificates, and the settings of language runtimes and the loader.
var etcOfHost = []string{
	"/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/crypto-policies",
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/java*", "/etc/jvm*", "/etc/dotnet", "/etc/python3*", "/etc/fonts",
	"/etc/mime.types", "/etc/protocols", "/etc/services",
}

// ownFolders are there in every sandbox.
var ownFolders = []string{"/etc", "/proc", "/sys", "/dev", "/tmp", "/opt", "/var/task", "/var/runtime", "/var/lang"}

// devices are what /dev has; they can do nothing to the machine.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// maskedProc are files of /proc that tell of the machine more than a function has to
// know, maskedProcFolders folders of that kind. A function couldn't write to any of
// them, nor to those of readOnlyProc, as they belong to a user who doesn't exist in
// its namespace: these are a second wall.
var (
	maskedProc = []string{
		"kcore", "keys", "key-users", "timer_list", "sysrq-trigger", "kmsg", "latency_stats",
		"sched_debug", "kallsyms", "kpagecount", "kpageflags", "kpagecgroup", "cmdline", "config.gz",
		"modules", "iomem", "ioports", "vmallocinfo", "slabinfo", "pagetypeinfo", "partitions", "diskstats", "swaps",
	}
	maskedProcFolders = []string{"scsi", "acpi", "asound", "driver", "fs", "dynamic_debug", "pressure"}
	readOnlyProc      = []string{"sys", "bus", "irq"}
)

// oldRoot is where the host's files are while a sandbox's root is built: one of its own
// folders that is empty before and after.
const oldRoot = "/sys"

// host is what a sandbox's root takes from the machine; it is found out once.
type host struct {
	folders       map[string]string // systemFolders: "" for a bind, else where the link goes
	etc           []string
	devices       []string
	masked        []string
	maskedFolders []string
	readOnly      []string
	// /proc/meminfo and /proc/cpuinfo. The kernel takes a millisecond for the latter.
	memory, cpus []byte
}

func readHost() (*host, error) {
	h := &host{folders: map[string]string{}}
	var err error
	if h.memory, err = os.ReadFile("/proc/meminfo"); err != nil {
		return nil, err
	}
	if h.cpus, err = os.ReadFile("/proc/cpuinfo"); err != nil {
		return nil, err
	}
	for _, dir := range systemFolders {
		info, err := os.Lstat(dir)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink == 0 {
			h.folders[dir] = ""
		} else if to, err := os.Readlink(dir); err == nil {
			h.folders[dir] = to
		}
	}
	for _, pattern := range etcOfHost {
		found, _ := filepath.Glob(pattern) // no pattern of these is malformed
		h.etc = append(h.etc, found...)
	}
	there := func(dir string, names []string) (found []string) {
		for _, name := range names {
			if _, err := os.Lstat(dir + name); err == nil {
				found = append(found, dir+name)
			}
		}
		return found
	}
	h.devices = there("/dev/", devices)
	h.masked = there("/proc/", maskedProc)
	h.maskedFolders = there("/proc/", maskedProcFolders)
	h.readOnly = there("/proc/", readOnlyProc)
	return h, nil
}

// Files of the script that builds a sandbox, as init is passed them: 0 is the script.
const fileNetwork file = 1

// bind is a folder or file of the host, at a path inside.
type bind struct {
	source, target string
	folder         bool
}

// binds resolves what is to be seen of the host. A source may be a link; what it leads
// to is bound, so that a link inside never leads through the half-built root.
func (s *Sandbox) binds(mounts []sandbox.Mount) ([]bind, error) {
	var all []bind
	add := func(source, target string) error {
		r, err := s.driver.places.resolve(source)
		if err != nil {
			return err
		}
		all = append(all, bind{r.path, target, r.folder})
		return nil
	}
	h := s.driver.host
	for dir, link := range h.folders {
		if link == "" {
			if err := add(dir, dir); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range h.etc {
		// Gone since, or a link to something that isn't there: nothing to show.
		if err := add(name, name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	for _, m := range mounts {
		target, err := inside(m.Target)
		if err != nil {
			return nil, err
		}
		if err := add(m.Source, target); err != nil {
			return nil, fmt.Errorf("mount at %s: %w", m.Target, err)
		}
	}
	// Those below others come after them.
	slices.SortStableFunc(all, func(a, b bind) int { return strings.Compare(a.target, b.target) })
	return all, nil
}

// place is what a path of the host leads to.
type place struct {
	path   string
	folder bool
	until  time.Time // it need not be looked at again before
}

// placeLasts is how long it is taken for granted where a path of the host leads. Every
// sandbox binds the same ones, and following links is a system call for each part.
const placeLasts = 5 * time.Second

// places are those found lately, by path.
type places struct {
	mu    sync.Mutex // guards found
	found map[string]place
}

func (p *places) resolve(source string) (place, error) {
	now := time.Now()
	p.mu.Lock()
	r, ok := p.found[source]
	p.mu.Unlock()
	if ok && now.Before(r.until) {
		return r, nil
	}
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return r, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return r, err
	}
	r = place{real, info.IsDir(), now.Add(placeLasts)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil || len(p.found) > 1000 { // of folders that came and went
		p.found = map[string]place{}
	}
	p.found[source] = r
	return r, nil
}

// inside cleans a path in a sandbox that something is to be mounted at.
func inside(p string) (string, error) {
	if !path.IsAbs(p) {
		return "", fmt.Errorf("path %q in a sandbox is not absolute", p)
	}
	p = path.Clean(p)
	// What the sandbox has there itself is mounted later and would cover it, and a
	// function could put links in the way.
	top, _, _ := strings.Cut(p[1:], "/")
	if slices.Contains([]string{"", "tmp", "proc", "dev", "sys"}, top) {
		return "", fmt.Errorf("nothing can be mounted at %s in a sandbox", p)
	}
	return p, nil
}

// rootScript composes how the first process builds the sandbox around itself, from a
// copy of the server's mounts to a process without power over anything outside. Up to
// the user namespace it acts with the server's privileges.
func (s *Sandbox) rootScript(spec sandbox.Spec, binds []bind) *script {
	d := s.driver
	k := &script{}
	k.call("join the network namespace", unix.SYS_SETNS, fileNetwork, unix.CLONE_NEWNET)
	k.call("set the host name", unix.SYS_SETHOSTNAME, spec.Hostname, len(spec.Hostname))
	k.call("set the process's name", unix.SYS_PRCTL, unix.PR_SET_NAME, "wick-init", 0, 0, 0)
	k.call("umask", unix.SYS_UMASK, 0)
	// System V shared memory that nobody has attached is to go, not to wait for the
	// namespace's end: processes come and go in a sandbox.
	remove := k.try(unix.SYS_OPENAT, atFDCWD, "/proc/sys/kernel/shm_rmid_forced", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	k.try(unix.SYS_WRITE, remove, "1", 1)
	k.try(unix.SYS_CLOSE, remove)

	k.call("keep mounts private", unix.SYS_MOUNT, "none", "/", 0, unix.MS_REC|unix.MS_PRIVATE, 0)
	k.call("mount a root", unix.SYS_MOUNT, s.frame.root(), d.dir, 0, unix.MS_BIND, 0)
	k.call("pivot_root", unix.SYS_PIVOT_ROOT, d.dir, d.dir+oldRoot)
	k.call("change to the root", unix.SYS_CHDIR, "/")
	for _, b := range binds {
		k.bind(b)
	}
	// Kept for later: mounted now they would be made read-only and nodev with the rest.
	dev := k.openTree(s.frame.dev())
	opened := map[string]result{}
	for _, name := range d.host.devices {
		opened[name] = k.openTree(name)
	}
	memory, cpus := k.openTree(s.files.memory), k.openTree(s.files.cpus)
	k.call("mount /proc", unix.SYS_MOUNT, "proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "hidepid=2")
	k.bind(bind{s.disk.Path(), "/tmp", true})

	k.call("unmount the host's root", unix.SYS_UMOUNT2, oldRoot, unix.MNT_DETACH)
	k.setattr("make all read-only", "/", unix.AT_RECURSIVE, readOnly, 0)
	k.setattr("make /tmp writable", "/tmp", 0, 0, unix.MOUNT_ATTR_RDONLY)
	k.setattr("make /proc writable", "/proc", 0, 0, unix.MOUNT_ATTR_RDONLY)

	s.fillDev(k, dev, opened)
	s.fillProc(k, memory, cpus)
	s.giveUpPrivileges(k)
	return k
}

// rootEntries are the folders and files of the root that the sandbox doesn't have from the
// host.
func (s *Sandbox) rootEntries(binds []bind) *entries {
	e := &entries{}
	folders := s.driver.host.folders
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		if link := folders[dir]; link != "" {
			e.folder(path.Dir(dir))
			e.add(entry{entryLink, dir, link})
		}
	}
	for _, p := range ownFolders {
		e.folder(p)
	}
	for _, f := range s.etc() {
		e.add(entry{entryFile, f.path, f.text})
	}
	e.add(entry{entryLink, "/etc/localtime", "/usr/share/zoneinfo/UTC"})
	e.add(entry{entryLink, "/etc/mtab", "/proc/self/mounts"})

	// A place for a mount is made only in the sandbox's own root, never in what is bound
	// from the host: there it has to exist.
	for i, b := range binds {
		under := slices.ContainsFunc(binds[:i], func(o bind) bool { return strings.HasPrefix(b.target, o.target+"/") })
		switch {
		case under || e.made[b.target]:
		case b.folder:
			e.folder(b.target)
		default:
			e.folder(path.Dir(b.target))
			e.add(entry{entryFile, b.target, ""})
		}
	}
	for _, p := range slices.Concat(s.slots, s.folders) {
		if !slices.ContainsFunc(binds, func(b bind) bool { return p == b.target || strings.HasPrefix(p, b.target+"/") }) {
			e.folder(p)
		}
	}
	return e
}

// devEntries are those of /dev, where devices are files to be mounted over.
func (s *Sandbox) devEntries() *entries {
	e := &entries{}
	for _, name := range s.driver.host.devices {
		e.add(entry{entryFile, strings.TrimPrefix(name, "/dev"), ""})
	}
	for _, link := range [][2]string{
		{"/fd", "/proc/self/fd"}, {"/stdin", "/proc/self/fd/0"}, {"/stdout", "/proc/self/fd/1"}, {"/stderr", "/proc/self/fd/2"},
	} {
		e.add(entry{entryLink, link[0], link[1]})
	}
	e.folder("/shm")
	return e
}

// fillDev makes /dev.
func (s *Sandbox) fillDev(k *script, dev result, opened map[string]result) {
	k.moveMount(dev, "/dev")
	for _, name := range s.driver.host.devices {
		k.moveMount(opened[name], name)
	}
	k.call("mount /dev/shm", unix.SYS_MOUNT, "wick-shm", "/dev/shm", "tmpfs",
		unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size=64m,nr_inodes=4k")
	k.setattr("make /dev read-only", "/dev", 0, unix.MOUNT_ATTR_RDONLY, 0)
}

// fillProc covers parts of /proc. Mounts that fail are of files this kernel lacks.
func (s *Sandbox) fillProc(k *script, memory, cpus result) {
	h := s.driver.host
	for _, name := range h.masked {
		k.try(unix.SYS_MOUNT, "/dev/null", name, 0, unix.MS_BIND, 0)
	}
	for _, name := range h.maskedFolders {
		k.try(unix.SYS_MOUNT, "/sys", name, 0, unix.MS_BIND, 0)
	}
	for _, name := range h.readOnly {
		k.call("bind "+name, unix.SYS_MOUNT, name, name, 0, unix.MS_BIND|unix.MS_REC, 0)
		k.setattr("make read-only "+name, name, unix.AT_RECURSIVE, unix.MOUNT_ATTR_RDONLY, 0)
	}
	for _, f := range []struct {
		tree result
		at   string
	}{{memory, "/proc/meminfo"}, {cpus, "/proc/cpuinfo"}} {
		k.call("mount_setattr "+f.at, unix.SYS_MOUNT_SETATTR, f.tree, "", unix.AT_EMPTY_PATH,
			mountAttr(readOnly|unix.MOUNT_ATTR_NOEXEC, 0), mountAttrSize)
		k.moveMount(f.tree, f.at)
	}
}

// Capabilities that the first process keeps, in its user namespace: to start commands as
// another user, in a cgroup namespace, without capabilities; and to signal them.
const initCapabilities = 1<<unix.CAP_KILL | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID |
	1<<unix.CAP_SETPCAP | 1<<unix.CAP_SYS_ADMIN

// giveUpPrivileges moves the first process into a user namespace of its own. Everything
// it has built belongs to the namespace above, so nobody inside can undo any of it.
func (s *Sandbox) giveUpPrivileges(k *script) {
	k.call("make a user namespace", unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	const controlFD = 3
	k.call("ask for an identity", unix.SYS_WRITE, controlFD, message{kind: replySync}.encode(), messageSize)
	k.call("wait for an identity", unix.SYS_READ, controlFD, make([]byte, 8), 8)
	k.want(1)
	if s.driver.ids.separate() {
		k.call("setgroups", unix.SYS_SETGROUPS, 0, 0)
		k.call("setresgid", unix.SYS_SETRESGID, 0, 0, 0)
		k.call("setresuid", unix.SYS_SETRESUID, 0, 0, 0)
	}
	capset(k, initCapabilities)
	k.call("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	// Nothing inside may look into it.
	k.call("not dumpable", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// bind binds a path of the host, with what is mounted below it.
func (s *script) bind(b bind) {
	s.call("bind "+b.target, unix.SYS_MOUNT, oldRoot+b.source, b.target, 0, unix.MS_BIND|unix.MS_REC, 0)
}

// openTree takes a copy of what is mounted at a path of the host.
func (s *script) openTree(p string) result {
	return s.call("open_tree "+p, unix.SYS_OPEN_TREE, atFDCWD, oldRoot+p, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
}

func (s *script) moveMount(tree result, p string) {
	s.call("mount "+p, unix.SYS_MOVE_MOUNT, tree, "", atFDCWD, p, unix.MOVE_MOUNT_F_EMPTY_PATH)
	s.call("close a mount", unix.SYS_CLOSE, tree)
}

func (s *script) setattr(what, p string, flags int, set, clear uint64) {
	s.call(what, unix.SYS_MOUNT_SETATTR, atFDCWD, p, flags, mountAttr(set, clear), mountAttrSize)
}
