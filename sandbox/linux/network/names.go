//go:build linux

package network

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
)

// rangeBits is the size of a pool's address range: 4,096 addresses.
const (
	rangeBits = 20
	rangeSize = 1 << (32 - rangeBits)
)

// tablePrefix is how the nftables tables of all pools on the machine begin.
const tablePrefix = "wick-"

// pools of addresses a range is cut from, the best first: the shared address space
// of RFC 6598, which neither LANs nor the internet use, then the benchmark range of
// RFC 2544, then the upper half of 10/8.
var rangeSources = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("10.128.0.0/9"),
}

var idPattern = regexp.MustCompile(`^[a-z0-9]{1,12}$`)

// names are what everything a pool makes on the host is called by.
type names struct {
	table      string // nftables table
	interfaces string // prefix of the host's ends of links, wkID-
	group      uint32 // interface group of the host's ends
	doomed     uint32 // interface group of those about to be deleted
}

// namesOf derives a pool's names from its ID. An interface name has 15 characters
// at most, so an ID of more than 8 is shortened to 3 and a hash; the group is a hash
// with the high bit clear (netlink libraries treat it as an int32).
func namesOf(id string) names {
	sum := sha256.Sum256([]byte("wick network " + id))
	short := id
	if len(short) > 8 {
		short = id[:3] + hex.EncodeToString(sum[8:11])[:5]
	}
	group := binary.BigEndian.Uint32(sum[:4])&0x7fffffff | 0x40000000
	return names{
		table:      tablePrefix + id,
		interfaces: "wk" + short + "-",
		group:      group,
		doomed:     group ^ 1,
	}
}

func (n names) link(index int) string { return fmt.Sprintf("%s%x", n.interfaces, index) }

// chooseRange picks the range of an ID: the same one every time unless it overlaps
// something in taken, in which case the next one that doesn't.
func chooseRange(id string, taken []netip.Prefix) (netip.Prefix, error) {
	sum := sha256.Sum256([]byte("wick range " + id))
	start := binary.BigEndian.Uint32(sum[:4])
	for _, source := range rangeSources {
		count := uint32(1) << (rangeBits - source.Bits())
		for i := range count {
			candidate := netip.PrefixFrom(nth(source.Addr(), int((start+i)%count)*rangeSize), rangeBits)
			if !overlapsAny(candidate, taken) {
				return candidate, nil
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free range of addresses for slots: the host's routes cover all of %v", rangeSources)
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if p.Overlaps(o) {
			return true
		}
	}
	return false
}

// nth returns the address n after base, both IPv4.
func nth(base netip.Addr, n int) netip.Addr {
	b := base.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
	return netip.AddrFrom4(b)
}
