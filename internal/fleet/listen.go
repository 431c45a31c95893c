package fleet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
)

// listenOnce opens one listener for all hosts. It needs a system on which every
// address of 127.0.0.0/8 is local.
func (f *Fleet) listenOnce(port int) error {
	if err := f.assign(); err != nil {
		return err
	}
	l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
	if err != nil {
		return err
	}
	f.listeners = append(f.listeners, l)
	bound := l.Addr().(*net.TCPAddr).AddrPort().Port()
	byAddr := make(map[netip.Addr]*host, len(f.hosts))
	closed := uint16(0)
	for _, h := range f.hosts {
		if h.Down {
			if closed == 0 {
				if closed, err = f.reserve(netip.IPv4Unspecified()); err != nil {
					return err
				}
			}
			h.addr = netip.AddrPortFrom(h.addr.Addr(), closed)
			continue
		}
		h.addr = netip.AddrPortFrom(h.addr.Addr(), bound)
		byAddr[h.addr.Addr()] = h
	}
	f.wg.Go(func() {
		f.accept(l, func(local netip.Addr) *host { return byAddr[local] })
	})
	return nil
}

// assign gives every host without an address one of 127.1.0.0/16 and on.
func (f *Fleet) assign() error {
	taken := make(map[netip.Addr]string, len(f.hosts))
	for _, h := range f.hosts {
		if h.Addr == "" {
			continue
		}
		addr, err := netip.ParseAddr(h.Addr)
		if err != nil {
			return fmt.Errorf("host %q: address %q: %w", h.Name, h.Addr, err)
		}
		if !addr.Is4() || !addr.IsLoopback() {
			return fmt.Errorf("host %q: address %q is not in 127.0.0.0/8", h.Name, h.Addr)
		}
		if other, ok := taken[addr]; ok {
			return fmt.Errorf("host %q: address %q is also that of %q", h.Name, h.Addr, other)
		}
		taken[addr] = h.Name
		h.addr = netip.AddrPortFrom(addr, 0)
	}
	next := netip.AddrFrom4([4]byte{127, 1, 0, 1})
	for _, h := range f.hosts {
		if h.addr.IsValid() {
			continue
		}
		for taken[next] != "" {
			next = next.Next()
		}
		if !next.IsLoopback() {
			return errors.New("out of loopback addresses")
		}
		taken[next] = h.Name
		h.addr = netip.AddrPortFrom(next, 0)
	}
	return nil
}

// listenEach gives each host its own port on 127.0.0.1.
func (f *Fleet) listenEach(port int) error {
	if port != 0 {
		return fmt.Errorf("port %d: hosts cannot share a port on %s", port, runtime.GOOS)
	}
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for _, h := range f.hosts {
		if h.Down {
			closed, err := f.reserve(local)
			if err != nil {
				return fmt.Errorf("host %q: %w", h.Name, err)
			}
			h.addr = netip.AddrPortFrom(local, closed)
			continue
		}
		l, err := net.Listen("tcp4", netip.AddrPortFrom(local, 0).String())
		if err != nil {
			return fmt.Errorf("host %q: %w", h.Name, err)
		}
		f.listeners = append(f.listeners, l)
		h.addr = l.Addr().(*net.TCPAddr).AddrPort()
		f.wg.Go(func() {
			f.accept(l, func(netip.Addr) *host { return h })
		})
	}
	return nil
}

// reserve takes a port at which nothing listens, until Close.
func (f *Fleet) reserve(addr netip.Addr) (uint16, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	f.reserved = append(f.reserved, fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: addr.As4()}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return uint16(bound.(*syscall.SockaddrInet4).Port), nil
}

// accept serves one listener until it is closed. find names the host behind a
// local address, or nil.
func (f *Fleet) accept(l net.Listener, find func(netip.Addr) *host) {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of files, or a client that left in between: both pass.
			if !f.pause(10 * time.Millisecond) {
				return
			}
			continue
		}
		h := admit(nc, find)
		if h == nil {
			_ = nc.Close() // no host has this address
			continue
		}
		f.wg.Go(func() { f.serve(nc.(*net.TCPConn), h) })
	}
}

// admit returns the host a connection is for, nil if it must be dropped. The
// listener is bound to every address of the machine, so this check is what keeps
// the network out.
func admit(nc net.Conn, find func(netip.Addr) *host) *host {
	local, ok := nc.LocalAddr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	remote, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() || !remote.IP.IsLoopback() {
		return nil
	}
	return find(local.AddrPort().Addr().Unmap())
}

// pause waits, and reports false if the fleet closed meanwhile.
func (f *Fleet) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-f.done:
		return false
	}
}
