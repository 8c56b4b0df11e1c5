//go:build linux

package network

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"github.com/wick-run/wick/internal/testkit/leak"
)

// helper is what this test binary does when a test starts it as another process.
func helper(what string) {
	switch what {
	case "wait":
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes it
	case "hold":
		p, err := Open(Options{ID: "killed", Ahead: 2, Egress: true})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for range 3 {
			if _, err := p.Take(context.Background(), true); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
		fmt.Println("holding")
		_, _ = io.Copy(io.Discard, os.Stdin) // as above
	case "unprivileged":
		p, err := Open(Options{ID: "nobody", Ahead: 2, Egress: true})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		_, err = p.Take(context.Background(), true)
		fmt.Println(p.Privileged(), err, p.Gaps())
		if err := p.Close(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

func TestOpenRemovesWhatAKilledProcessLeft(t *testing.T) {
	for _, o := range []Options{
		{ID: "killed"}, {ID: "killed", Egress: true}, {ID: "another"}, {ID: "another", Egress: true},
	} {
		t.Run(fmt.Sprintf("%s %v", o.ID, o.Egress), func(t *testing.T) {
			needWorld(t)
			leak.Check(t)
			n := namesOf("killed")
			slot := leaveByKill(t, n)
			defer slot.Close()
			p, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			if gaps := p.Gaps(); len(gaps) > 0 {
				t.Errorf("gaps: %q", gaps)
			}
			if o.ID != "killed" || !o.Egress {
				nothingLeft(t, n)
			} else if links := linksOf(t, n); len(links) > 1 { // the new pool's first
				t.Errorf("links stay: %v", links)
			}
			if got, want := forwarding(t, "uplink0"), map[bool]string{true: "1", false: "0"}[o.Egress]; got != want {
				t.Errorf("forwarding of the uplink is %s, want %s", got, want)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			nothingLeft(t, n)
			if got := forwarding(t, "uplink0"); got != "0" {
				t.Errorf("forwarding of the uplink stays %s", got)
			}
		})
	}
}

// leaveByKill lets a process open a pool and be killed, and returns the namespace of
// one of its slots, kept as a process of its sandbox would that outlives it.
func leaveByKill(t *testing.T, n names) *os.File {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envHelper+"=hold")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "holding\n" {
		t.Fatalf("helper: %q, %v", line, err)
	}
	slot := namespaceOfFile(t, cmd.Process.Pid)
	if slot == nil {
		t.Fatal("the helper made no namespace")
	}
	if _, err := Open(Options{ID: "killed"}); err == nil {
		t.Error("a second pool of the ID opens while the first is there")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the helper ended by itself")
	}
	if len(linksOf(t, n)) == 0 || !hasTable(t, n) || forwarding(t, "uplink0") != "1" {
		t.Fatal("the killed process left nothing: the test would prove nothing")
	}
	return slot
}

// namespaceOfFile opens a network namespace that a process holds a descriptor of.
func namespaceOfFile(t testing.TB, pid int) *os.File {
	t.Helper()
	var home, st syscall.Stat_t
	if err := syscall.Fstat(int(world.home.Fd()), &home); err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := dir + "/" + e.Name()
		to, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(to, "net:[") {
			continue
		}
		if err := syscall.Stat(path, &st); err != nil || st.Ino == home.Ino {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	return nil
}

func TestAKilledPredecessorsSlotsDoNotDisturb(t *testing.T) {
	needWorld(t)
	n := namesOf("replace")
	// A table and a link of the same names, as a killed process leaves them.
	ns, err := newNamespace(world.home)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	h, err := netlink.NewHandle()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	old := firewall{names: n, addresses: netip.MustParsePrefix("100.64.0.0/20")}
	if err := old.install(); err != nil {
		t.Fatal(err)
	}
	if _, err := makeLink(h, world.home, ns, n.link(0), link{address: netip.MustParseAddr("100.64.0.0")}, n, 1500, false); err != nil {
		t.Fatal(err)
	}
	p := open(t, Options{ID: "replace", Ahead: 1, Egress: true})
	s := take(t, p, true)
	port := echo(t, world.internet, "tcp", farAddress+":0")
	if _, err := askEcho(s.Namespace(), "tcp", fmt.Sprintf("%s:%d", farAddress, port)); err != nil {
		t.Error(err)
	}
}

func forwarding(t testing.TB, iface string) string {
	t.Helper()
	b, err := os.ReadFile(interfaceSysctl("ipv4", iface, "forwarding"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestForwardingIsSwitchedOnWhileAPoolNeedsIt(t *testing.T) {
	needWorld(t)
	global, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err != nil {
		t.Fatal(err)
	}
	check := func(when, want string) {
		t.Helper()
		if got := forwarding(t, "uplink0"); got != want {
			t.Errorf("%s: forwarding of the uplink is %s, want %s", when, got, want)
		}
		now, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
		if err != nil || string(now) != string(global) {
			t.Errorf("%s: ip_forward is %q, was %q (%v)", when, now, global, err)
		}
	}
	check("before", "0")
	port := echo(t, world.internet, "tcp", farAddress+":0")
	works := func(when string, s *Slot) {
		t.Helper()
		if _, err := askEcho(s.Namespace(), "tcp", fmt.Sprintf("%s:%d", farAddress, port)); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	p := open(t, Options{ID: "fwd", Egress: true})
	check("with one pool", "1")
	first := take(t, p, true)
	q := open(t, Options{ID: "fwd2", Egress: true})
	s := take(t, q, true)
	works("the first pool with a second one", first)
	works("the second pool with a first one", s)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	check("with the other pool", "1")
	works("the second pool after the first was closed", s)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	check("after", "0")
}

func TestForwardingThatOthersSwitchedOnMeanwhileStaysOn(t *testing.T) {
	p := open(t, Options{ID: "fwd3", Egress: true})
	set := func(value string) {
		t.Helper()
		if err := writeExisting("/proc/sys/net/ipv4/ip_forward", value); err != nil {
			t.Fatal(err)
		}
	}
	set("1")
	defer set("0")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := forwarding(t, "uplink0"); got != "1" {
		t.Errorf("forwarding of the uplink is %s", got)
	}
}

func TestAWayOutsideThatComesLaterWorks(t *testing.T) {
	p := open(t, Options{ID: "later", Egress: true})
	s := take(t, p, true)
	vpn := makeNetwork(t, "vpn0", "192.0.2.1/24", "192.0.2.2/24")
	port := echo(t, vpn, "tcp", "192.0.2.2:0")
	eventually(t, "forwarding is on for it", func() bool { return forwarding(t, "vpn0") == "1" })
	seen, err := askEcho(s.Namespace(), "tcp", fmt.Sprintf("192.0.2.2:%d", port))
	if err != nil || !strings.HasPrefix(seen, "192.0.2.1:") {
		t.Errorf("seen as %q, %v", seen, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := forwarding(t, "vpn0"); got != "0" {
		t.Errorf("forwarding stays %s", got)
	}
}

func TestTheHostDoesNotBecomeARouter(t *testing.T) {
	needWorld(t)
	lan := makeNetwork(t, "lan0", "192.0.2.1/24", "192.0.2.2/24")
	err := inside(world.home, lan, func() error {
		return netlink.RouteAdd(&netlink.Route{Gw: []byte{192, 0, 2, 1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, Options{ID: "router", Egress: true})
	if forwarding(t, "lan0") != "1" || forwarding(t, "uplink0") != "1" {
		t.Fatal("the host forwards nothing anyway: the test would prove nothing")
	}
	port := echo(t, world.internet, "udp", internetAddress+":0")
	address := fmt.Sprintf("%s:%d", internetAddress, port)
	if _, err := askEcho(world.home, "udp", address); err != nil {
		t.Fatal(err)
	}
	if _, err := askEchoWithin(lan, "udp", address, shortly); err == nil {
		t.Error("the LAN reaches the internet through the host")
	}
	// What that proves: without the rule, it gets through.
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	c.FlushSet(&nftables.Set{Table: &nftables.Table{Name: p.names.table, Family: nftables.TableFamilyINet}, Name: setOpened})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := askEcho(lan, "udp", address); err != nil {
		t.Errorf("not even without the rule: %v", err)
	}
	for _, name := range []string{"lan0", "uplink0"} { // the pool has lost its note of it
		if err := setInterfaceSysctl("ipv4", name, "forwarding", "0"); err != nil {
			t.Error(err)
		}
	}
}

// makeNetwork makes one more network next to the host.
func makeNetwork(t testing.TB, name, hostSide, farSide string) *os.File {
	t.Helper()
	needWorld(t)
	ns, err := newNamespace(world.home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkDel(l)
		}
		if err != nil {
			t.Error(err)
		}
		ns.Close()
	})
	if err := joinToHost(name, ns, hostSide, farSide); err != nil {
		t.Fatal(err)
	}
	return ns
}

func TestGapsNameAFirewallThatDropsWhatIsForwarded(t *testing.T) {
	p := open(t, Options{ID: "gaps", Egress: true})
	s := take(t, p, true)
	port := echo(t, world.internet, "tcp", farAddress+":0")
	address := fmt.Sprintf("%s:%d", farAddress, port)
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	flush := func() {
		t.Helper()
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	policy := nftables.ChainPolicyDrop
	for _, firewall := range []struct {
		table   nftables.Table
		chain   string
		user    string // where the rules go, if not there
		because string
	}{
		{nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}, "FORWARD", "DOCKER-USER", // as Docker leaves it
			"table ip filter, chain FORWARD) drops what it doesn't know; to let it pass: iptables -I DOCKER-USER -i wkgaps-+ -j ACCEPT; iptables -I DOCKER-USER -o wkgaps-+ -j ACCEPT"},
		{nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}, "FORWARD", "", // ufw
			"to let it pass: iptables -I FORWARD -i wkgaps-+ -j ACCEPT; iptables -I FORWARD -o wkgaps-+ -j ACCEPT"},
		{nftables.Table{Name: "mine", Family: nftables.TableFamilyINet}, "fwd", "",
			`to let it pass: nft insert rule inet mine fwd iifname "wkgaps-*" accept; nft insert rule inet mine fwd oifname "wkgaps-*" accept`},
	} {
		t.Run(firewall.table.Name+" "+firewall.chain+" "+firewall.user, func(t *testing.T) {
			table := c.AddTable(&firewall.table)
			chain := c.AddChain(&nftables.Chain{Name: firewall.chain, Table: table, Type: nftables.ChainTypeFilter,
				Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &policy})
			rules := chain
			if firewall.user != "" {
				rules = c.AddChain(&nftables.Chain{Name: firewall.user, Table: table})
				c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: jump(rules)})
			}
			flush()
			defer func() {
				c.DelTable(table)
				flush()
			}()
			gaps := p.Gaps()
			if len(gaps) != 1 || !strings.Contains(gaps[0], firewall.because) {
				t.Errorf("gaps: %q", gaps)
			}
			if _, err := askEchoWithin(s.Namespace(), "tcp", address, shortly); err == nil {
				t.Error("it has egress")
			}
			// What the gap says to do.
			for _, key := range []expr.MetaKey{expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME} {
				if gaps := p.Gaps(); len(gaps) != 1 {
					t.Errorf("gaps before the rule: %q", gaps)
				}
				c.InsertRule(&nftables.Rule{Table: table, Chain: rules, Exprs: slices.Concat(
					interfaceName(key, expr.CmpOpEq, p.names.interfaces), []expr.Any{&expr.Counter{}}, accept)})
				flush()
			}
			if gaps := p.Gaps(); len(gaps) > 0 {
				t.Errorf("gaps after it was done: %q", gaps)
			}
			if _, err := askEcho(s.Namespace(), "tcp", address); err != nil {
				t.Errorf("no egress after it was done: %v", err)
			}
		})
	}
	if gaps := p.Gaps(); len(gaps) > 0 {
		t.Errorf("gaps after it is gone: %q", gaps)
	}
}

func TestAnUnprivilegedPoolSaysSo(t *testing.T) {
	needWorld(t)
	// A copy, as the folder of the test binary isn't open to everyone.
	dir, err := os.MkdirTemp("", "wick-network-test")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/test", binary, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dir + "/test")
	cmd.Env = append(os.Environ(), envHelper+"=unprivileged")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"false", ErrUnprivileged.Error(), "reach nothing outside"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("said %q, without %q", out, want)
		}
	}
}
