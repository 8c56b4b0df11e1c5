//go:build linux

package network

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// outside is the host's half of egress: addresses, rules and forwarding.
type outside struct {
	id           string
	names        names
	log          *slog.Logger
	addresses    netip.Prefix
	mtu          int
	forwardLinks bool // links don't forward unless told to
	watch        *routeWatch
	firewall     firewall
}

// prepare removes what killed predecessors left and sets up the way outside, or adds
// to the gaps why there is none.
func (p *Pool) prepare() {
	unlock := lockHost()
	defer unlock()
	found, err := p.sweep()
	if err == nil && p.options.Egress {
		p.outside, err = openOutside(p.route, p.options.ID, p.log, found)
	}
	if err == nil && p.outside != nil {
		// The first one shows whether links can be made here at all.
		var sp *space
		if sp, err = p.make(linked); err == nil {
			p.putBack(sp)
		} else {
			err = errors.Join(err, p.outside.takeBack())
			p.outside = nil
		}
	}
	// Now that another table has what these say, or nobody needs it.
	if err := found.removeDead(p.outside != nil); err != nil {
		p.log.Warn("a killed Wick's network not removed", "error", err)
	}
	switch {
	case err == nil:
	case !p.options.Egress: // perhaps the kernel has no nftables, and nobody needs them
		p.log.Debug("no look for killed Wicks' networks", "error", err)
	default:
		p.mu.Lock()
		p.wanted[plain] = true
		p.mu.Unlock()
		p.gaps = append(p.gaps, fmt.Sprintf("network: functions have no egress, as setting it up failed (%v); it needs nftables (nf_tables, nft_fib_inet, nft_masq, nft_reject_inet, nft_connlimit, nft_ct), veth and a writable /proc/sys/net in this kernel or container", err))
	}
}

// others is what other pools have on this machine, and had: killed ones.
type others struct {
	id         string // the own
	alive      []installed
	dead       []installed
	deadOpened map[string]bool
}

// sweep removes the links of killed predecessors and forgets their connections.
// Predecessors are those of the same ID and any whose process is dead: their rules
// would cost every packet of the host something until it is restarted.
func (p *Pool) sweep() (others, error) {
	found := others{id: p.options.ID, deadOpened: map[string]bool{}}
	tables, err := readTables()
	if err != nil {
		return found, err
	}
	for _, t := range tables {
		if t.id == p.options.ID || !isAlive(t.id) {
			found.dead = append(found.dead, t)
		} else {
			found.alive = append(found.alive, t)
		}
	}
	for _, t := range found.dead {
		n := namesOf(t.id)
		p.log.Info("removing what a killed Wick left of its network", "table", n.table)
		err := errors.Join(deleteGroup(n.group), deleteGroup(n.doomed))
		for _, r := range t.addresses {
			err = errors.Join(err, forgetFlows(r.Contains))
		}
		if err != nil {
			return found, err
		}
		for _, name := range t.opened {
			found.deadOpened[name] = true
		}
	}
	return found, nil
}

// removeDead removes the tables of killed predecessors. If their ID has not been given
// a new table, forwarding is switched off where only they needed it.
func (f others) removeDead(replaced bool) error {
	var errs []error
	if !replaced && len(f.deadOpened) > 0 {
		errs = append(errs, restoreForwarding(f.deadOpened, f.alive))
	}
	for _, t := range f.dead {
		if t.id != f.id || !replaced {
			errs = append(errs, removeTable(namesOf(t.id).table))
		}
	}
	return errors.Join(errs...)
}

// ranges returns the addresses of the other pools' slots.
func ranges(pools []installed) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range pools {
		all = append(all, p.addresses...)
	}
	return all
}

// listRoutes returns the host's routes of every table (VPNs keep theirs apart from the
// main one) but for those to slots.
func listRoutes(h *netlink.Handle, slots []netip.Prefix) ([]netlink.Route, error) {
	all, err := whole(func() ([]netlink.Route, error) {
		return h.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list the host's routes: %w", err)
	}
	return slices.DeleteFunc(all, func(r netlink.Route) bool {
		p, ok := destination(r)
		return ok && p.IsSingleIP() && overlapsAny(p, slots)
	}), nil
}

// whole asks the kernel for a list again while what it lists changes in the middle of it, as
// other servers' slots come and go. A list is there within a millisecond, so that one of
// many comes through.
func whole[T any](list func() (T, error)) (all T, err error) {
	for range 100 {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, err
}

// destination returns where a route leads; false for a default route.
func destination(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(r.Dst.IP.To4())
	ones, bits := r.Dst.Mask.Size()
	return netip.PrefixFrom(ip, ones), ok && bits == 32 && ones > 0
}

func openOutside(h *netlink.Handle, id string, log *slog.Logger, found others) (*outside, error) {
	slots := ranges(found.alive)
	routes, err := listRoutes(h, slots)
	if err != nil {
		return nil, err
	}
	taken := slots
	for _, r := range routes {
		if p, ok := destination(r); ok {
			taken = append(taken, p)
		}
	}
	n := namesOf(id)
	o := &outside{id: id, names: n, log: log}
	if o.addresses, err = chooseRange(id, taken); err != nil {
		return nil, err
	}
	if o.mtu, err = uplinkMTU(h, routes); err != nil {
		return nil, err
	}
	if o.forwardLinks, err = needsForwarding("default"); err != nil {
		return nil, err
	}
	uplinks, closed, err := findUplinks(h, routes)
	if err != nil {
		return nil, err
	}
	o.firewall = firewall{names: n, addresses: o.addresses, uplinks: uplinks}
	opened := maps.Clone(found.deadOpened)
	for _, t := range found.alive {
		for _, name := range t.opened {
			opened[name] = true
		}
	}
	for _, name := range closed {
		opened[name] = true
	}
	o.firewall.opened = slices.Collect(maps.Keys(opened))
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
	_, specific := destination(r)
	return !specific
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
	tables, err := readTables()
	opened := map[string]bool{}
	var alive []installed
	for _, t := range tables {
		switch {
		case t.id == o.id:
			for _, name := range t.opened {
				opened[name] = true
			}
		case isAlive(t.id):
			alive = append(alive, t)
		}
	}
	return errors.Join(err, restoreForwarding(opened, alive), removeTable(o.names.table))
}
