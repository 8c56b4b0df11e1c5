//go:build linux

package network

import (
	"fmt"

	"github.com/google/nftables"
)

// gaps looks for firewalls on the host that drop what it forwards for others: a
// packet has to pass all tables, and ours can't accept for them.
func (o *outside) gaps() []string {
	c, err := nftables.New()
	if err != nil {
		return nil // then there would be no outside
	}
	chains, err := c.ListChains()
	if err != nil {
		return []string{fmt.Sprintf("network: can't tell whether another firewall drops functions' traffic: %v", err)}
	}
	docker := false
	for _, ch := range chains {
		docker = docker || ch.Name == "DOCKER-USER"
	}
	var gaps []string
	for _, ch := range chains {
		if ch.Hooknum == nil || *ch.Hooknum != *nftables.ChainHookForward || ch.Policy == nil || *ch.Policy != nftables.ChainPolicyDrop {
			continue
		}
		chain := ch.Name
		if docker && ch.Name == "FORWARD" {
			chain = "DOCKER-USER"
		}
		gaps = append(gaps, fmt.Sprintf("network: the host's firewall (nftables table %q, chain %q) drops what it doesn't know, so functions may have no egress; to let them: iptables -I %s -i %s+ -j ACCEPT; iptables -I %s -o %s+ -j ACCEPT",
			ch.Table.Name, ch.Name, chain, o.names.interfaces, chain, o.names.interfaces))
	}
	return gaps
}
