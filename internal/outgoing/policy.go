package outgoing

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Policy says what may be reached. The zero value allows the public internet at the
// ports 80 and 443. It must not change while it is used.
type Policy struct {
	// Networks may be reached although they are private, or loopback.
	Networks []netip.Prefix
	// Ports may be reached in addition to 80 and 443.
	Ports []uint16
}

// A RefusedError says why an address may not be reached. It has no address of a name,
// which would reveal the network.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused: " + e.Reason }

func refuse(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

// MaxURL bounds a URL, in bytes.
const MaxURL = 2048

// CheckURL is a [*RefusedError] unless text is a URL that may be reached; its name is not
// looked up. The error has nothing of the URL but its port, because its path may be a
// secret.
func (p *Policy) CheckURL(text string) error {
	if len(text) > MaxURL {
		return refuse("the URL has more than %d bytes", MaxURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // it has all of the text
		return refuse("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("want an http or https URL")
	case u.Host == "":
		return refuse("the URL names no host")
	case u.User != nil:
		return refuse("credentials in the URL")
	}
	if err := p.checkHost(u.Hostname()); err != nil {
		return err
	}
	if strings.HasSuffix(u.Host, ":") || u.Port() != "" {
		_, err = p.checkPort(u.Port())
	}
	return err
}

// checkHost checks the host of a URL: an address by its network, a name by its form.
func (p *Policy) checkHost(host string) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return p.CheckAddr(addr)
	}
	for _, c := range []byte(host) {
		if !hostByte(c) {
			return refuse("the host is not an ASCII name or an address")
		}
	}
	name := strings.TrimSuffix(host, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if name == "" || len(name) > maxName || last == "" || strings.Contains(name, "..") || name[0] == '.' {
		return refuse("the host is not a name")
	}
	// What ends in a number is an address to some resolvers: 127.1, 0x7f000001,
	// 0177.0.0.1, 2130706433.
	if isNumber(last) {
		return refuse("the host is a number: write an address as 192.0.2.1")
	}
	return nil
}

// maxName is how long a name may be in DNS, in bytes.
const maxName = 253

func hostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

// isNumber reports whether the last part of a name is decimal, octal or hexadecimal.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// checkPort checks a port.
func (p *Policy) checkPort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	switch port := uint16(n); {
	case err != nil || n == 0:
		return 0, refuse("the port is not a number from 1 to 65535")
	case port != 80 && port != 443 && !slices.Contains(p.Ports, port):
		return 0, refuse("port %d is not allowed: want 80, 443, or a port that the daemon allows", n)
	default:
		return port, nil
	}
}

// CheckAddrs is a [*RefusedError] if any of the addresses of a name may not be reached:
// one would be enough for an attack.
func (p *Policy) CheckAddrs(addrs []netip.Addr) error {
	if len(addrs) == 0 {
		return ErrLookup
	}
	for _, addr := range addrs {
		if err := p.CheckAddr(addr); err != nil {
			return err
		}
	}
	return nil
}

// CheckAddr is a [*RefusedError] if an address may not be reached.
func (p *Policy) CheckAddr(addr netip.Addr) error {
	if !addr.IsValid() {
		return refuse("not an address")
	}
	if addr.Zone() != "" {
		return refuse("an address with a zone")
	}
	addr = addr.Unmap()
	inner, public := embedded(addr)
	if inner.IsValid() {
		if err := p.checkPlain(inner); err != nil || public {
			return err
		}
	}
	return p.checkPlain(addr)
}

// checkPlain checks an address without one embedded in it.
func (p *Policy) checkPlain(addr netip.Addr) error {
	if what := in(forbidden, addr); what != "" {
		return refuse("%s", what)
	}
	what := in(local, addr)
	if what == "" || slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(addr) }) {
		return nil
	}
	return refuse("%s that is not allowed", what)
}
