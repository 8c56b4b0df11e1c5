//go:build linux

package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Names of the sets in a pool's table. Other pools read them: they are how pools of
// different processes know of each other.
const (
	setRange   = "range"   // the pool's addresses
	setOpened  = "opened"  // interfaces whose IPv4 forwarding some pool has switched on
	setUplinks = "uplinks" // interfaces that led somewhere at that time
	setRefused = "refused" // where slots may not go
	setFlows   = "flows"   // how many connections each slot has
)

// maxFlows is how many connections a slot may have to the outside at once, datagrams'
// included. The host has one table for those of all slots and its own, of some 260,000
// by default, and one function must not fill it. A Lambda instance has 1,024 files.
const maxFlows = 4096

// refused are the destinations no slot may reach, besides the host's own addresses
// and other slots: this network, loopback, link-local (the metadata services of most
// clouds), the metadata addresses of Oracle, Azure and Alibaba Cloud, multicast, and
// the reserved range with broadcast. In ascending order.
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"),
}

// firewall is the content of a pool's nftables table.
type firewall struct {
	names     names
	addresses netip.Prefix
	opened    []string
	uplinks   []string
}

// install puts the table in place of whatever has its name, in one transaction. As
// nft would print it, with wkID-* for the pool's interfaces:
//
//	chain arriving { type filter hook prerouting priority mangle
//	    iifname != "wkID-*" accept
//	    meta nfproto != ipv4 drop
//	    fib saddr . iif oif 0 drop                  # not the slot's own address
//	    ct state established accept
//	    fib daddr type != unicast jump refuse       # an address of the host, before any DNAT
//	}
//	chain input { type filter hook input priority filter
//	    iifname != "wkID-*" accept
//	    ct state established accept
//	    jump refuse                                 # the host, after DNAT
//	}
//	chain forward { type filter hook forward priority filter
//	    iifname "wkID-*" jump leaving
//	    oifname "wkID-*" jump entering
//	    iifname @opened oifname @uplinks drop       # as before forwarding was switched on
//	}
//	chain leaving {
//	    oifname "wkID-*" jump refuse                # other slots
//	    ct state established accept
//	    ct state invalid drop                       # would leave without masquerading
//	    ip daddr @range jump refuse
//	    ip daddr @refused jump refuse
//	    add @flows { ip saddr ct count over 4096 } jump refuse
//	    accept
//	}
//	chain output { type filter hook output priority filter
//	    oifname "wkID-*" jump entering
//	}
//	chain entering {
//	    ct state established,related accept         # replies, resets and errors
//	    jump refuse
//	}
//	chain refuse {
//	    meta l4proto tcp reject with tcp reset
//	    reject with icmpx admin-prohibited            # the kernel sends a slot one a second
//	}
//	chain masquerade { type nat hook postrouting priority srcnat
//	    oifname != "wkID-*" meta nfproto ipv4 ip saddr @range masquerade
//	}
func (f firewall) install() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := &nftables.Table{Name: f.names.table, Family: nftables.TableFamilyINet}
	c.AddTable(table) // so that there is one to delete
	c.DelTable(table)
	c.AddTable(table)

	// Sets are numbered here because the library numbers them with a global counter.
	addresses := &nftables.Set{Table: table, ID: 1, Name: setRange, KeyType: nftables.TypeIPAddr, Interval: true}
	denied := &nftables.Set{Table: table, ID: 2, Name: setRefused, KeyType: nftables.TypeIPAddr, Interval: true}
	opened := &nftables.Set{Table: table, ID: 3, Name: setOpened, KeyType: nftables.TypeIFName}
	uplinks := &nftables.Set{Table: table, ID: 4, Name: setUplinks, KeyType: nftables.TypeIFName}
	flows := &nftables.Set{Table: table, ID: 5, Name: setFlows, KeyType: nftables.TypeIPAddr, Dynamic: true, Size: rangeSize}
	for _, s := range []struct {
		set      *nftables.Set
		elements []nftables.SetElement
	}{
		{addresses, intervals(f.addresses)},
		{denied, intervals(refused...)},
		{opened, interfaceNames(f.opened)},
		{uplinks, interfaceNames(f.uplinks)},
		{flows, nil},
	} {
		if err := c.AddSet(s.set, s.elements); err != nil {
			return fmt.Errorf("make nftables set %s: %w", s.set.Name, err)
		}
	}

	base := func(name string, t nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
		return c.AddChain(&nftables.Chain{Name: name, Table: table, Type: t, Hooknum: hook, Priority: priority})
	}
	arriving := base("arriving", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle)
	input := base("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	forward := base("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	output := base("output", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityFilter)
	masquerade := base("masquerade", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	leaving := c.AddChain(&nftables.Chain{Name: "leaving", Table: table})
	entering := c.AddChain(&nftables.Chain{Name: "entering", Table: table})
	refusing := c.AddChain(&nftables.Chain{Name: "refuse", Table: table})

	add := func(chain *nftables.Chain, parts ...[]expr.Any) {
		var all []expr.Any
		for _, p := range parts {
			all = append(all, p...)
		}
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: all})
	}
	prefix := f.names.interfaces
	refuse := jump(refusing)
	established := ctState(expr.CtStateBitESTABLISHED)

	add(arriving, interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpNeq, prefix), accept)
	add(arriving, protocolFamily(expr.CmpOpNeq, unix.NFPROTO_IPV4), drop)
	add(arriving, foreignSource, drop)
	add(arriving, established, accept)
	add(arriving, notUnicast, refuse)

	add(input, interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpNeq, prefix), accept)
	add(input, established, accept)
	add(input, refuse)

	add(forward, interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpEq, prefix), jump(leaving))
	add(forward, interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpEq, prefix), jump(entering))
	add(forward, inSet(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, opened), inSet(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, uplinks), drop)

	add(leaving, interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpEq, prefix), refuse)
	add(leaving, established, accept)
	add(leaving, ctState(expr.CtStateBitINVALID), drop)
	add(leaving, inSet(ipv4Destination, addresses), refuse)
	add(leaving, inSet(ipv4Destination, denied), refuse)
	add(leaving, []expr.Any{ipv4Source, &expr.Dynset{
		SrcRegKey: 1, SetName: flows.Name, SetID: flows.ID, Operation: unix.NFT_DYNSET_OP_ADD,
		Exprs: []expr.Any{&expr.Connlimit{Count: maxFlows, Flags: expr.NFT_CONNLIMIT_F_INV}},
	}}, refuse)
	add(leaving, accept)

	add(output, interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpEq, prefix), jump(entering))

	add(entering, ctState(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept)
	add(entering, refuse)

	add(refusing, layer4(unix.IPPROTO_TCP), reset)
	add(refusing, unreachable)

	add(masquerade, interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpNeq, prefix),
		protocolFamily(expr.CmpOpEq, unix.NFPROTO_IPV4), inSet(ipv4Source, addresses), []expr.Any{&expr.Masq{}})

	if err := c.Flush(); err != nil {
		return fmt.Errorf("install nftables table %s: %w", table.Name, err)
	}
	return nil
}

// addOpened adds interfaces to the installed table's sets of opened ones and uplinks.
func (f firewall) addOpened(interfaces []string) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := &nftables.Table{Name: f.names.table, Family: nftables.TableFamilyINet}
	for _, name := range []string{setOpened, setUplinks} {
		set := &nftables.Set{Table: table, Name: name, KeyType: nftables.TypeIFName}
		if err := c.SetAddElements(set, interfaceNames(interfaces)); err != nil {
			return fmt.Errorf("add to nftables set %s: %w", name, err)
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("add to nftables table %s: %w", table.Name, err)
	}
	return nil
}

// installed is what the table of a pool on this machine says.
type installed struct {
	id        string
	addresses []netip.Prefix // its range
	opened    []string       // interfaces whose forwarding it, or another one before, has switched on
}

// readTables returns what the tables of all pools on this machine say.
func readTables() ([]installed, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list nftables tables: %w", err)
	}
	var all []installed
	for _, t := range tables {
		id, ok := strings.CutPrefix(t.Name, tablePrefix)
		if !ok || !idPattern.MatchString(id) {
			continue
		}
		one := installed{id: id}
		for _, name := range []string{setRange, setOpened} {
			elements, err := c.GetSetElements(&nftables.Set{Table: t, Name: name, KeyType: nftables.TypeIPAddr})
			if errors.Is(err, unix.ENOENT) {
				continue // its pool is closing, or it is another's table of such a name
			}
			if err != nil {
				return nil, fmt.Errorf("read set %s of nftables table %s: %w", name, t.Name, err)
			}
			for _, e := range elements {
				switch {
				case name == setOpened:
					one.opened = append(one.opened, unix.ByteSliceToString(e.Key))
				case len(e.Key) == 4 && !e.IntervalEnd:
					one.addresses = append(one.addresses, netip.PrefixFrom(netip.AddrFrom4([4]byte(e.Key)), rangeBits))
				}
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// removeTable deletes a pool's table; none is no error.
func removeTable(name string) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
	c.AddTable(table)
	c.DelTable(table)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("remove nftables table %s: %w", name, err)
	}
	return nil
}

var (
	accept = []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	drop   = []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	reset  = []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}

	unreachable = []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}

	// foreignSource: the host wouldn't answer through the interface the packet came by.
	foreignSource = []expr.Any{
		&expr.Fib{Register: 1, FlagSADDR: true, FlagIIF: true, ResultOIF: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(0)},
	}
	// notUnicast: the destination is an address of the host, broadcast or multicast.
	notUnicast = []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_UNICAST)},
	}
	ipv4Source      = &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
	ipv4Destination = &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
)

// interfaceName compares the first bytes of an interface's name.
func interfaceName(key expr.MetaKey, op expr.CmpOp, prefix string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: []byte(prefix)}}
}

func protocolFamily(op expr.CmpOp, family byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: []byte{family}}}
}

func layer4(protocol byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}}}
}

func ctState(bits uint32) []expr.Any {
	zero := binaryutil.NativeEndian.PutUint32(0)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: zero},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: zero},
	}
}

// inSet: what load puts in register 1 is in the set.
func inSet(load expr.Any, s *nftables.Set) []expr.Any {
	return []expr.Any{load, &expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID}}
}

func jump(c *nftables.Chain) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: c.Name}}
}

// intervals are the elements of an interval set: each prefix's first address, and the
// first one after it as an end. One that ends with the address space has no end.
func intervals(prefixes ...netip.Prefix) []nftables.SetElement {
	// The set begins with an end at 0, unless something begins there.
	var elements []nftables.SetElement
	if prefixes[0].Addr() != netip.IPv4Unspecified() {
		elements = append(elements, nftables.SetElement{Key: []byte{0, 0, 0, 0}, IntervalEnd: true})
	}
	for _, p := range prefixes {
		elements = append(elements, nftables.SetElement{Key: p.Addr().AsSlice()})
		if end := nth(p.Addr(), 1<<(32-p.Bits())); end != netip.IPv4Unspecified() {
			elements = append(elements, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	return elements
}

func interfaceNames(names []string) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, n := range names {
		key := make([]byte, unix.IFNAMSIZ)
		copy(key, n)
		elements = append(elements, nftables.SetElement{Key: key})
	}
	return elements
}
