// Package network gives sandboxes their network: slots, each a network namespace
// with its own loopback and, when it may reach the outside, a link to the host.
// Package sandbox/linux is the caller: it takes a slot for a sandbox, joins the
// sandbox's first process to the slot's namespace, makes the host's own sockets
// inside (the Runtime API's) with Listen, and releases the slot when every process
// of the sandbox is dead.
//
// # What a slot has
//
// Loopback is up with 127.0.0.1/8, ::1, 169.254.100.1 and 169.254.79.129, the
// addresses of Lambda's Runtime API and X-Ray daemon. A slot with egress also has
// eth0, one end of a veth pair, with one IPv4 address of the pool's range and a
// default route. There is no IPv6 beyond ::1.
//
// A slot with egress reaches everything the host can reach, the LAN included, except
// the host itself (any address it has, on any interface), other slots, link-local
// and the clouds' metadata addresses, multicast, broadcast and reserved ranges.
// Those are refused with a reset or an ICMP error, not silently, so that a client fails
// at once instead of waiting for its time-out. Nothing can open a connection to a slot, from
// the host or from elsewhere. A slot without egress has no link at all.
//
// # How
//
// All rules are in one nftables table, wick-ID. They match the pool's interfaces by
// the prefix of their names, and a slot's source address by the host's own route to
// it, so that a slot costs no rule and making one no nftables transaction. The host's
// end of a link has no address: the slot's gateway is an address that exists nowhere,
// with a fixed neighbour entry at each end, so a link needs no ARP and the host gets
// no address that would have to be guarded.
//
// Making a slot with a link takes a millisecond or two and deleting one tens of
// milliseconds (the kernel waits for a grace period), so slots are made ahead in the
// background, cleaned after use and used again; deleting is done in batches.
//
// # What it changes on the host
//
// Besides its table and its interfaces (wk…), which Close removes, and the next Open of
// any pool for a process that was killed: IPv4 forwarding. When the
// interfaces that lead outside don't forward yet, it is switched on for them, said
// once in the log, and switched off again by Close unless somebody else needs it
// by then. Meanwhile a rule keeps the host from forwarding between those interfaces, so it
// doesn't become a router for anyone but the slots.
//
// # Names
//
// A slot has no resolver of its own. Resolver answers queries at an address of its
// loopback by asking the host's resolvers from the host's side.
package network
