package fleet

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// forwardTimeout bounds a connection attempt on loopback.
const forwardTimeout = 10 * time.Second

// forward joins a direct-tcpip channel to a TCP connection.
func (c *conn) forward(nc gossh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := gossh.Unmarshal(nc.ExtraData(), &to); err != nil {
		_ = nc.Reject(gossh.ConnectionFailed, "malformed request")
		return
	}
	addr, err := c.fleet.destination(to.Host, to.Port)
	if err != nil {
		_ = nc.Reject(gossh.Prohibited, err.Error())
		return
	}
	tcp, err := net.DialTimeout("tcp", addr.String(), forwardTimeout)
	if err != nil {
		_ = nc.Reject(gossh.ConnectionFailed, err.Error())
		return
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		_ = tcp.Close() // the client has left
		return
	}
	join(ch, reqs, tcp.(*net.TCPConn))
}

// destination resolves what a client wants to reach. The outside is out of
// bounds, whatever the port.
func (f *Fleet) destination(name string, port uint32) (netip.AddrPort, error) {
	if port > 0xffff {
		return netip.AddrPort{}, fmt.Errorf("port %d is out of range", port)
	}
	if h := f.byName[name]; h != nil {
		return netip.AddrPortFrom(h.addr.Addr(), uint16(port)), nil
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("host %q is not known", name)
	}
	if !addr.Unmap().IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("address %q is not on loopback", name)
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// join copies both ways until both directions have ended or the channel is gone.
func join(ch gossh.Channel, reqs <-chan *gossh.Request, tcp *net.TCPConn) {
	var wg sync.WaitGroup
	wg.Go(func() {
		gossh.DiscardRequests(reqs)
		_ = tcp.Close() // wakes the copies once the channel is gone
	})
	var copies sync.WaitGroup
	copies.Go(func() {
		_, _ = io.Copy(tcp, ch)
		_ = tcp.CloseWrite()
	})
	copies.Go(func() {
		_, _ = io.Copy(ch, tcp)
		_ = ch.CloseWrite()
	})
	copies.Wait()
	_ = ch.Close()
	wg.Wait()
}
