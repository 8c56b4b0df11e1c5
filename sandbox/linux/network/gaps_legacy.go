//go:build linux

package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What iptables was before nftables has its own rules in the kernel, which hosts with
// iptables-legacy still use. They are read as one block of bytes. Layouts: struct
// ipt_getinfo, ipt_get_entries, ipt_entry, xt_standard_target
// (linux/netfilter_ipv4/ip_tables.h, linux/netfilter/x_tables.h).
const (
	iptGetInfo    = 64 // socket options of SOL_IP
	iptGetEntries = 65

	iptNameLen     = 32
	iptInfoLen     = 84
	iptHookEntries = 36 // in ipt_getinfo: where each hook's rules begin
	iptUnderflows  = 56 // where each hook's policy is
	iptSize        = 80
	iptEntriesAt   = 40 // in ipt_get_entries

	iptEntryLen     = 112 // without matches
	iptInInterface  = 16  // in ipt_entry
	iptOutInterface = 32
	iptInMask       = 48
	iptOutMask      = 64
	iptTargetOffset = 88
	iptNextOffset   = 90
	iptTargetName   = 2 // in xt_standard_target; "" is a verdict
	iptVerdict      = 32
	iptTargetLen    = 40

	hookForward = 2  // NF_INET_FORWARD
	iptAccept   = -2 // -NF_ACCEPT-1
	iptDrop     = -1 // -NF_DROP-1
)

// legacyTable is the content of a table of iptables-legacy.
type legacyTable struct {
	info    []byte
	entries []byte
}

// readLegacyFilter reads the filter table; nil when the host doesn't have one. It
// must not be asked for otherwise: that would make it.
func readLegacyFilter() (*legacyTable, error) {
	names, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the kernel has no iptables-legacy
	}
	if err != nil {
		return nil, fmt.Errorf("list tables of iptables-legacy: %w", err)
	}
	if !slices.Contains(strings.Fields(string(names)), "filter") {
		return nil, nil
	}
	return readLegacyTable("filter")
}

func readLegacyTable(name string) (*legacyTable, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("read iptables-legacy: %w", err)
	}
	defer unix.Close(fd)
	t := &legacyTable{info: make([]byte, iptInfoLen)}
	copy(t.info, name)
	if err := getsockopt(fd, iptGetInfo, t.info); err != nil {
		return nil, fmt.Errorf("read iptables-legacy's table %s: %w", name, err)
	}
	size := binary.NativeEndian.Uint32(t.info[iptSize:])
	block := make([]byte, iptEntriesAt+int(size))
	copy(block, name)
	binary.NativeEndian.PutUint32(block[iptNameLen:], size)
	if err := getsockopt(fd, iptGetEntries, block); err != nil {
		return nil, fmt.Errorf("read iptables-legacy's table %s: %w", name, err)
	}
	t.entries = block[iptEntriesAt:]
	return t, nil
}

func getsockopt(fd, option int, value []byte) error {
	length := uint32(len(value))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_IP, uintptr(option),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// dropsForwarded reports whether the policy of FORWARD is DROP.
func (t *legacyTable) dropsForwarded() bool {
	policy := t.entryAt(int(binary.NativeEndian.Uint32(t.info[iptUnderflows+4*hookForward:])))
	return policy != nil && verdictOf(policy) == iptDrop
}

// entryAt returns the rule at an offset; nil if there is none.
func (t *legacyTable) entryAt(offset int) []byte {
	if offset < 0 || offset+iptEntryLen > len(t.entries) {
		return nil
	}
	next := int(binary.NativeEndian.Uint16(t.entries[offset+iptNextOffset:]))
	if next < iptEntryLen || offset+next > len(t.entries) {
		return nil
	}
	return t.entries[offset : offset+next]
}

// verdictOf returns the verdict of a rule; 0 if it has none.
func verdictOf(entry []byte) int32 {
	at := int(binary.NativeEndian.Uint16(entry[iptTargetOffset:]))
	if at+iptTargetLen > len(entry) || entry[at+iptTargetName] != 0 {
		return 0
	}
	return int32(binary.NativeEndian.Uint32(entry[at+iptVerdict:]))
}

// accepts reports whether a rule each accepts what comes in by the interfaces and what
// goes out by them, whatever chain it is in.
func (t *legacyTable) accepts(interfaces string) bool {
	in, out := false, false
	for offset := 0; ; {
		entry := t.entryAt(offset)
		if entry == nil {
			return in && out
		}
		offset += len(entry)
		plain := binary.NativeEndian.Uint16(entry[iptTargetOffset:]) == iptEntryLen // no matches
		if !plain || verdictOf(entry) != iptAccept {
			continue
		}
		inName, outName := interfacePattern(entry, iptInInterface, iptInMask), interfacePattern(entry, iptOutInterface, iptOutMask)
		in = in || outName == "" && inName != "" && strings.HasPrefix(interfaces, inName)
		out = out || inName == "" && outName != "" && strings.HasPrefix(interfaces, outName)
	}
}

// interfacePattern returns what a name must begin with for a rule; "" for any name.
func interfacePattern(entry []byte, name, mask int) string {
	length := bytes.IndexByte(entry[mask:mask+unix.IFNAMSIZ], 0)
	if length < 0 {
		length = unix.IFNAMSIZ
	}
	return string(entry[name : name+length])
}

// legacyBlocker is blockingChains for iptables-legacy; nil when nothing is in the way.
func legacyBlocker(interfaces string) (*blocker, error) {
	t, err := readLegacyFilter()
	if err != nil || t == nil || !t.dropsForwarded() || t.accepts(interfaces) {
		return nil, err
	}
	return &blocker{table: "filter of iptables-legacy", chain: "FORWARD", iptables: "FORWARD", command: "iptables-legacy"}, nil
}
