//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/internal/testkit/leak"
)

// The tests run in a network namespace of their own that plays the host: they change
// firewalls and forwarding, and other tests run on the machine at the same time. A
// second namespace plays the rest of the world.
const (
	hostAddress     = "198.51.100.1"
	hostAddress6    = "2001:db8:51::1"
	internetAddress = "198.51.100.2"
	farAddress      = "203.0.113.7"     // behind the host's default route
	metadataAddress = "169.254.169.254" // likewise: what the host can reach and slots can't

	envInside = "WICK_NETWORK_TEST_INSIDE"
	envHelper = "WICK_NETWORK_TEST_HELPER"
)

// world is nil where it can't be made.
var world *struct {
	home     *os.File // the host
	internet *os.File
}

func TestMain(m *testing.M) {
	switch fuzzing := strings.Contains(strings.Join(os.Args, " "), "-test.fuzz"); {
	case os.Getenv(envHelper) != "":
		helper(os.Getenv(envHelper))
	case fuzzing || !capable(unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN):
		os.Exit(m.Run())
	case os.Getenv(envInside) == "":
		os.Exit(runInside())
	default:
		if err := makeWorld(); err != nil {
			fmt.Fprintln(os.Stderr, "make the world of the tests:", err)
			os.Exit(1)
		}
		leak.Main(m)
	}
}

// runInside runs this test binary again in a new network namespace.
func runInside() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), envInside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the death signal is about the thread that started the child
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "tests in their own network namespace:", err)
		return 1
	}
	return 0
}

func makeWorld() error {
	home, err := currentNamespace()
	if err != nil {
		return err
	}
	if err := ConfigureHostLoopback(); err != nil {
		return err
	}
	internet, err := newNamespace(home)
	if err != nil {
		return err
	}
	world = &struct{ home, internet *os.File }{home, internet}
	if err := joinToHost("uplink0", internet, "198.51.100.1/24", "198.51.100.2/24"); err != nil {
		return err
	}
	if err := addAddress("uplink0", "2001:db8:51::1/64"); err != nil {
		return err
	}
	err = inside(home, internet, func() error {
		return errors.Join(
			addAddress("lo", farAddress+"/32"), addAddress("lo", metadataAddress+"/32"),
			netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(hostAddress)}), // the way to slots, for those who try
		)
	})
	return errors.Join(err,
		netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(internetAddress)}))
}

// ConfigureHostLoopback brings up loopback as a host has it.
func ConfigureHostLoopback() error {
	return netlink.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo", Index: 1}})
}

// joinToHost makes a link between the host and a namespace.
func joinToHost(name string, ns *os.File, hostSide, farSide string) error {
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "toward-" + name, PeerNamespace: netlink.NsFd(ns.Fd())}
	err := errors.Join(netlink.LinkAdd(veth), addAddress(name, hostSide))
	return errors.Join(err, inside(world.home, ns, func() error { return addAddress("toward-"+name, farSide) }))
}

func addAddress(name, cidr string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	a.Flags = unix.IFA_F_NODAD
	return errors.Join(netlink.LinkSetUp(l), netlink.AddrReplace(l, a))
}

// open opens a pool for a test, which must leave nothing behind.
func open(t testing.TB, o Options) *Pool {
	t.Helper()
	needWorld(t)
	if openPools.Add(1) == 1 { // what a test's second pool leaves, its first one's check finds
		leak.Check(t)
	}
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		openPools.Add(-1)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		nothingLeft(t, namesOf(o.ID))
	})
	if gaps := p.Gaps(); len(gaps) > 0 {
		t.Fatalf("gaps on the test's own host: %q", gaps)
	}
	return p
}

var openPools atomic.Int32

func needWorld(t testing.TB) {
	t.Helper()
	if world == nil {
		t.Skip("needs CAP_SYS_ADMIN and CAP_NET_ADMIN to make network namespaces")
	}
}

// nothingLeft fails t when the host still has something of a pool.
func nothingLeft(t testing.TB, n names) {
	t.Helper()
	if links := linksOf(t, n); len(links) > 0 {
		t.Errorf("links stay: %v", links)
	}
	if hasTable(t, n) {
		t.Errorf("nftables table %s stays", n.table)
	}
}

func linksOf(t testing.TB, n names) []string {
	t.Helper()
	links, err := whole(netlink.LinkList)
	if err != nil {
		t.Fatal(err)
	}
	var mine []string
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, n.interfaces) {
			mine = append(mine, l.Attrs().Name)
		}
	}
	return mine
}

func hasTable(t testing.TB, n names) bool {
	t.Helper()
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := c.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if table.Name == n.table {
			return true
		}
	}
	return false
}

func take(t testing.TB, p *Pool, egress bool) *Slot {
	t.Helper()
	s, err := p.Take(context.Background(), egress)
	if err != nil {
		t.Fatal(err)
	}
	if s.Egress() != egress {
		t.Fatalf("slot has egress: %v, want %v", s.Egress(), egress)
	}
	return s
}

// echo serves address in a namespace: whoever connects or sends a datagram gets the
// address he is seen with back.
func echo(t testing.TB, ns *os.File, network, address string) (port int) {
	t.Helper()
	err := inside(world.home, ns, func() error {
		if network == "udp" {
			pc, err := net.ListenPacket("udp", address)
			if err != nil {
				return err
			}
			port = pc.LocalAddr().(*net.UDPAddr).Port
			ended := make(chan struct{})
			t.Cleanup(func() { pc.Close(); <-ended })
			go func() {
				defer close(ended)
				b := make([]byte, 64)
				for {
					_, from, err := pc.ReadFrom(b)
					if err != nil {
						return
					}
					_, _ = pc.WriteTo([]byte(from.String()), from) // the test fails for want of it
				}
			}()
			return nil
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		port = ln.Addr().(*net.TCPAddr).Port
		ended := make(chan struct{})
		t.Cleanup(func() { ln.Close(); <-ended })
		go func() {
			defer close(ended)
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, conn.RemoteAddr().String()) // as above
				conn.Close()
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// askEcho asks an echo from a namespace and returns the address it saw.
func askEcho(ns *os.File, network, address string) (seen string, err error) {
	return askEchoWithin(ns, network, address, time.Minute)
}

// shortly is how long a test waits for what must not come.
const shortly = 300 * time.Millisecond

func askEchoWithin(ns *os.File, network, address string, patience time.Duration) (seen string, err error) {
	err = inside(world.home, ns, func() error {
		conn, err := net.DialTimeout(network, address, patience)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if network == "udp" {
			if _, err := io.WriteString(conn, "?"); err != nil {
				return err
			}
		}
		b := make([]byte, 64)
		n, err := conn.Read(b)
		seen = string(b[:n])
		return err
	})
	return seen, err
}

// refusedAtOnce fails t unless err is a refusal that didn't have to be waited for.
func refusedAtOnce(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("it is reachable")
	case errors.Is(err, os.ErrDeadlineExceeded) || os.IsTimeout(err):
		t.Errorf("not refused, but silent: %v", err)
	}
}

// eventually waits for what the background does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func idleSlots(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle[plain]) + len(p.idle[linked])
}

func allSlots(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.spaces)
}
