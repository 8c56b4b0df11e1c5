//go:build linux

package linux

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"sync"
)

// The user that functions run as, as they see it. Source: recordings of Lambda.
const (
	UID      = 993
	GID      = 990
	userName = "sbx_user1051"
)

const (
	// firstID and idRanges: host ids from 0x70000000 to 0x7fffffff, which the
	// conventions of distributions and systemd leave to nobody, in ranges of a driver
	// each. Two drivers whose IDs fall on the same range share ids, and lose a wall
	// between functions that a driver's own don't lose; nothing else depends on it.
	firstID      = 0x70000000
	idRanges     = 8192
	idsPerDriver = 32768
	// idsPerSandbox: root and the user, the same numbers as uids and as gids.
	idsPerSandbox = 2
)

// ids hands out the host's user ids that the users inside sandboxes are in truth.
type ids struct {
	base, count int // count 0: there is only the server's own

	mu   sync.Mutex // guards what follows
	used map[int]bool
	next int
}

// identity is who the users of one sandbox are on the host.
type identity struct {
	index      int
	root, user int
}

// newIDs finds ids to use: a range of the driver's own, else what the server's user
// namespace has to give, else the server's own.
func newIDs(id string) (*ids, error) {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil, err
	}
	gids, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return nil, err
	}
	i := &ids{used: map[int]bool{}}
	base := firstID + int(crc32.ChecksumIEEE([]byte(id))%idRanges)*idsPerDriver
	switch {
	case mapped(text, base, idsPerDriver) && mapped(gids, base, idsPerDriver):
		i.base, i.count = base, idsPerDriver/idsPerSandbox
	case mapped(text, 32768, 32768) && mapped(gids, 32768, 32768):
		i.base, i.count = 32768, 32768/idsPerSandbox
	}
	return i, nil
}

// mapped says whether a map of ids has n from first up in one piece.
func mapped(idMap []byte, first, n int) bool {
	for line := range strings.Lines(string(idMap)) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil {
			continue // no such line is written by a kernel
		}
		if first >= inside && first+n <= inside+count {
			return true
		}
	}
	return false
}

// separate says whether each sandbox has ids of its own.
func (i *ids) separate() bool { return i.count > 0 }

func (i *ids) take() (identity, error) {
	if !i.separate() {
		return identity{root: os.Geteuid(), user: os.Geteuid()}, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.used) == i.count {
		return identity{}, errors.New("all user ids for sandboxes are taken")
	}
	for i.used[i.next] {
		i.next = (i.next + 1) % i.count
	}
	n := i.next
	i.used[n] = true
	i.next = (n + 1) % i.count
	return identity{index: n, root: i.base + n*idsPerSandbox, user: i.base + n*idsPerSandbox + 1}, nil
}

func (i *ids) release(who identity) {
	i.mu.Lock()
	delete(i.used, who.index)
	i.mu.Unlock()
}

// write sets the maps of a process's new user namespace.
func (i *ids) write(pid int, who identity) error {
	uids := fmt.Sprintf("0 %d 1\n%d %d 1\n", who.root, UID, who.user)
	gids := fmt.Sprintf("0 %d 1\n%d %d 1\n", who.root, GID, who.user)
	if !i.separate() {
		uids = fmt.Sprintf("%d %d 1\n", UID, os.Geteuid())
		gids = fmt.Sprintf("%d %d 1\n", GID, os.Getegid())
	}
	dir := fmt.Sprintf("/proc/%d/", pid)
	if err := os.WriteFile(dir+"uid_map", []byte(uids), 0); err != nil {
		return err
	}
	return os.WriteFile(dir+"gid_map", []byte(gids), 0)
}
