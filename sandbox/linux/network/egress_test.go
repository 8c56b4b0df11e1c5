//go:build linux

package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

func TestASlotReachesTheOutsideWithTheHostsAddress(t *testing.T) {
	p := open(t, Options{ID: "out", Ahead: 1, Egress: true})
	s := take(t, p, true)
	for _, network := range []string{"tcp", "udp"} {
		for _, address := range []string{internetAddress, farAddress} {
			port := echo(t, world.internet, network, address+":0")
			seen, err := askEcho(s.Namespace(), network, fmt.Sprintf("%s:%d", address, port))
			if err != nil {
				t.Errorf("%s to %s: %v", network, address, err)
			} else if !strings.HasPrefix(seen, hostAddress+":") {
				t.Errorf("%s to %s: seen as %s, want the host's %s", network, address, seen, hostAddress)
			}
		}
	}
}

func TestASlotWithoutEgressReachesNothing(t *testing.T) {
	p := open(t, Options{ID: "noout", Ahead: 1, Egress: true})
	s := take(t, p, false)
	port := echo(t, world.internet, "tcp", farAddress+":0")
	_, err := askEcho(s.Namespace(), "tcp", fmt.Sprintf("%s:%d", farAddress, port))
	if !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("got %v, want %v", err, unix.ENETUNREACH)
	}
}

func TestASlotReachesNoAddressOfTheHost(t *testing.T) {
	p := open(t, Options{ID: "nohost", Ahead: 1, Egress: true})
	s := take(t, p, true)
	tcp, udp := echo(t, world.home, "tcp", "[::]:0"), echo(t, world.home, "udp", "[::]:0")
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, a := range addresses {
		ip := a.(*net.IPNet).IP
		tried[ip.String()] = true
		for network, port := range map[string]int{"tcp": tcp, "udp": udp} {
			address := netip.AddrPortFrom(netip.MustParseAddr(ip.String()), uint16(port)).String()
			t.Run(network+" "+ip.String(), func(t *testing.T) {
				if !ip.IsLinkLocalUnicast() { // a link-local address needs its interface to be dialled
					if _, err := askEcho(world.home, network, address); err != nil {
						t.Fatalf("the host itself doesn't reach it: %v", err)
					}
				}
				_, err := askEcho(s.Namespace(), network, address)
				refusedAtOnce(t, err)
			})
		}
	}
	for _, must := range []string{"127.0.0.1", "::1", hostAddress, hostAddress6} {
		if !tried[must] {
			t.Errorf("%s was not among the host's addresses %v", must, addresses)
		}
	}
	t.Run("the next hop", func(t *testing.T) {
		_, err := askEcho(s.Namespace(), "tcp", fmt.Sprintf("%s:%d", gateway, tcp))
		refusedAtOnce(t, err)
	})
	t.Run("broadcast", func(t *testing.T) {
		_, err := askEcho(s.Namespace(), "udp", fmt.Sprintf("198.51.100.255:%d", udp))
		refusedAtOnce(t, err)
	})
}

func TestASlotReachesNoPortTheHostPublishesForAnother(t *testing.T) {
	p := open(t, Options{ID: "nodnat", Ahead: 1, Egress: true})
	s := take(t, p, true)
	port := echo(t, world.internet, "tcp", farAddress+":0")
	// As Docker does with a container's port: what comes to an address of the host is
	// sent elsewhere before the host sees that it is its own.
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	table := c.AddTable(&nftables.Table{Name: "nat", Family: nftables.TableFamilyIPv4})
	chain := c.AddChain(&nftables.Chain{Name: "PREROUTING", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: slices.Concat(
		[]expr.Any{
			&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
		},
		layer4(unix.IPPROTO_TCP),
		[]expr.Any{
			&expr.Immediate{Register: 1, Data: net.ParseIP(farAddress).To4()},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1},
		})})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		c.DelTable(table)
		if err := c.Flush(); err != nil {
			t.Error(err)
		}
	}()
	published := fmt.Sprintf("%s:%d", hostAddress, port)
	_, err = askEcho(s.Namespace(), "tcp", published)
	refusedAtOnce(t, err)
	// What that proves: without our rule, it is reached.
	c.FlushChain(&nftables.Chain{Name: "arriving", Table: &nftables.Table{Name: p.names.table, Family: nftables.TableFamilyINet}})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := askEcho(s.Namespace(), "tcp", published); err != nil {
		t.Errorf("not even without the rule: %v", err)
	}
}

func TestASlotCannotFillTheHostsTableOfConnections(t *testing.T) {
	p := open(t, Options{ID: "flood", Ahead: 2, Egress: true})
	s, other := take(t, p, true), take(t, p, true)
	port := echo(t, world.internet, "udp", farAddress+":0")
	address := fmt.Sprintf("%s:%d", farAddress, port)
	if _, err := askEcho(s.Namespace(), "udp", address); err != nil {
		t.Fatal(err)
	}
	err := inside(world.home, s.Namespace(), func() error {
		// One socket, many ports: each is a connection to the host.
		pc, err := net.ListenPacket("udp", s.Address().String()+":0")
		if err != nil {
			return err
		}
		defer pc.Close()
		to := net.UDPAddr{IP: net.ParseIP("203.0.113.8")} // nobody
		for to.Port = 1; to.Port <= maxFlows+100; to.Port++ {
			// The last ones fail with what the refusal of an earlier one said.
			if _, err := pc.WriteTo([]byte("?"), &to); err != nil && to.Port < maxFlows {
				return fmt.Errorf("connection %d: %w", to.Port, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := flows(t, s.Address()); n > maxFlows+1 || n < maxFlows-1 {
		t.Errorf("%d connections, want %d", n, maxFlows)
	}
	_, err = askEcho(s.Namespace(), "tcp", fmt.Sprintf("%s:%d", farAddress, echo(t, world.internet, "tcp", farAddress+":0")))
	refusedAtOnce(t, err)
	if _, err := askEcho(other.Namespace(), "udp", address); err != nil {
		t.Errorf("another slot suffers: %v", err)
	}
	p.Release(s)
	eventually(t, "its connections are forgotten", func() bool { return flows(t, s.Address()) == 0 })
}

func TestSlotsDoNotReachEachOther(t *testing.T) {
	p := open(t, Options{ID: "apart", Ahead: 2, Egress: true})
	q := open(t, Options{ID: "apart2", Ahead: 1, Egress: true})
	a := take(t, p, true)
	for name, b := range map[string]*Slot{"of one pool": take(t, p, true), "of two pools": take(t, q, true)} {
		t.Run(name, func(t *testing.T) {
			for _, network := range []string{"tcp", "udp"} {
				port := echo(t, b.Namespace(), network, b.Address().String()+":0")
				address := fmt.Sprintf("%s:%d", b.Address(), port)
				if _, err := askEcho(b.Namespace(), network, address); err != nil {
					t.Fatalf("the slot itself doesn't reach it: %v", err)
				}
				_, err := askEcho(a.Namespace(), network, address)
				refusedAtOnce(t, err)
			}
		})
	}
}

func TestASlotDoesNotReachMetadataThatTheHostReaches(t *testing.T) {
	p := open(t, Options{ID: "nometa", Ahead: 1, Egress: true})
	s := take(t, p, true)
	for _, network := range []string{"tcp", "udp"} {
		port := echo(t, world.internet, network, metadataAddress+":0")
		address := fmt.Sprintf("%s:%d", metadataAddress, port)
		if _, err := askEcho(world.home, network, address); err != nil {
			t.Fatalf("the host itself doesn't reach it: %v", err)
		}
		_, err := askEcho(s.Namespace(), network, address)
		refusedAtOnce(t, err)
	}
}

func TestNothingOutsideOpensAConnectionToASlot(t *testing.T) {
	p := open(t, Options{ID: "noin", Ahead: 1, Egress: true})
	s := take(t, p, true)
	port := echo(t, s.Namespace(), "tcp", "0.0.0.0:0")
	address := fmt.Sprintf("%s:%d", s.Address(), port)
	if _, err := askEcho(s.Namespace(), "tcp", address); err != nil {
		t.Fatalf("the slot itself doesn't reach it: %v", err)
	}
	for name, from := range map[string]*os.File{"host": world.home, "internet": world.internet} {
		if _, err := askEchoWithin(from, "tcp", address, shortly); err == nil {
			t.Errorf("reachable from the %s", name)
		}
	}
	// What that proves: with the rules gone, both get through.
	if err := removeTable(p.names.table); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]*os.File{"host": world.home, "internet": world.internet} {
		if _, err := askEcho(from, "tcp", address); err != nil {
			t.Errorf("from the %s not even without rules: %v", name, err)
		}
	}
	if err := p.outside.firewall.install(); err != nil {
		t.Fatal(err)
	}
}

func TestAForgedSourceIsDropped(t *testing.T) {
	p := open(t, Options{ID: "forge", Ahead: 2, Egress: true})
	s, other := take(t, p, true), take(t, p, true)
	got := make(chan string, 16)
	var port int
	err := inside(world.home, world.internet, func() error {
		pc, err := net.ListenPacket("udp", farAddress+":0")
		if err != nil {
			return err
		}
		port = pc.LocalAddr().(*net.UDPAddr).Port
		t.Cleanup(func() { pc.Close() })
		go func() {
			defer close(got)
			b := make([]byte, 64)
			for {
				n, _, err := pc.ReadFrom(b)
				if err != nil {
					return
				}
				got <- string(b[:n])
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// In this order, so that the last one's arrival says that the others are lost.
	for _, source := range []string{other.Address().String(), hostAddress, "192.0.2.77", "169.254.100.1", s.Address().String()} {
		err := inside(world.home, s.Namespace(), func() error {
			return sendFrom(source, farAddress, port, "from "+source)
		})
		if err != nil {
			t.Fatalf("send from %s: %v", source, err)
		}
	}
	select {
	case first := <-got:
		if want := "from " + s.Address().String(); first != want {
			t.Errorf("arrived first: %q, want %q", first, want)
		}
	case <-time.After(time.Minute):
		t.Error("not even the slot's own address gets through")
	}
}

// sendFrom sends a UDP datagram with a source address of choice.
func sendFrom(source, destination string, port int, payload string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	src, dst := netip.MustParseAddr(source).As4(), netip.MustParseAddr(destination).As4()
	b := []byte{0x45, 0, 0, byte(28 + len(payload)), 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0} // the kernel sums
	b = append(append(b, src[:]...), dst[:]...)
	b = append(b, 0x30, 0x39, byte(port>>8), byte(port), 0, byte(8+len(payload)), 0, 0) // no checksum
	return unix.Sendto(fd, append(b, payload...), 0, &unix.SockaddrInet4{Addr: dst})
}
