//go:build linux

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// errBusy: somebody still uses a released slot.
var errBusy = errors.New("the slot is still in use")

// wash makes released slots as good as new and returns them with an error each for
// those it couldn't. Its two expensive parts, looking through all processes and all
// connections of the host, are done once for all slots, and the latter only for slots
// that have sent something.
func (p *Pool) wash(dirty []dirtySpace) []dirtySpace {
	used, usedErr := namespacesInUse()
	sent := map[netip.Addr]bool{}
	for i := range dirty {
		d := &dirty[i]
		if d.err = usedErr; d.err != nil {
			continue
		}
		if pid := used[d.space.inode]; pid != 0 {
			d.err = fmt.Errorf("%w by process %d", errBusy, pid)
			continue
		}
		packets, err := p.washInside(d.space)
		if d.err = err; err == nil && d.space.link != nil && packets != d.space.sent {
			sent[d.space.link.address] = true
			d.space.sent = packets
		}
	}
	if len(sent) == 0 {
		return dirty
	}
	if err := forgetFlows(func(from netip.Addr) bool { return sent[from] }); err != nil {
		for i := range dirty {
			if d := &dirty[i]; d.err == nil && d.space.link != nil && sent[d.space.link.address] {
				d.err = err
			}
		}
	}
	return dirty
}

// washInside does what must be done in the slot's namespace, and returns how many
// packets have left it.
func (p *Pool) washInside(sp *space) (packets uint64, err error) {
	err = inside(p.home, sp.ns, func() error {
		clean, err := noSockets()
		if err != nil {
			return err
		}
		if !clean {
			if err := endSockets(); err != nil {
				return err
			}
		}
		if sp.link != nil {
			packets, err = checkSlotEnd(sp.link.address)
		}
		return err
	})
	return packets, err
}

// namespacesInUse returns the network namespaces of all processes, by inode, with one
// process of each.
func namespacesInUse() (map[uint64]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("look for processes: %w", err)
	}
	defer proc.Close()
	entries, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("look for processes: %w", err)
	}
	used := map[uint64]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		// A process that has gone meanwhile uses nothing.
		if err := unix.Fstatat(int(proc.Fd()), e+"/ns/net", &st, 0); err == nil {
			used[st.Ino] = pid
		}
	}
	return used, nil
}

// noSockets runs inside a released slot and reports whether the kernel has none there,
// as it usually is; that costs far less than listing them.
func noSockets() (bool, error) {
	text, err := os.ReadFile("/proc/thread-self/net/sockstat")
	if err != nil {
		return false, fmt.Errorf("count sockets: %w", err)
	}
	var used, waiting int
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		for i := 1; i+1 < len(fields); i += 2 {
			switch fields[0] + fields[i] {
			case "sockets:used":
				used, err = strconv.Atoi(fields[i+1])
			case "TCP:tw":
				waiting, err = strconv.Atoi(fields[i+1])
			}
			if err != nil {
				return false, fmt.Errorf("count sockets: %w", err)
			}
		}
	}
	return used == 0 && waiting == 0, nil
}

// Layout of the kernel's struct inet_diag_req_v2 and inet_diag_msg (linux/inet_diag.h):
// both hold the struct inet_diag_sockid that identifies a socket.
const (
	diagSockID         = 48 // bytes of the identity
	diagRequestSockID  = 8  // its offset in a request
	diagMessageSockID  = 4  // its offset in an answer
	diagMessageInode   = 4 + diagSockID + 16
	diagMessageLen     = diagMessageInode + 4
	unixDiagRequestLen = 24
	unixDiagMessageLen = 16
)

// tcpTimeWait is TCP_TIME_WAIT (net/tcp_states.h).
const tcpTimeWait = 6

type diagRequest []byte

func (r diagRequest) Len() int          { return len(r) }
func (r diagRequest) Serialize() []byte { return r }

func inetRequest(family, protocol byte) diagRequest {
	r := make(diagRequest, diagRequestSockID+diagSockID)
	r[0], r[1] = family, protocol
	binary.NativeEndian.PutUint32(r[4:], ^uint32(0)) // all states
	return r
}

// endSockets runs inside a released slot. It destroys connections whose processes are
// dead and that the kernel only keeps to end them properly, which could stand in the
// way of the slot's next user. It fails with errBusy when there is a socket somebody
// has open.
func endSockets() error {
	s, err := nl.Subscribe(unix.NETLINK_INET_DIAG)
	if err != nil {
		return fmt.Errorf("open socket diagnosis: %w", err)
	}
	defer s.Close()
	sockets := map[int]*nl.SocketHandle{unix.NETLINK_INET_DIAG: {Socket: s}}

	unixRequest := make(diagRequest, unixDiagRequestLen)
	unixRequest[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(unixRequest[4:], ^uint32(0))
	open, err := dumpSockets(sockets, unixRequest)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return fmt.Errorf("%w: %d Unix sockets", errBusy, len(open))
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		for _, protocol := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			request := inetRequest(family, protocol)
			open, err := dumpSockets(sockets, request)
			if err != nil {
				return err
			}
			for _, m := range open {
				if err := endSocket(sockets, request, m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func dumpSockets(sockets map[int]*nl.SocketHandle, request diagRequest) ([][]byte, error) {
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	req.Sockets = sockets
	req.AddData(request)
	messages, err := req.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
		return nil, nil // the kernel has no such protocol, or can't tell about it
	}
	if err != nil {
		return nil, fmt.Errorf("list sockets of family %d: %w", request[0], err)
	}
	return messages, nil
}

func endSocket(sockets map[int]*nl.SocketHandle, request diagRequest, message []byte) error {
	if len(message) < diagMessageLen {
		return fmt.Errorf("list sockets: message of %d bytes", len(message))
	}
	if inode := binary.NativeEndian.Uint32(message[diagMessageInode:]); inode != 0 {
		id := message[diagMessageSockID:]
		return fmt.Errorf("%w: protocol %d, port %d", errBusy, request[1], binary.BigEndian.Uint16(id))
	}
	destroy := append(diagRequest(nil), request...)
	copy(destroy[diagRequestSockID:], message[diagMessageSockID:diagMessageSockID+diagSockID])
	req := nl.NewNetlinkRequest(nl.SOCK_DESTROY, unix.NLM_F_ACK)
	req.Sockets = sockets
	req.AddData(destroy)
	_, err := req.Execute(unix.NETLINK_INET_DIAG, 0)
	switch {
	case err == nil, errors.Is(err, unix.ENOENT): // gone by itself
		return nil
	case errors.Is(err, unix.EOPNOTSUPP) && message[1] == tcpTimeWait:
		return nil // ends soon, and hardly ever matters
	}
	return fmt.Errorf("%w: a dead process's, which can't be ended: %w", errBusy, err)
}

// Connection tracking over netlink (linux/netfilter/nfnetlink_conntrack.h).
const (
	ctMessageGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	ctMessageDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2

	attributeType = ^(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER) & 0xffff

	ctaTupleOrig  = 1
	ctaStatus     = 3
	ctaID         = 12
	ctaZone       = 18
	ctaStatusMask = 26
	ctaTupleIP    = 1
	ctaIPv4Source = 1

	ipsSourceNAT = 1 << 4
)

// forgetFlows deletes the connections the host tracks that came from certain addresses
// of slots, so that their late replies don't reach who has an address next.
func forgetFlows(from func(netip.Addr) bool) error {
	flows, err := trackedFlows(from)
	if err != nil {
		return err
	}
	for _, flow := range flows {
		req := nl.NewNetlinkRequest(ctMessageDelete, unix.NLM_F_ACK)
		req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_INET, Version: nl.NFNETLINK_V0})
		req.AddRawData(flow)
		if _, err := req.Execute(unix.NETLINK_NETFILTER, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete tracked connection: %w", err)
		}
	}
	return nil
}

// trackedFlows returns what identifies each masqueraded connection that came from the
// addresses. The kernel goes through a table of hundreds of thousands of buckets for
// it, which takes milliseconds.
func trackedFlows(from func(netip.Addr) bool) ([][]byte, error) {
	req := nl.NewNetlinkRequest(ctMessageGet, unix.NLM_F_DUMP)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_INET, Version: nl.NFNETLINK_V0})
	// Since Linux 5.15 it tells only those asked for; an older one tells all.
	req.AddData(nl.NewRtAttr(ctaStatus, nl.BEUint32Attr(ipsSourceNAT)))
	req.AddData(nl.NewRtAttr(ctaStatusMask, nl.BEUint32Attr(ipsSourceNAT)))
	var flows [][]byte
	err := req.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		if flow := flowFrom(message, from); flow != nil {
			flows = append(flows, flow)
		}
		return true
	})
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list tracked connections: %w", err)
	}
	return flows, nil
}

// flowFrom returns the attributes that identify a flow, if it came from the addresses.
func flowFrom(message []byte, from func(netip.Addr) bool) []byte {
	if len(message) < nl.SizeofNfgenmsg {
		return nil
	}
	attributes, err := nl.ParseRouteAttr(message[nl.SizeofNfgenmsg:])
	if err != nil {
		return nil
	}
	var identity []byte
	found := false
	for _, a := range attributes {
		switch a.Attr.Type & attributeType {
		case ctaTupleOrig:
			found = from(tupleSource(a.Value))
		case ctaID, ctaZone:
		default:
			continue
		}
		identity = append(identity, nl.NewRtAttr(int(a.Attr.Type), a.Value).Serialize()...)
	}
	if !found {
		return nil
	}
	return identity
}

// tupleSource returns the IPv4 source of a flow's tuple; the zero Addr if it has none.
func tupleSource(tuple []byte) netip.Addr {
	parts, err := nl.ParseRouteAttr(tuple)
	if err != nil {
		return netip.Addr{}
	}
	for _, part := range parts {
		if part.Attr.Type&attributeType != ctaTupleIP {
			continue
		}
		addresses, err := nl.ParseRouteAttr(part.Value)
		if err != nil {
			return netip.Addr{}
		}
		for _, a := range addresses {
			if a.Attr.Type&attributeType == ctaIPv4Source {
				ip, _ := netip.AddrFromSlice(a.Value)
				return ip
			}
		}
	}
	return netip.Addr{}
}
