//go:build linux

package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// loopbackAddresses are on every slot's loopback besides 127.0.0.1 and ::1: the
// Runtime API and X-Ray daemon, and the X-Ray daemon as provided.al2 knows it.
var loopbackAddresses = []*net.IPNet{
	{IP: net.IPv4(169, 254, 100, 1).To4(), Mask: net.CIDRMask(32, 32)},
	{IP: net.IPv4(169, 254, 79, 129).To4(), Mask: net.CIDRMask(32, 32)},
}

// elsewhere runs f on a thread of its own, which leave (a setns or unshare) has
// moved to another network namespace, and brings the thread back to home afterwards.
// A thread that can't be brought back ends with its goroutine; the Go runtime starts
// new threads from a clean one while any is locked, so none inherits the namespace.
func elsewhere(home *os.File, leave, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := leave(); err != nil {
			runtime.UnlockOSThread()
			result <- err
			return
		}
		err := f()
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, fmt.Errorf("return to the host's network namespace: %w", back))
		} else {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// inside runs f in the namespace ns.
func inside(home, ns *os.File, f func() error) error {
	return elsewhere(home, func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return nil
	}, f)
}

// currentNamespace opens the network namespace of the calling thread.
func currentNamespace() (*os.File, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	return os.NewFile(uintptr(fd), "netns"), nil
}

func inodeOf(ns *os.File) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(ns.Fd()), &st); err != nil {
		return 0, fmt.Errorf("identify network namespace: %w", err)
	}
	return st.Ino, nil
}

// newNamespace makes a network namespace with its loopback up. Nothing but the
// returned file keeps it alive.
func newNamespace(home *os.File) (*os.File, error) {
	var ns *os.File
	err := elsewhere(home, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make network namespace: %w", err)
		}
		return nil
	}, func() (err error) {
		if ns, err = currentNamespace(); err != nil {
			return err
		}
		return ConfigureLoopback()
	})
	if err != nil {
		if ns != nil {
			ns.Close()
		}
		return nil, err
	}
	return ns, nil
}

// ConfigureLoopback brings up loopback in the network namespace of the calling
// thread with the addresses every slot has, and keeps IPv6 off every interface that
// comes later. It needs CAP_NET_ADMIN over the namespace. A pool does this for its
// slots; without privileges, the driver's own process calls it in the namespace it
// has unshared.
func ConfigureLoopback() error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("configure loopback: %w", err)
	}
	defer h.Close()
	// Index 1 is loopback in every network namespace.
	lo := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo", Index: 1}}
	// Up first: the kernel then adds 127.0.0.1 and ::1 itself.
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	for _, a := range loopbackAddresses {
		// Scope host: never chosen as the source of a packet to the outside.
		if err := h.AddrAdd(lo, &netlink.Addr{IPNet: a, Scope: unix.RT_SCOPE_HOST}); err != nil {
			return fmt.Errorf("add %s to loopback: %w", a, err)
		}
	}
	return setInterfaceSysctl("ipv6", "default", "disable_ipv6", "1")
}

// setInterfaceSysctl writes net.FAMILY.conf.IFACE.KEY in the calling thread's network
// namespace. A kernel without IPv6 has none of its settings, which is as good.
func setInterfaceSysctl(family, iface, key, value string) error {
	path := interfaceSysctl(family, iface, key)
	err := writeExisting(path, value)
	if family == "ipv6" && errors.Is(err, os.ErrNotExist) {
		if _, statErr := os.Stat("/proc/sys/net/ipv6"); errors.Is(statErr, os.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("set net.%s.conf.%s.%s: %w", family, iface, key, err)
	}
	return nil
}

func interfaceSysctl(family, iface, key string) string {
	return "/proc/sys/net/" + family + "/conf/" + iface + "/" + key
}

func writeExisting(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte(value))
	return errors.Join(err, unix.Close(fd))
}
