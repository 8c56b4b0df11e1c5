//go:build linux

package network

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// outside is the host's half of egress: addresses, rules and forwarding.
type outside struct {
	names        names
	log          *slog.Logger
	addresses    netip.Prefix
	mtu          int
	forwardLinks bool // links don't forward unless told to
	watch        *routeWatch
	firewall     firewall
}

// prepare removes what a predecessor left and sets up the way outside, or adds to
// the gaps why there is none.
func (p *Pool) prepare() {
	unlock := lockHost()
	defer unlock()
	inherited, taken, err := p.sweep()
	if err != nil {
		// Also where the kernel has no nftables; only a gap when they are needed.
		p.log.Debug("sweep of network leftovers", "error", err)
	}
	if !p.options.Egress {
		return
	}
	if err == nil {
		p.outside, err = openOutside(p.route, p.names, p.options.ID, p.log, inherited, taken)
	}
	if err == nil {
		// The first one shows whether links can be made here at all.
		var sp *space
		if sp, err = p.make(linked); err == nil {
			p.putBack(sp)
			return
		}
		err = errors.Join(err, p.outside.takeBack())
		p.outside = nil
	}
	p.mu.Lock()
	p.wanted[plain] = true
	p.mu.Unlock()
	p.gaps = append(p.gaps, fmt.Sprintf("network: functions have no egress, as setting it up failed (%v); it needs nftables (nf_tables, nft_fib_inet, nft_masq, nft_reject_inet, nft_ct), veth and a writable /proc/sys/net in this kernel or container", err))
}

// sweep removes the links and the rules of a killed predecessor. It returns the
// interfaces whose forwarding Wick has switched on, and the other pools' ranges.
func (p *Pool) sweep() (opened map[string]bool, taken []netip.Prefix, err error) {
	err = errors.Join(deleteGroup(p.names.group), deleteGroup(p.names.doomed))
	mine, others, tablesErr := readTables(p.names.table)
	if err := errors.Join(err, tablesErr); err != nil {
		return nil, nil, err
	}
	opened = maps.Clone(others.opened)
	maps.Copy(opened, mine.opened)
	if !mine.found {
		return opened, others.addresses, nil
	}
	p.log.Info("removing what a killed Wick left of its network", "table", p.names.table)
	for _, r := range mine.addresses {
		if err := forgetFlows(r.Contains); err != nil {
			return nil, nil, err
		}
	}
	if !p.options.Egress { // otherwise the new table takes its place
		return opened, others.addresses, errors.Join(restoreForwarding(mine.opened, others.opened), removeTable(p.names.table))
	}
	return opened, others.addresses, nil
}

func openOutside(h *netlink.Handle, n names, id string, log *slog.Logger, opened map[string]bool, taken []netip.Prefix) (*outside, error) {
	// Of every table: VPNs keep their routes apart from the main one.
	routes, err := h.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list the host's routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		ip, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		if ones, bits := r.Dst.Mask.Size(); ok && bits == 32 && ones > 0 {
			taken = append(taken, netip.PrefixFrom(ip, ones))
		}
	}
	o := &outside{names: n, log: log}
	if o.addresses, err = chooseRange(id, taken); err != nil {
		return nil, err
	}
	if o.mtu, err = uplinkMTU(h, routes); err != nil {
		return nil, err
	}
	if o.forwardLinks, err = needsForwarding("default"); err != nil {
		return nil, err
	}
	uplinks, closed, err := findUplinks(h, n, routes)
	if err != nil {
		return nil, err
	}
	o.firewall = firewall{names: n, addresses: o.addresses, uplinks: uplinks}
	for name := range opened {
		o.firewall.opened = append(o.firewall.opened, name)
	}
	for _, name := range closed {
		if !opened[name] {
			o.firewall.opened = append(o.firewall.opened, name)
		}
	}
	if o.watch, err = watchRoutes(o.addresses); err != nil {
		return nil, err
	}
	// The rules before the forwarding, so that nothing is forwarded without them.
	if err := o.firewall.install(); err != nil {
		o.watch.close()
		return nil, err
	}
	if err := o.open(closed); err != nil {
		return nil, errors.Join(err, o.takeBack())
	}
	return o, nil
}

// uplinkMTU returns the smallest MTU of the interfaces with a default route; 1,500
// when there are none.
func uplinkMTU(h *netlink.Handle, routes []netlink.Route) (int, error) {
	mtu := 0
	for _, r := range routes {
		if !isDefault(r) || r.LinkIndex == 0 {
			continue
		}
		l, err := h.LinkByIndex(r.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("look up uplink: %w", err)
		}
		if m := l.Attrs().MTU; mtu == 0 || m < mtu {
			mtu = m
		}
	}
	if mtu == 0 {
		mtu = 1500
	}
	return mtu, nil
}

func isDefault(r netlink.Route) bool {
	if r.Type != unix.RTN_UNICAST {
		return false
	}
	if r.Dst == nil {
		return true
	}
	ones, _ := r.Dst.Mask.Size()
	return ones == 0
}

// close takes back everything openOutside did.
func (o *outside) close() error {
	unlock := lockHost()
	defer unlock()
	return o.takeBack()
}

// takeBack is close for a caller that has locked the host.
func (o *outside) takeBack() error {
	o.watch.close()
	mine, others, err := readTables(o.names.table)
	return errors.Join(err, restoreForwarding(mine.opened, others.opened), removeTable(o.names.table))
}
