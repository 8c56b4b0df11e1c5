//go:build linux

package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// needsForwarding reports whether an interface doesn't forward IPv4.
func needsForwarding(iface string) (bool, error) {
	b, err := os.ReadFile(interfaceSysctl("ipv4", iface, "forwarding"))
	if err != nil {
		return false, fmt.Errorf("read net.ipv4.conf.%s.forwarding: %w", iface, err)
	}
	return strings.TrimSpace(string(b)) == "0", nil
}

// findUplinks names the interfaces that routes lead to, and those among them that
// don't forward. Replies to slots come in through them, and the kernel forwards a
// packet only if the interface it came in by forwards.
func findUplinks(h *netlink.Handle, routes []netlink.Route) (all, closed []string, err error) {
	seen := map[int]bool{1: true} // loopback leads nowhere
	for _, r := range routes {
		indexes := []int{r.LinkIndex}
		for _, hop := range r.MultiPath {
			indexes = append(indexes, hop.LinkIndex)
		}
		for _, index := range indexes {
			if r.Type != unix.RTN_UNICAST || index == 0 || seen[index] {
				continue
			}
			seen[index] = true
			l, err := h.LinkByIndex(index)
			if errors.As(err, &netlink.LinkNotFoundError{}) {
				continue // gone meanwhile
			}
			if err != nil {
				return nil, nil, fmt.Errorf("look up uplink: %w", err)
			}
			name := l.Attrs().Name
			needs, err := needsForwarding(name)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			all = append(all, name)
			if needs {
				closed = append(closed, name)
			}
		}
	}
	return all, closed, nil
}

// open switches forwarding on for interfaces.
func (o *outside) open(interfaces []string) error {
	for _, name := range interfaces {
		if err := setInterfaceSysctl("ipv4", name, "forwarding", "1"); err != nil {
			return err
		}
		o.log.Info("switched IPv4 forwarding on, so that functions can reach the outside; closing Wick switches it off again",
			"interface", name, "setting", "net.ipv4.conf."+name+".forwarding")
	}
	return nil
}

// reopen does for interfaces that have come since what openOutside did for those there.
func (o *outside) reopen(h *netlink.Handle) error {
	unlock := lockHost()
	defer unlock()
	tables, err := readTables()
	if err != nil {
		return err
	}
	routes, err := listRoutes(h, ranges(tables))
	if err != nil {
		return err
	}
	_, closed, err := findUplinks(h, routes)
	if err != nil || len(closed) == 0 {
		return err
	}
	if err := o.firewall.addOpened(closed); err != nil {
		return err
	}
	return o.open(closed)
}

// restoreForwarding switches forwarding off for interfaces that no other pool needs it
// on. If somebody has switched it on for the whole host meanwhile, as Docker does when
// it starts, it stays on.
func restoreForwarding(opened map[string]bool, others []installed) error {
	if needs, err := needsForwarding("all"); err != nil || !needs {
		return err
	}
	var errs []error
	for name := range opened {
		if slices.ContainsFunc(others, func(t installed) bool { return slices.Contains(t.opened, name) }) {
			continue
		}
		if err := setInterfaceSysctl("ipv4", name, "forwarding", "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// lockHost keeps the pools of several processes from changing the host's settings at
// the same time. The lock is the kernel's own folder of those settings, one for each
// network namespace. A process that was stopped while holding it doesn't hold up the
// others for more than a moment.
func lockHost() (unlock func()) {
	f, err := os.Open("/proc/sys/net/ipv4/conf")
	if err != nil {
		return func() {} // nothing to change, then
	}
	deadline := time.Now().Add(2 * time.Second)
	for pause := time.Millisecond; time.Now().Before(deadline); pause *= 2 {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		time.Sleep(pause)
	}
	return func() { f.Close() }
}

// routeWatch signals when the host gets a route that doesn't lead to a slot.
type routeWatch struct {
	slots   netip.Prefix
	changed chan struct{}
	socket  *nl.NetlinkSocket
	done    chan struct{}
	once    sync.Once
}

func watchRoutes(slots netip.Prefix) (*routeWatch, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("watch the host's routes: %w", err)
	}
	w := &routeWatch{slots: slots, changed: make(chan struct{}, 1), socket: s, done: make(chan struct{})}
	go w.run()
	return w, nil
}

func (w *routeWatch) run() {
	defer close(w.done)
	for {
		messages, _, err := w.socket.Receive()
		if errors.Is(err, unix.ENOBUFS) {
			w.signal() // some were lost
			continue
		}
		if err != nil {
			return // closed
		}
		for _, m := range messages {
			if m.Header.Type == unix.RTM_NEWROUTE && !w.own(m.Data) {
				w.signal()
			}
		}
	}
}

// own reports whether a route message is about a slot's route.
func (w *routeWatch) own(message []byte) bool {
	if len(message) < unix.SizeofRtMsg {
		return false
	}
	attributes, err := nl.ParseRouteAttr(message[unix.SizeofRtMsg:])
	if err != nil {
		return false
	}
	for _, a := range attributes {
		if ip, ok := netip.AddrFromSlice(a.Value); a.Attr.Type == unix.RTA_DST && ok {
			return w.slots.Contains(ip)
		}
	}
	return false
}

func (w *routeWatch) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *routeWatch) close() {
	w.once.Do(w.socket.Close)
	<-w.done
}
