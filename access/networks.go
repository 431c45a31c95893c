package access

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// Networks are the addresses from which something is allowed; none: any.
type Networks []netip.Prefix

// ParseNetworks reads networks such as 10.0.0.0/8, and single addresses. An IPv4
// network that is written as IPv6 is the IPv4 network. The error is a [*ValueError].
func ParseNetworks(texts []string) (Networks, error) {
	var all Networks
	for _, text := range texts {
		p, err := parseNetwork(strings.TrimSpace(text))
		if err != nil {
			return nil, &ValueError{What: "network", Text: text, Want: "an address, or a network such as 10.0.0.0/8"}
		}
		if p.Masked() != p {
			return nil, &ValueError{What: "network", Text: text, Want: p.Masked().String() + " for the network, " + p.Addr().String() + " for the address"}
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all, nil
}

// mappedBits is how many bits of an IPv6 address come before the IPv4 address in it.
const mappedBits = 96

var errNetwork = errors.New("not a network")

func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errNetwork
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errNetwork
	}
	if p.Addr().Is4In6() {
		if p.Bits() < mappedBits {
			return netip.Prefix{}, errNetwork // it has all of IPv4 and more
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p, nil
}

// Contain reports whether addr is in one of the networks. Without networks it is true of
// every address, also the zero one; with networks it is false of the zero one.
func (n Networks) Contain(addr netip.Addr) bool {
	if len(n) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(n, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Texts are the networks as ParseNetworks reads them.
func (n Networks) Texts() []string {
	texts := make([]string, len(n))
	for i, p := range n {
		texts[i] = p.String()
	}
	return texts
}
