//go:build linux

package network

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// replace installs a table in the kernel. Layout: struct ipt_replace.
func (t *legacyTable) replace() error {
	n := 0
	for offset := 0; t.entryAt(offset) != nil; n++ {
		offset += len(t.entryAt(offset))
	}
	before, err := readLegacyTable("filter")
	if err != nil {
		return err
	}
	old := binary.NativeEndian.Uint32(before.info[iptSize-4:]) // as many counters come back
	counters := make([]byte, 16*old)
	b := make([]byte, 0, 96+len(t.entries))
	b = append(b, t.info[:iptHookEntries]...) // name and valid hooks
	b = binary.NativeEndian.AppendUint32(b, uint32(n))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(t.entries)))
	b = append(b, t.info[iptHookEntries:iptHookEntries+40]...) // hook entries and underflows
	b = binary.NativeEndian.AppendUint32(b, old)
	b = append(b, make([]byte, (8-len(b)%8)%8)...)
	b = binary.NativeEndian.AppendUint64(b, uint64(uintptr(unsafe.Pointer(&counters[0]))))
	b = append(b, t.entries...)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_IP, 64,
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0)
	runtime.KeepAlive(counters)
	if errno != 0 {
		return errno
	}
	return nil
}

// insert puts a rule that accepts by interface first in FORWARD.
func (t *legacyTable) insert(name, mask int, prefix string) {
	rule := make([]byte, iptEntryLen+iptTargetLen)
	copy(rule[name:], prefix)
	for i := range prefix {
		rule[mask+i] = 0xff
	}
	binary.NativeEndian.PutUint16(rule[iptTargetOffset:], iptEntryLen)
	binary.NativeEndian.PutUint16(rule[iptNextOffset:], uint16(len(rule)))
	binary.NativeEndian.PutUint16(rule[iptEntryLen:], iptTargetLen)
	verdict := int32(iptAccept)
	binary.NativeEndian.PutUint32(rule[iptEntryLen+iptVerdict:], uint32(verdict))
	at := binary.NativeEndian.Uint32(t.info[iptHookEntries+4*hookForward:])
	t.entries = slices.Insert(t.entries, int(at), rule...)
	for hook := range 5 {
		for _, list := range []int{iptHookEntries, iptUnderflows} {
			offset := t.info[list+4*hook:]
			first := list == iptHookEntries && hook == hookForward
			if v := binary.NativeEndian.Uint32(offset); v >= at && !first {
				binary.NativeEndian.PutUint32(offset, v+uint32(len(rule)))
			}
		}
	}
}

func (t *legacyTable) setForwardPolicy(verdict int32) {
	entry := t.entryAt(int(binary.NativeEndian.Uint32(t.info[iptUnderflows+4*hookForward:])))
	binary.NativeEndian.PutUint32(entry[binary.NativeEndian.Uint16(entry[iptTargetOffset:])+iptVerdict:], uint32(verdict))
}

func TestGapsNameALegacyFirewallThatDropsWhatIsForwarded(t *testing.T) {
	p := open(t, Options{ID: "legacy", Egress: true})
	if _, err := os.Stat("/proc/thread-self/net/ip_tables_names"); err != nil {
		t.Skip("needs iptables-legacy in the kernel (CONFIG_IP_NF_IPTABLES_LEGACY)")
	}
	s := take(t, p, true)
	port := echo(t, world.internet, "tcp", farAddress+":0")
	address := fmt.Sprintf("%s:%d", farAddress, port)
	if before, err := readLegacyFilter(); err != nil || before != nil {
		t.Fatalf("a host without the table: %v, %v", before, err)
	}
	table, err := readLegacyTable("filter") // which makes it
	if err != nil {
		t.Fatal(err)
	}
	install := func() {
		t.Helper()
		if err := table.replace(); err != nil {
			t.Fatal(err)
		}
	}
	if gaps := p.Gaps(); len(gaps) > 0 {
		t.Errorf("gaps with an empty table: %q", gaps)
	}
	table.setForwardPolicy(iptDrop)
	install()
	defer func() {
		table.setForwardPolicy(iptAccept)
		install()
	}()
	if _, err := askEchoWithin(s.Namespace(), "tcp", address, shortly); err == nil {
		t.Error("it has egress")
	}
	want := "iptables-legacy -I FORWARD -i wklegacy-+ -j ACCEPT; iptables-legacy -I FORWARD -o wklegacy-+ -j ACCEPT"
	if gaps := p.Gaps(); len(gaps) != 1 || !strings.Contains(gaps[0], want) {
		t.Errorf("gaps: %q", gaps)
	}
	// What the gap says to do.
	table.insert(iptInInterface, iptInMask, p.names.interfaces)
	install()
	if gaps := p.Gaps(); len(gaps) != 1 {
		t.Errorf("gaps after half of it: %q", gaps)
	}
	table.insert(iptOutInterface, iptOutMask, p.names.interfaces)
	install()
	if gaps := p.Gaps(); len(gaps) > 0 {
		t.Errorf("gaps after it was done: %q", gaps)
	}
	if _, err := askEcho(s.Namespace(), "tcp", address); err != nil {
		t.Errorf("no egress after it was done: %v", err)
	}
}

func FuzzLegacyTable(f *testing.F) {
	f.Add(make([]byte, iptInfoLen), make([]byte, 3*(iptEntryLen+iptTargetLen)))
	f.Fuzz(func(t *testing.T, info, entries []byte) {
		if len(info) < iptInfoLen {
			return // the kernel fills it or fails
		}
		table := &legacyTable{info: info, entries: entries}
		if table.accepts("wkx-") && len(entries) < 2*iptEntryLen {
			t.Error("two rules in less than two")
		}
		table.dropsForwarded()
	})
}
