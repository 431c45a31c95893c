package outgoing

import (
	"net/netip"
	"slices"
)

// A special network is not part of the public internet.
type special struct {
	prefix netip.Prefix
	what   string
}

// forbidden are addresses that may never be reached, even if they are listed.
var forbidden = slices.Concat(
	networks("a link-local address", "169.254.0.0/16", "fe80::/10"),
	// Metadata services of clouds, which hand out credentials.
	networks("a metadata address", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
	networks("a multicast address", "224.0.0.0/4", "ff00::/8"),
	networks("an unspecified address", "0.0.0.0/8", "::/128"),
	networks("a broadcast address", "255.255.255.255/32"),
)

// local are addresses that may be reached only if they are listed.
var local = slices.Concat(
	networks("a loopback address", "127.0.0.0/8", "::1/128"),
	networks("a private address", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"),
	// RFC 6890 and what followed it: tests, documentation, tunnels, not in use.
	networks("a reserved address", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
		"3fff::/20", "5f00::/16"),
)

func networks(what string, prefixes ...string) []special {
	all := make([]special, len(prefixes))
	for i, p := range prefixes {
		all[i] = special{netip.MustParsePrefix(p), what}
	}
	return all
}

// in is the kind of the network that has an address; empty: none has it.
func in(all []special, addr netip.Addr) string {
	for _, s := range all {
		if s.prefix.Contains(addr) {
			return s.what
		}
	}
	return ""
}

// The networks whose addresses stand for an IPv4 address behind a gateway.
var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	// atEnd have it in the last four bytes.
	atEnd     = networks("", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48")
	sixToFour = netip.MustParsePrefix("2002::/16")
	teredo    = netip.MustParsePrefix("2001::/32")
)

// embedded is the IPv4 address that an IPv6 address stands for; the zero value: none.
// public: a machine without IPv4 reaches any address that way, so that only the IPv4
// address is to be checked.
func embedded(addr netip.Addr) (inner netip.Addr, public bool) {
	if !addr.Is6() || addr == netip.IPv6Loopback() || addr == netip.IPv6Unspecified() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	switch {
	case nat64.Contains(addr):
		return last, true
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), false
	case teredo.Contains(addr):
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), false
	case slices.ContainsFunc(atEnd, func(s special) bool { return s.prefix.Contains(addr) }), isatap(b):
		return last, false
	}
	return netip.Addr{}, false
}

// isatap reports whether the interface of an address is that of an ISATAP tunnel.
func isatap(b [16]byte) bool {
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
