//go:build linux

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// errBusy: a released slot still has open sockets.
var errBusy = errors.New("sockets are still open in the slot")

// wash makes a released slot as good as new, or fails.
func (p *Pool) wash(sp *space) error {
	err := inside(p.home, sp.ns, func() error {
		if err := endSockets(); err != nil {
			return err
		}
		if sp.link == nil {
			return nil
		}
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("check slot: %w", err)
		}
		defer h.Close()
		return checkSlotEnd(h, sp.link.address)
	})
	if err != nil || sp.link == nil {
		return err
	}
	return forgetFlows(netip.PrefixFrom(sp.link.address, 32))
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

	ctaTupleOrig       = 1
	ctaID              = 12
	ctaZone            = 18
	ctaFilter          = 25
	ctaTupleIP         = 1
	ctaIPv4Source      = 1
	ctaFilterOrigFlags = 1
	ctaFilterSource    = 1 << 0
)

// forgetFlows deletes the connections the host tracks that came from the addresses,
// so that their late replies don't reach who has an address next.
func forgetFlows(from netip.Prefix) error {
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

// trackedFlows returns what identifies each connection that came from the addresses.
func trackedFlows(from netip.Prefix) ([][]byte, error) {
	req := nl.NewNetlinkRequest(ctMessageGet, unix.NLM_F_DUMP)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_INET, Version: nl.NFNETLINK_V0})
	if from.IsSingleIP() {
		// Since Linux 5.9 the kernel tells only those asked for; an older one tells all.
		tuple := nl.NewRtAttr(unix.NLA_F_NESTED|ctaTupleOrig, nil)
		tuple.AddRtAttr(unix.NLA_F_NESTED|ctaTupleIP, nil).AddRtAttr(ctaIPv4Source, from.Addr().AsSlice())
		filter := nl.NewRtAttr(unix.NLA_F_NESTED|ctaFilter, nil)
		filter.AddRtAttr(ctaFilterOrigFlags, nl.Uint32Attr(ctaFilterSource))
		req.AddData(tuple)
		req.AddData(filter)
	}
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
func flowFrom(message []byte, from netip.Prefix) []byte {
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
			found = from.Contains(tupleSource(a.Value))
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
