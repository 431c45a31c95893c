package ssh

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/ssh/knownhosts"
)

// shortLimit is a connect timeout that is to pass.
const shortLimit = 300 * time.Millisecond

// A nameServer answers questions of the resolver. It knows addresses by names;
// about others it says nothing.
type nameServer struct {
	conn  net.PacketConn
	known map[string][]netip.Addr
	asked chan string // receives the first name that it was asked for
}

// serveNames starts a nameServer, which ends with the test.
func serveNames(t *testing.T, known map[string][]netip.Addr) *nameServer {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: c, known: known, asked: make(chan string, 1)}
	var wg sync.WaitGroup
	wg.Go(s.serve)
	t.Cleanup(func() {
		_ = c.Close() // which ends serve
		wg.Wait()
	})
	return s
}

// resolver asks s alone.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		name, end := question(buf[:n])
		select {
		case s.asked <- name:
		default: // only the first counts
		}
		addrs, ok := s.known[name]
		if !ok {
			continue
		}
		_, _ = s.conn.WriteTo(reply(buf[:n], end, addrs), from) // who is lost asks again
	}
}

// question returns the name that a query asks for, and where the question ends.
func question(query []byte) (name string, end int) {
	var labels []string
	i := 12
	for query[i] != 0 {
		n := int(query[i])
		labels = append(labels, string(query[i+1:i+1+n]))
		i += 1 + n
	}
	return strings.Join(labels, "."), i + 5
}

// reply answers a query with those of addrs that are of the type it asks for.
func reply(query []byte, end int, addrs []netip.Addr) []byte {
	out := append([]byte{}, query[:end]...)
	binary.BigEndian.PutUint16(out[2:], 0x8580) // an answer, of who knows
	clear(out[6:12])
	kind := binary.BigEndian.Uint16(query[end-4:])
	count := 0
	for _, a := range addrs {
		if a.Is4() != (kind == 1) || !a.Is4() && kind != 28 {
			continue
		}
		count++
		out = append(out, 0xc0, 12) // the name of the question
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 60)
		out = binary.BigEndian.AppendUint16(out, uint16(len(a.AsSlice())))
		out = append(out, a.AsSlice()...)
	}
	binary.BigEndian.PutUint16(out[6:], uint16(count))
	return out
}

// TestNameServerSilent: a name that no server resolves uses up the connect timeout
// and no more, and is not blamed on the host's network.
func TestNameServerSilent(t *testing.T) {
	s := serveNames(t, nil)
	b := newBench(t, []fleet.Host{{Name: "h"}}, func(o *Options) { o.Endpoints[0].Address = "silent.example." })
	b.resolver = s.resolver()
	b.targets[0].Limits.ConnectTimeout = shortLimit
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpResolve, false)
	if got := <-s.asked; got != "silent.example" {
		t.Errorf("got asked for %q, want the host's name", got)
	}
	if !strings.Contains(r.Failure.Message, "resolving the name") || r.Failure.Cause != CauseResolver {
		t.Errorf("got %+v, want a failure that tells of the name servers", *r.Failure)
	}
	if r.Resolve < shortLimit || r.Dial != 0 {
		t.Errorf("got resolve %v, dial %v, want all of the time for the first", r.Resolve, r.Dial)
	}
}

// TestNameServerStopped: the run's end does not wait for a name.
func TestNameServerStopped(t *testing.T) {
	s := serveNames(t, nil)
	b := newBench(t, []fleet.Host{{Name: "h"}}, func(o *Options) { o.Endpoints[0].Address = "silent.example." })
	b.resolver = s.resolver()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan *record)
	go func() { ended <- b.exec(ctx, 0, "x") }()
	<-s.asked
	cancel(fanout.ErrSignal)
	(<-ended).wantStopped(t)
}

// TestLookupsQueue: a host whose lookup never got its turn says so.
func TestLookupsQueue(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, func(o *Options) { o.Endpoints[0].Address = "other.example." })
	for range maxLookups {
		b.names.places <- struct{}{}
	}
	b.targets[0].Limits.ConnectTimeout = shortLimit
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpResolve, false)
	if want := "waiting for other names"; !strings.Contains(r.Failure.Message, want) {
		t.Errorf("got %q, want %q", r.Failure.Message, want)
	}
}

// TestLookupsTakeTurns: as long as the name servers answer, the wait for a turn
// is not held against a host.
func TestLookupsTakeTurns(t *testing.T) {
	const limit, each = 10 * time.Second, 6 * time.Second
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue()
		for range maxLookups - 1 {
			q.places <- struct{}{}
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := q.wait(t.Context(), limit); err != nil {
					t.Errorf("got %v, want a turn", err)
					return
				}
				time.Sleep(each)
				q.leave(true)
			})
		}
		wg.Wait()
		q.places <- struct{}{} // the last place
		began := time.Now()
		if err := q.wait(t.Context(), limit); !errors.Is(err, errConnectTimeout) || time.Since(began) != limit {
			t.Errorf("got %v after %v, want no turn after %v without an answer", err, time.Since(began), limit)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(fanout.ErrSignal)
		if err := q.wait(ctx, 0); !errors.Is(err, fanout.ErrSignal) {
			t.Errorf("got %v, want the cause", err)
		}
	})
}

// TestManyAddresses: of a name's addresses, of either version, one that answers
// is enough, wherever it stands.
func TestManyAddresses(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	host := b.opts.Endpoints[0]
	door := forwardTo(t, hostPort(host.Address, host.Port)) // at one address only
	live, dead := door.Addr(), []netip.Addr{netip.MustParseAddr("127.0.99.1"), netip.MustParseAddr("127.0.99.2")}
	v6 := netip.IPv6Loopback()
	names := serveNames(t, map[string][]netip.Addr{
		"last.example": {dead[0], dead[1], live},
		"six.example":  {v6, live},
		"dead.example": {dead[0], v6, dead[1]},
	})
	reach := func(name string) *record {
		opts := b.opts
		opts.Endpoints = []Endpoint{host}
		e := &opts.Endpoints[0]
		e.Address, e.Port, e.HostKeyAlias = name+".", int(door.Port()), knownhosts.Name(host.Address, host.Port)
		c := newClient(t, opts)
		c.resolver = names.resolver()
		return execOn(t.Context(), c, b.targets[0], "x")
	}
	for _, name := range []string{"last.example", "six.example"} {
		r := reach(name)
		r.wantExit(t, fanout.Exit{})
		if got, want := r.Address, door.String(); got != want {
			t.Errorf("%s: got address %s, want %s", name, got, want)
		}
		if r.Resolve <= 0 || r.Dial <= 0 {
			t.Errorf("%s: got resolve %v, dial %v, want both", name, r.Resolve, r.Dial)
		}
	}
	reach("dead.example").wantOp(t, fanout.OpDial, false)
}

// forwardTo listens at one address and passes what comes there on to another.
func forwardTo(t *testing.T, address string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp4", address)
			if err != nil {
				_ = in.Close()
				return
			}
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					_, _ = in.Close(), out.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// TestOpenFilesUsedUp: what this process has run out of is not blamed on the
// host, and is reported with a remedy.
func TestOpenFilesUsedUp(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	less := before
	less.Cur = 256
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &less); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}()
	for range less.Cur {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		files = append(files, f)
	}
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpLocal, false)
	if !r.Failure.Final || r.Failure.Message != "too many open files" || r.Failure.Cause != CauseOpenFiles {
		t.Errorf("got %+v, want a final failure that tells of ulimit", *r.Failure)
	}
}

// TestDialFailureBlames: errors of our own side are told from the host's. That
// the kernel's table really is full cannot be brought about without changing a
// setting of the whole machine, so its errors are made here.
func TestDialFailureBlames(t *testing.T) {
	dial := func(err syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	tests := []struct {
		name  string
		err   error
		op    fanout.Op
		cause fanout.Cause
	}{
		{"files", dial(syscall.EMFILE), fanout.OpLocal, CauseOpenFiles},
		{"files of the system", dial(syscall.ENFILE), fanout.OpLocal, CauseSystemFiles},
		{"files in the resolver", &net.DNSError{UnwrapErr: syscall.EMFILE, Err: "x"}, fanout.OpLocal, CauseOpenFiles},
		{"neighbours", dial(syscall.ENOBUFS), fanout.OpLocal, CauseNeighbours},
		{"nothing listens", dial(syscall.ECONNREFUSED), fanout.OpDial, CausePort},
		{"no route", dial(syscall.EHOSTUNREACH), fanout.OpDial, CauseNoAnswer},
		{"no such name", &net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}, fanout.OpResolve, CauseName},
		{"no name server", &net.DNSError{Err: "i/o timeout", Name: "h", IsTimeout: true}, fanout.OpResolve, CauseResolver},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := dialFailure("h", tt.err)
			if f.Op != tt.op || f.Final != (tt.op == fanout.OpLocal) || f.Cause != tt.cause {
				t.Errorf("got %+v, want op %s and cause %q", *f, tt.op, tt.cause)
			}
		})
	}
}

func TestNeighboursFull(t *testing.T) {
	tests := []struct {
		name, limit, table string
		want               bool
	}{
		{"room", "1024\n", "entries  allocs\n000003ff  00000001\n", false},
		{"full", "1024\n", "entries  allocs\n00000400  00000001\n00000400  00000000\n", true},
		{"garbled", "1024\n", "entries", false},
		{"no limit", "x", "entries  allocs\n00000400  00000001\n", false},
		{"another system", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			proc := t.TempDir()
			for name, text := range map[string]string{"sys/net/ipv4/neigh/default/gc_thresh3": tt.limit, "net/stat/arp_cache": tt.table} {
				path := filepath.Join(proc, name)
				if text == "" {
					continue
				}
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := neighboursFull(proc); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestResumeAsksFirst: after a time in which nothing could arrive, because
// the machine was suspended, a host is asked before it is given up, however long
// that was, and has as long to answer as ever.
func TestResumeAsksFirst(t *testing.T) {
	const interval, count = 15 * time.Second, 3
	c := &conn{wire: newWire(&net.TCPConn{})}
	c.wire.born = time.Now().Add(-time.Hour)
	for ask := range count {
		if got := c.keepaliveDue(interval, count); got != (ask == 0) || c.mute.Load() {
			t.Fatalf("look %d after the resume: got asked %v, given up %v, want asked first, and then waited", ask, got, c.mute.Load())
		}
	}
	c.wire.lastRead.Store(int64(time.Since(c.wire.born))) // the answer
	c.asking.Store(false)
	if c.keepaliveDue(interval, count) || c.mute.Load() || c.asked != 0 {
		t.Fatalf("after the answer: got asked %d, given up %v, want neither", c.asked, c.mute.Load())
	}
}
