package ssh

import (
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// newGrantWriter gives a writer to a host that is near or not, and what it has
// written so far.
func newGrantWriter(near bool) (g *grantWriter, written func() []string) {
	var mu sync.Mutex
	var all []string
	g = &grantWriter{write: func(p []byte) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, string(p))
		return nil
	}}
	g.near.Store(near)
	return g, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func TestGrantsGoOutTogether(t *testing.T) {
	const near, far = true, false
	eight := []string{"g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8"}
	tests := []struct {
		name string
		near bool
		sent []string // grants begin with g
		want []string // at once
		late []string // in addition, after a while
	}{
		{"what is no grant waits for nothing", near, []string{"a", "b"}, []string{"a", "b"}, nil},
		{"eight grants are one write", near, eight, []string{"g1g2g3g4g5g6g7g8"}, nil},
		{"and then the next ones", near, append(eight, "g9"), []string{"g1g2g3g4g5g6g7g8"}, []string{"g9"}},
		{"fewer wait a while", near, []string{"g1", "g2"}, nil, []string{"g1g2"}},
		{"a message takes them along, in their order", near, []string{"g1", "g2", "a", "g3"}, []string{"g1g2a"}, []string{"g3"}},
		{"a host that is far away gets each at once", far, []string{"g1", "g2", "a"}, []string{"g1", "g2", "a"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, written := newGrantWriter(test.near)
				for _, text := range test.sent {
					if err := g.send([]byte(text), text[0] == 'g'); err != nil {
						t.Fatal(err)
					}
				}
				if got := written(); !slices.Equal(got, test.want) {
					t.Errorf("got %q at once, want %q", got, test.want)
				}
				time.Sleep(grantTime)
				synctest.Wait()
				if got := written()[len(test.want):]; !slices.Equal(got, test.late) {
					t.Errorf("got %q later, want %q", got, test.late)
				}
			})
		})
	}
}

func TestGrantWriterReportsAClosedConnection(t *testing.T) {
	g := grantWriter{write: func([]byte) error { return net.ErrClosed }}
	if err := g.send([]byte("a"), false); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got error %v, want %v", err, net.ErrClosed)
	}
}

// TestLoopbackIsNear: that is measured, and not how long a login takes.
func TestLoopbackIsNear(t *testing.T) {
	ours, theirs := tcpPair(t)
	defer func() { _ = theirs.Close() }()
	defer func() { _ = ours.Close() }()
	if got, want := isNear(ours), runtime.GOOS == "linux"; got != want {
		t.Errorf("got near %v, want %v", got, want)
	}
	if pipe, _ := net.Pipe(); isNear(pipe) {
		t.Error("what cannot be measured is near")
	}
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
	if got, want := b.held[0].wire.grants.near.Load(), runtime.GOOS == "linux"; got != want {
		t.Errorf("after a login: got near %v, want %v", got, want)
	}
}

// countedConn counts writes.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestNearHostIsGrantedItsWindowInFewerWrites: all that a host sends, many times its
// window, arrives, near or far. What tells a grant is the library's stack, so the
// library is the real one.
func TestNearHostIsGrantedItsWindowInFewerWrites(t *testing.T) {
	const size = 16 << 20
	writes := func(near bool) int64 {
		ours, theirs := tcpPair(t)
		var count atomic.Int64
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { sayMuch(theirs, size, &wg) })
		w := newWire(countedConn{ours, &count})
		defer w.abort()
		s, channels, requests, err := gossh.NewClientConn(w, "h", &gossh.ClientConfig{
			User: "u", HostKeyCallback: gossh.InsecureIgnoreHostKey(), //nolint:gosec // there is no network
		})
		if err != nil {
			t.Fatal(err)
		}
		w.grants.near.Store(near)
		w.loggedIn.Store(true)
		client := gossh.NewClient(s, channels, requests)
		ch, r, err := client.OpenChannel("session", nil)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { gossh.DiscardRequests(r) })
		count.Store(0)
		if n, err := io.Copy(io.Discard, ch); n != size || err != nil {
			t.Fatalf("got %d bytes and %v, want all %d", n, err, size)
		}
		return count.Load()
	}
	near, far := writes(true), writes(false)
	if far < size/(256<<10) {
		t.Fatalf("got %d writes to a host far away: it is not what grants its window any more", far)
	}
	if near > far/2 {
		t.Errorf("got %d writes to a host nearby, want at most half of the %d to one far away", near, far)
	}
}

// tcpPair is both ends of a connection.
func tcpPair(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// sayMuch is a server that sends size bytes on the first channel and closes it.
func sayMuch(c net.Conn, size int, wg *sync.WaitGroup) {
	config := &gossh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(fleet.NewKey())
	_, channels, requests, err := gossh.NewServerConn(c, config)
	if err != nil {
		return
	}
	wg.Go(func() { gossh.DiscardRequests(requests) })
	for n := range channels {
		ch, r, err := n.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { gossh.DiscardRequests(r) })
		wg.Go(func() {
			_, _ = ch.Write(make([]byte, size)) // the reader counts
			_ = ch.Close()
		})
	}
}
