//go:build linux

package network

import (
	"bytes"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// gaps looks for firewalls on the host that drop what it forwards unless they know it:
// a packet has to pass all tables, and ours can't accept for them. Docker and ufw leave
// the host with one.
func (o *outside) gaps() []string {
	blocked, err := blockingChains(o.names.interfaces)
	if err != nil {
		return []string{fmt.Sprintf("network: can't tell whether another firewall drops functions' traffic: %v", err)}
	}
	var gaps []string
	for _, b := range blocked {
		gaps = append(gaps, fmt.Sprintf("network: functions may have no egress, as this host's firewall (table %s, chain %s) drops what it doesn't know; to let it pass: %s",
			b.table, b.chain, b.remedy(o.names.interfaces)))
	}
	return gaps
}

// blocker is a chain that drops by policy what the host forwards.
type blocker struct {
	table, chain string
	iptables     string // the chain to add rules to with iptables; "": it isn't iptables'
	command      string // iptables, or the name of its variant
}

func (b blocker) remedy(interfaces string) string {
	if b.iptables == "" {
		return fmt.Sprintf(`nft insert rule %[1]s %[2]s iifname "%[3]s*" accept; nft insert rule %[1]s %[2]s oifname "%[3]s*" accept`, b.table, b.chain, interfaces)
	}
	return fmt.Sprintf("%[1]s -I %[2]s -i %[3]s+ -j ACCEPT; %[1]s -I %[2]s -o %[3]s+ -j ACCEPT", b.command, b.iptables, interfaces)
}

// blockingChains returns the chains that would drop the traffic of a pool's interfaces.
func blockingChains(interfaces string) ([]blocker, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list nftables chains: %w", err)
	}
	var blockers []blocker
	for _, ch := range chains {
		ipv4 := ch.Table.Family == nftables.TableFamilyIPv4 || ch.Table.Family == nftables.TableFamilyINet
		if !ipv4 || ch.Hooknum == nil || *ch.Hooknum != *nftables.ChainHookForward || ch.Policy == nil || *ch.Policy != nftables.ChainPolicyDrop {
			continue
		}
		b := blocker{table: familyName(ch.Table.Family) + " " + ch.Table.Name, chain: ch.Name}
		candidates := []*nftables.Chain{ch}
		if ch.Table.Family == nftables.TableFamilyIPv4 && ch.Name == "FORWARD" { // as iptables calls it
			b.command, b.iptables = "iptables", "FORWARD"
			for _, other := range chains {
				if *other.Table == *ch.Table && other.Name == dockersChain {
					b.iptables = dockersChain
					candidates = append(candidates, other)
				}
			}
		}
		known, err := anyAccepts(c, candidates, interfaces)
		if err != nil {
			return nil, err
		}
		if !known {
			blockers = append(blockers, b)
		}
	}
	legacy, err := legacyBlocker(interfaces)
	if err != nil {
		return nil, err
	}
	if legacy != nil {
		blockers = append(blockers, *legacy)
	}
	return blockers, nil
}

// dockersChain is the one Docker keeps for its users' rules and asks first.
const dockersChain = "DOCKER-USER"

func familyName(f nftables.TableFamily) string {
	if f == nftables.TableFamilyIPv4 {
		return "ip"
	}
	return "inet"
}

// anyAccepts reports whether the chains have a rule each that accepts what comes in by
// the interfaces and what goes out by them.
func anyAccepts(c *nftables.Conn, chains []*nftables.Chain, interfaces string) (bool, error) {
	in, out := false, false
	for _, ch := range chains {
		rules, err := c.GetRules(ch.Table, ch)
		if err != nil {
			return false, fmt.Errorf("list rules of nftables chain %s: %w", ch.Name, err)
		}
		for _, r := range rules {
			in = in || accepts(r, expr.MetaKeyIIFNAME, interfaces)
			out = out || accepts(r, expr.MetaKeyOIFNAME, interfaces)
		}
	}
	return in && out, nil
}

// accepts reports whether a rule is "KEY NAME* accept", for a name that all interfaces
// begin with, counters aside.
func accepts(r *nftables.Rule, key expr.MetaKey, interfaces string) bool {
	matched := false
	for i, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Meta:
			if e.Key != key || i+1 == len(r.Exprs) {
				return false
			}
		case *expr.Cmp:
			if i == 0 || e.Op != expr.CmpOpEq || len(e.Data) == 0 || !bytes.HasPrefix([]byte(interfaces), e.Data) {
				return false
			}
			matched = true
		case *expr.Counter:
		case *expr.Verdict:
			return matched && e.Kind == expr.VerdictAccept
		default:
			return false
		}
	}
	return false
}
