package fleet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// Options describe a fleet.
type Options struct {
	// Hosts are the hosts that answer. Names and addresses are unique.
	Hosts []Host
	// Authorized are the keys that may log in, to any host and as any user.
	Authorized []gossh.PublicKey
	// AnyKey lets every public key in. It is meant for canned hosts: with a
	// shell, any local user could run commands as this one.
	AnyKey bool
	// Exec runs the commands of hosts without a handler of their own.
	// Nil means a shell in a directory of its own per host, under a temporary
	// directory that Close removes.
	Exec Handler
	// Latency is the round trip time added to every connection, half of it
	// each way. Throughput is kept: bytes travel side by side. The round trip
	// of connecting, which loopback answers at once, is added before the
	// server's first byte.
	Latency time.Duration
	// Port is the port of every host, 0 any free one. Where hosts cannot
	// share a port it must be 0. Hosts that are down have another.
	Port int

	separate bool // a listener per host, as off Linux
}

// Host is one host of a fleet.
type Host struct {
	// Name is the host's own name: what commands see as $HOSTNAME and what
	// canned handlers are told. Letters, digits, dot, underscore, hyphen.
	Name string
	// Addr is the loopback address it answers on, such as 127.1.0.7. Empty
	// means that one is assigned. Off Linux it is ignored.
	Addr string
	// HostKey is what it proves itself with. Nil means a key that the fleet
	// makes and all such hosts share.
	HostKey gossh.Signer
	// MoreHostKeys are further keys, of other types than HostKey.
	MoreHostKeys []gossh.Signer
	// Crypto sets the algorithms offered and the rekey threshold, in bytes.
	// The zero value is the library's default.
	Crypto gossh.Config
	// Version is the version line, without its end; empty means the fleet's own.
	Version string
	// Password logs in clients that send it, in addition to those with a key. Empty:
	// no password does.
	Password string
	// AskPassword makes the host ask for it, by keyboard-interactive, rather
	// than take it as a password.
	AskPassword bool
	// Exec runs commands; nil means Options.Exec.
	Exec Handler
	// SFTP serves the subsystem of that name, such as what the function SFTP returns;
	// nil: the host has none.
	SFTP Handler
	// Faults are what goes wrong; the zero value is nothing. What they point
	// to must not change.
	Faults Faults
	// Forward lets clients open TCP connections from here, as a bastion does:
	// to hosts of the fleet, by name or address, and to anything else on
	// loopback.
	Forward bool
	// Terminals grants a terminal to a command that asks for one; it is none, and
	// changes nothing. Otherwise it is refused.
	Terminals bool
	// Down makes the host's address one where nothing listens: connecting is
	// refused by the system. Unlike Faults.Refuse it cannot change.
	Down bool
}

// Fleet is a running fleet. Its methods may be called at any time and by any
// number of goroutines.
type Fleet struct {
	anyKey     bool
	authorized map[string]bool
	exec       Handler
	latency    time.Duration
	impostor   Key // what a host with Faults.WrongHostKey presents

	hosts     []*host
	byName    map[string]*host
	listeners []net.Listener
	reserved  []int // sockets that hold the ports of hosts that are down
	work      workplace
	log       log

	wg   sync.WaitGroup // accept loops and connections
	done chan struct{}  // closed by Close, before anything is torn down

	mu     sync.Mutex // guards what follows
	closed bool
	conns  map[*conn]struct{}
}

// host is a Host at work.
type host struct {
	Host
	addr     netip.AddrPort
	keys     []gossh.Signer
	faults   atomic.Pointer[Faults]
	accepted atomic.Int64 // connections so far
	pending  atomic.Int64 // connections on their way to a login
}

// Start starts a fleet. The caller must Close it.
func Start(opts Options) (*Fleet, error) {
	f := &Fleet{
		anyKey:     opts.AnyKey,
		authorized: make(map[string]bool, len(opts.Authorized)),
		exec:       opts.Exec,
		latency:    opts.Latency,
		impostor:   NewKey(),
		byName:     make(map[string]*host, len(opts.Hosts)),
		done:       make(chan struct{}),
		conns:      make(map[*conn]struct{}),
	}
	for _, key := range opts.Authorized {
		f.authorized[string(key.Marshal())] = true
	}
	if f.exec == nil {
		f.exec = Shell("")
	}
	shared := NewKey()
	for _, h := range opts.Hosts {
		if err := f.add(h, shared); err != nil {
			return nil, err
		}
	}
	var err error
	if opts.separate || runtime.GOOS != "linux" {
		err = f.listenEach(opts.Port)
	} else {
		err = f.listenOnce(opts.Port)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start fleet: %w", err), f.Close())
	}
	return f, nil
}

// add checks one host and takes it in.
func (f *Fleet) add(h Host, shared Key) error {
	if err := checkName(h.Name); err != nil {
		return err
	}
	if f.byName[h.Name] != nil {
		return fmt.Errorf("host %q is there twice", h.Name)
	}
	if h.HostKey == nil {
		h.HostKey = shared
	}
	if h.Exec == nil {
		h.Exec = f.exec
	}
	at := &host{Host: h, keys: append([]gossh.Signer{h.HostKey}, h.MoreHostKeys...)}
	at.faults.Store(&h.Faults)
	f.hosts = append(f.hosts, at)
	f.byName[h.Name] = at
	return nil
}

// checkName refuses names that could not be a directory or would break a
// known_hosts line.
func checkName(name string) error {
	if name == "" || name[0] == '.' || name[0] == '-' {
		return fmt.Errorf("host name %q: must begin with a letter, a digit or an underscore", name)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r == '.', r == '_', r == '-':
		default:
			return fmt.Errorf("host name %q: %q is not allowed in it", name, r)
		}
	}
	return nil
}

// Close ends every connection, kills every process the fleet's shells started
// and that still carries the fleet's mark, waits for all goroutines and removes
// the temporary directories. Handlers other than Shell and Canned must return once
// their Session is done, or Close waits for them. A second Close does nothing.
func (f *Fleet) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	close(f.done)
	conns := make([]*conn, 0, len(f.conns))
	for c := range f.conns {
		conns = append(conns, c)
	}
	f.mu.Unlock()

	var errs []error
	for _, l := range f.listeners {
		errs = append(errs, l.Close())
	}
	for _, fd := range f.reserved {
		errs = append(errs, syscall.Close(fd))
	}
	for _, c := range conns {
		c.abort()
	}
	errs = append(errs, f.work.kill())
	f.wg.Wait()
	errs = append(errs, f.work.remove())
	return errors.Join(errs...)
}

// Endpoint returns where a host answers, or "" and 0 if the fleet has no such
// host.
func (f *Fleet) Endpoint(name string) (addr string, port int) {
	h := f.byName[name]
	if h == nil {
		return "", 0
	}
	return h.addr.Addr().String(), int(h.addr.Port())
}

// SetFaults changes what goes wrong at a host. Faults of the connection take
// hold with the next connection, those of a session with the next session, also
// on connections that stand. It panics if the fleet has no such host.
func (f *Fleet) SetFaults(name string, faults Faults) {
	h := f.byName[name]
	if h == nil {
		panic(fmt.Sprintf("fleet: no host %q", name))
	}
	h.faults.Store(&faults)
}

// Cut does to every connection that now stands at a host what how says, at
// once. It panics if the fleet has no such host.
func (f *Fleet) Cut(name string, how CutMode) {
	for _, c := range f.connsOf(name) {
		c.wire.cut(how)
	}
}

// Violate sends what over every connection that now stands at a host and is logged
// in, about its first channel. It panics if the fleet has no such host.
func (f *Fleet) Violate(name string, what Violation) error {
	var failed []error
	for _, c := range f.connsOf(name) {
		c.mu.Lock()
		session := c.ssh
		c.mu.Unlock()
		if session != nil {
			failed = append(failed, sendRaw(session, what.packet(0)))
		}
	}
	return errors.Join(failed...)
}

// connsOf are the connections that stand at a host.
func (f *Fleet) connsOf(name string) []*conn {
	h := f.byName[name]
	if h == nil {
		panic(fmt.Sprintf("fleet: no host %q", name))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var conns []*conn
	for c := range f.conns {
		if c.host == h {
			conns = append(conns, c)
		}
	}
	return conns
}

// track notes a connection for Close; false means that the fleet has closed.
func (f *Fleet) track(c *conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.conns[c] = struct{}{}
	return true
}

func (f *Fleet) untrack(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}
