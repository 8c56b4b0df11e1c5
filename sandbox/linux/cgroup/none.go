//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"time"

	"github.com/wick-run/wick/sandbox"
)

// none is a machine without usable control groups.
type none struct{ err error }

func (none) version() int                 { return 0 }
func (none) folders() []string            { return nil }
func (none) leftovers() ([]string, error) { return nil, nil }
func (none) open(string) (member, error)  { return noMember{}, nil }
func (none) make(string) (member, error)  { return noMember{}, nil }
func (none) announce()                    {}
func (none) close() error                 { return nil }

func (n none) gaps() []string {
	if n.err != nil {
		return []string{fmt.Sprintf("no control groups (%v), so memory, CPU and processes aren't limited and functions can't be frozen this way: run wick as root, or as a systemd service with Delegate=yes", n.err)}
	}
	return []string{"no control groups are mounted, so memory, CPU and processes aren't limited and functions can't be frozen this way: mount -t cgroup2 cgroup2 /sys/fs/cgroup"}
}

// noMember is a group there.
type noMember struct{}

func (noMember) addPID(int) error                            { return nil }
func (noMember) cloneFD() (int, bool)                        { return 0, false }
func (noMember) limit(*sandbox.Limits, sandbox.Limits) error { return nil }
func (noMember) weigh(int) error                             { return nil }
func (noMember) canFreeze() bool                             { return false }
func (noMember) thawFile() (string, bool)                    { return "", false }
func (noMember) freeze(bool) error                           { return errors.ErrUnsupported }
func (noMember) stands() (bool, error)                       { return false, errors.ErrUnsupported }
func (noMember) wait(time.Duration)                          {}
func (noMember) usage() (sandbox.Usage, error)               { return sandbox.Usage{}, errors.ErrUnsupported }
func (noMember) peakBytes() (int64, error)                   { return 0, errors.ErrUnsupported }
func (noMember) resetPeak() error                            { return errors.ErrUnsupported }
func (noMember) oomKills() (int64, error)                    { return 0, errors.ErrUnsupported }
func (noMember) pids() ([]int, error)                        { return nil, errors.ErrUnsupported }
func (noMember) kill() (bool, error)                         { return false, errors.ErrUnsupported }
func (noMember) remove() error                               { return nil }
func (noMember) release() error                              { return nil }
