//go:build linux

package network

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// insideLink is what a slot's end of its link is called.
const insideLink = "eth0"

// Every link has the same pair of hardware addresses, as each is a network of its
// own; locally administered, the way IEEE 802 reserves them for such use.
var (
	hostHardware = net.HardwareAddr{0x02, 0x77, 0x69, 0x63, 0x6b, 0x01}
	slotHardware = net.HardwareAddr{0x02, 0x77, 0x69, 0x63, 0x6b, 0x02}
)

// gateway is every slot's next hop: no interface has the address, a fixed neighbour
// entry leads to the host's end.
var gateway = net.IPv4(169, 254, 1, 1).To4()

// link is a slot's way outside, as the host sees it.
type link struct {
	index   int // of the host's end
	number  int // of the address within the pool's range
	address netip.Addr
}

// makeLink joins the namespace ns to the host with an address. forward says whether
// the host's end must be told to forward IPv4. When it fails, nothing is left.
func makeLink(h *netlink.Handle, home, ns *os.File, name string, l link, n names, mtu int, forward bool) (link, error) {
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{
			Name: name, HardwareAddr: hostHardware, Group: n.group, MTU: mtu, TxQLen: -1,
			NumTxQueues: 1, NumRxQueues: 1,
		},
		PeerName: insideLink, PeerHardwareAddr: slotHardware, PeerMTU: uint32(mtu),
		PeerTxQLen: -1, PeerNumTxQueues: 1, PeerNumRxQueues: 1,
		PeerNamespace: netlink.NsFd(ns.Fd()),
	}
	if err := h.LinkAdd(veth); err != nil {
		return link{}, fmt.Errorf("make link %s: %w", name, err)
	}
	l.index = veth.Index
	err := configureHostEnd(h, veth, l, forward)
	if err == nil {
		err = inside(home, ns, func() error { return configureSlotEnd(l.address) })
	}
	if err == nil {
		err = awaitLink(h, l.index)
	}
	if err != nil {
		return link{}, errors.Join(err, h.LinkDel(veth))
	}
	return l, nil
}

// linkPatience is how long the kernel may take to put a link to use.
const linkPatience = 2 * time.Second

// awaitLink waits until the host's end passes packets on. It has come up before there
// was another end that was up, and the kernel notices later, on a queue of work, that
// it has a carrier now; until then it drops every packet. Being asked makes it look
// since Linux 6.8.
func awaitLink(h *netlink.Handle, index int) error {
	deadline := time.Now().Add(linkPatience)
	for pause := 50 * time.Microsecond; ; pause *= 2 {
		l, err := h.LinkByIndex(index)
		if err != nil {
			return fmt.Errorf("look at link: %w", err)
		}
		if l.Attrs().OperState == netlink.OperUp {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("link %s is %s after %v", l.Attrs().Name, l.Attrs().OperState, linkPatience)
		}
		time.Sleep(pause)
	}
}

func configureHostEnd(h *netlink.Handle, veth *netlink.Veth, l link, forward bool) error {
	// Before it is up, so that it never sends or takes a packet of IPv6.
	if err := setInterfaceSysctl("ipv6", veth.Name, "disable_ipv6", "1"); err != nil {
		return err
	}
	if forward {
		if err := setInterfaceSysctl("ipv4", veth.Name, "forwarding", "1"); err != nil {
			return err
		}
	}
	if err := h.LinkSetUp(veth); err != nil {
		return fmt.Errorf("bring %s up: %w", veth.Name, err)
	}
	address := l.address.AsSlice()
	// Permanent, which also keeps a thousand of them from filling the kernel's table of
	// neighbours (1,024 by default, and one for all namespaces).
	if err := h.NeighAdd(neighbour(veth.Index, address, slotHardware)); err != nil {
		return fmt.Errorf("add neighbour %s: %w", l.address, err)
	}
	route := &netlink.Route{
		LinkIndex: veth.Index, Scope: netlink.SCOPE_LINK,
		Dst: &net.IPNet{IP: address, Mask: net.CIDRMask(32, 32)},
	}
	if err := h.RouteAdd(route); err != nil {
		return fmt.Errorf("add route to %s: %w", l.address, err)
	}
	return nil
}

// configureSlotEnd runs inside the slot.
func configureSlotEnd(address netip.Addr) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("configure %s: %w", insideLink, err)
	}
	defer h.Close()
	eth, err := h.LinkByName(insideLink)
	if err != nil {
		return fmt.Errorf("find %s: %w", insideLink, err)
	}
	own := &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(32, 32)}
	if err := h.AddrAdd(eth, &netlink.Addr{IPNet: own}); err != nil {
		return fmt.Errorf("add %s to %s: %w", own, insideLink, err)
	}
	if err := h.LinkSetUp(eth); err != nil {
		return fmt.Errorf("bring %s up: %w", insideLink, err)
	}
	index := eth.Attrs().Index
	if err := h.NeighAdd(neighbour(index, gateway, hostHardware)); err != nil {
		return fmt.Errorf("add neighbour %s: %w", gateway, err)
	}
	route := &netlink.Route{LinkIndex: index, Gw: gateway, Src: own.IP, Flags: int(netlink.FLAG_ONLINK)}
	if err := h.RouteAdd(route); err != nil {
		return fmt.Errorf("add default route: %w", err)
	}
	return nil
}

func neighbour(index int, ip net.IP, hw net.HardwareAddr) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT, IP: ip, HardwareAddr: hw}
}

// checkSlotEnd runs inside a used slot and fails unless its link is as it was made.
// Nothing in a sandbox has the privilege to change it; this is for what we don't
// expect. It returns how many packets have been sent.
func checkSlotEnd(address netip.Addr) (sent uint64, err error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return 0, fmt.Errorf("check slot: %w", err)
	}
	defer h.Close()
	eth, err := h.LinkByName(insideLink)
	if err != nil {
		return 0, fmt.Errorf("find %s: %w", insideLink, err)
	}
	if eth.Attrs().Flags&net.FlagUp == 0 {
		return 0, fmt.Errorf("%s is down", insideLink)
	}
	addresses, err := whole(func() ([]netlink.Addr, error) { return h.AddrList(eth, netlink.FAMILY_ALL) })
	if err != nil {
		return 0, fmt.Errorf("list addresses of %s: %w", insideLink, err)
	}
	if len(addresses) != 1 || !addresses[0].IP.Equal(net.IP(address.AsSlice())) {
		return 0, fmt.Errorf("%s has addresses %v instead of %s", insideLink, addresses, address)
	}
	if eth.Attrs().Statistics == nil {
		return math.MaxUint64, nil // not known; as good as some
	}
	return eth.Attrs().Statistics.TxPackets, nil
}

// doom moves a link to the group that deleteGroup will be called for.
func doom(h *netlink.Handle, l link, n names) error {
	err := h.LinkSetGroup(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: l.index}}, int(n.doomed))
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("mark link %d for deletion: %w", l.index, err)
	}
	return nil
}

// deleteGroup deletes every interface of a group at once: the kernel waits for one
// grace period however many there are. None is no error.
func deleteGroup(group uint32) error {
	req := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete links of group %#x: %w", group, err)
	}
	return nil
}
