package ssh

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
)

// TestGarbledIsNeverOK flips a byte on the way from the host: that is no read error,
// and yet the output behind it is lost.
func TestGarbledIsNeverOK(t *testing.T) {
	const workers, step = 8, 9
	command := strings.Repeat("x", 300)
	end := wireLength(t, command)
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	lost := 0
	for w := range int64(workers) {
		wg.Go(func() {
			for n := w; n < end; n += workers * step {
				g := newGarbler(t, b.opts.Endpoints[0])
				opts := b.opts
				opts.Endpoints = []Endpoint{{Address: "127.0.0.1", Port: g.port(), User: "u", Identities: b.opts.Endpoints[0].Identities, HostKeys: hostkeys.Off}}
				c := newClient(t, opts)
				target := fanout.Target{Name: "h", Limits: fanout.Limits{ConnectTimeout: patience}}
				if r := execOn(t.Context(), c, target, ""); r.Failure != nil {
					t.Errorf("login: %s", r.Failure.Message)
					return
				}
				g.at.Store(g.passed.Load() + n)
				// A garbled length may make the library wait for ever.
				target.Limits = fanout.Limits{ConnectTimeout: 200 * time.Millisecond, Timeout: 200 * time.Millisecond}
				r := execOn(t.Context(), c, target, command)
				all := r.stdout.String() == command+"\n" && r.stderr.String() == "h\n"
				if r.Exit != nil && !all {
					t.Errorf("garbled at %d: got exit %+v with %d bytes of output", n, *r.Exit, len(r.stdout.String()))
				}
				if r.Exit == nil && r.Failure.Op == fanout.OpConnection {
					mu.Lock()
					lost++
					mu.Unlock()
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	if lost == 0 {
		t.Error("got no lost connection, want some")
	}
}

// A garbler is a proxy for one connection that flips one byte on the way to
// the client.
type garbler struct {
	net.Listener
	passed atomic.Int64
	at     atomic.Int64 // the byte to flip
}

func newGarbler(tb testing.TB, to Endpoint) *garbler {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	g := &garbler{Listener: l}
	g.at.Store(-1)
	var wg sync.WaitGroup
	tb.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		client, err := l.Accept()
		_ = l.Close() // dialling again is refused
		if err != nil {
			return
		}
		defer func() { _ = client.Close() }()
		server, err := net.Dial("tcp", hostPort(to.Address, to.Port))
		if err != nil {
			tb.Error(err)
			return
		}
		wg.Go(func() {
			_, _ = io.Copy(server, client) // until one of them closes
			_ = server.Close()
		})
		_, _ = io.Copy(client, g.garble(server)) // likewise
	})
	return g
}

func (g *garbler) port() int { return g.Addr().(*net.TCPAddr).Port }

func (g *garbler) garble(from io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		n, err := from.Read(p)
		before := g.passed.Add(int64(n)) - int64(n)
		if at := g.at.Load() - before; at >= 0 && at < int64(n) {
			p[at] ^= 0x40
		}
		return n, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
