//go:build linux

package network

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestAListThatChangesMeanwhileIsAskedForAgain(t *testing.T) {
	failed := errors.New("failed")
	asked := 0
	if n, err := whole(func() (int, error) {
		if asked++; asked < 5 {
			return 0, netlink.ErrDumpInterrupted
		}
		return asked, nil
	}); n != 5 || err != nil {
		t.Errorf("interrupted, it came to %d, %v", n, err)
	}
	if _, err := whole(func() (int, error) { asked++; return 0, failed }); asked != 6 || !errors.Is(err, failed) {
		t.Errorf("asked %d times, it came to %v", asked, err)
	}
	if _, err := whole(func() (int, error) { return 0, netlink.ErrDumpInterrupted }); !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Errorf("without end, it came to %v", err)
	}
}
