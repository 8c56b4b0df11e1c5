//go:build linux

package linux

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// readOnly is how everything of the host is mounted in a sandbox.
const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// cloneTree makes a copy of what is mounted at a path and below, read-only and mounted
// nowhere yet. The descriptor keeps it.
func cloneTree(source string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return -1, fmt.Errorf("open_tree %s: %w", source, err)
	}
	attr := unix.MountAttr{Attr_set: readOnly, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return -1, errors.Join(fmt.Errorf("mount_setattr %s: %w", source, err), unix.Close(fd))
	}
	return fd, nil
}

// mounter mounts things inside sandboxes: a thread that visits their mount namespaces.
// Nothing has to be mounted where the server is, nor to be propagated, so nothing of it
// can be left behind there.
type mounter struct {
	jobs  chan mountJob
	ended chan struct{}
}

type mountJob struct {
	pidfd  int    // of a process in the mount namespace
	tree   int    // what to mount
	target string // where
	result chan error
}

func newMounter() (*mounter, error) {
	m := &mounter{jobs: make(chan mountJob), ended: make(chan struct{})}
	ready := make(chan error)
	go m.work(ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	return m, nil
}

// mount mounts a tree at a path in the mount namespace of a process.
func (m *mounter) mount(pidfd, tree int, target string) error {
	job := mountJob{pidfd: pidfd, tree: tree, target: target, result: make(chan error, 1)}
	m.jobs <- job
	return <-job.result
}

// close ends the thread. No call of mount may be under way or come later.
func (m *mounter) close() {
	close(m.jobs)
	<-m.ended
}

func (m *mounter) work(ready chan<- error) {
	defer close(m.ended)
	// The thread isn't unlocked, so it ends with this goroutine and nothing else ever
	// runs on it: its root and folder are not those of the process.
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		ready <- fmt.Errorf("open mount namespace: %w", err)
		return
	}
	defer unix.Close(home)
	// A thread that shares its root and folder with others can't change namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		ready <- fmt.Errorf("unshare a thread's root: %w", err)
		return
	}
	ready <- nil
	for job := range m.jobs {
		job.result <- visit(home, job)
	}
}

func visit(home int, job mountJob) error {
	if err := unix.Setns(job.pidfd, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the sandbox's mount namespace: %w", err)
	}
	err := unix.MoveMount(job.tree, "", unix.AT_FDCWD, job.target, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err != nil {
		err = fmt.Errorf("mount: %w", err)
	}
	// The sandbox's namespace ends only when nobody is in it.
	if back := unix.Setns(home, unix.CLONE_NEWNS); back != nil {
		err = errors.Join(err, fmt.Errorf("leave the sandbox's mount namespace: %w", back))
	}
	return err
}
