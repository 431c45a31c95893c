package outgoing

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// A Dialer connects to the addresses that a policy allows. It may be used by several
// goroutines at once.
type Dialer struct {
	Policy Policy
	// Lookup resolves a name; nil: by the resolver of this machine.
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	// Dial connects to an address and a port, never to a name; nil: by TCP.
	Dial func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
}

// ErrLookup is the error for a name that was not found. The cause is left out: it names
// servers of the network.
var ErrLookup = errors.New("the name cannot be looked up")

// DialContext connects to address, a name or an address with a port. The name is
// looked up once. The error is a [*RefusedError] if any of its addresses is refused,
// before anything is connected, and [ErrLookup] if it has none.
func (d *Dialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, refuse("not a host and a port")
	}
	if err := d.Policy.checkHost(host); err != nil {
		return nil, err
	}
	n, err := d.Policy.checkPort(port)
	if err != nil {
		return nil, err
	}
	addrs, err := d.addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	if err := d.Policy.CheckAddrs(addrs); err != nil {
		return nil, err
	}
	return d.connect(ctx, addrs, n)
}

// addrs are the addresses of a host.
func (d *Dialer) addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	lookup := d.Lookup
	if lookup == nil {
		lookup = func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		}
	}
	addrs, err := lookup(ctx, host)
	if err != nil && ctx.Err() == nil {
		err = ErrLookup
	}
	return addrs, err
}

// connect tries one address after the other, each for its share of the time.
func (d *Dialer) connect(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	dial := d.Dial
	if dial == nil {
		dial = func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
		}
	}
	var first error
	for i, addr := range addrs {
		limited, cancel := share(ctx, len(addrs)-i)
		c, err := dial(limited, netip.AddrPortFrom(addr.Unmap(), port))
		cancel()
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// share is ctx with an equal share of the time that is left.
func share(ctx context.Context, left int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
}

const (
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 16 << 10
	// handshakeLimit bounds the TLS handshake.
	handshakeLimit = 10 * time.Second
)

// NewTransport connects by d, once for each request, without a proxy. The certificate must
// be for the name of the URL.
func NewTransport(d *Dialer, config *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    handshakeLimit,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
}
