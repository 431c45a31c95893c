package ssh

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
)

// tripTime is a round trip in a bubble, where nothing else takes time: what has
// passed there counts the round trips.
const tripTime = time.Hour

// A lagged is one end of a connection in memory on which everything arrives half
// a round trip after it was written.
type lagged struct {
	net.Conn // nil: what is not here must not be used
	in, out  *lag
}

func laggedPair() (client, server *lagged) {
	up, down := &lag{wake: make(chan struct{})}, &lag{wake: make(chan struct{})}
	return &lagged{in: down, out: up}, &lagged{in: up, out: down}
}

func (l *lagged) Read(p []byte) (int, error)  { return l.in.read(p) }
func (l *lagged) Write(p []byte) (int, error) { return l.out.write(p) }
func (l *lagged) RemoteAddr() net.Addr        { return tunnelAddr("lagged") }
func (l *lagged) LocalAddr() net.Addr         { return tunnelAddr("lagged") }

func (l *lagged) Close() error {
	l.in.close()
	l.out.close()
	return nil
}

// A lag is one direction.
type lag struct {
	mu     sync.Mutex // guards what follows
	pieces []lagPiece
	closed bool
	wake   chan struct{} // closed and replaced with each change
}

type lagPiece struct {
	data []byte
	due  time.Time
}

func (l *lag) change() {
	close(l.wake)
	l.wake = make(chan struct{})
}

func (l *lag) write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, net.ErrClosed
	}
	l.pieces = append(l.pieces, lagPiece{append([]byte{}, p...), time.Now().Add(tripTime / 2)})
	l.change()
	return len(p), nil
}

func (l *lag) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.change()
}

func (l *lag) read(p []byte) (int, error) {
	for {
		l.mu.Lock()
		wake, left, some := l.wake, time.Duration(0), len(l.pieces) > 0
		if some {
			left = time.Until(l.pieces[0].due)
		}
		switch {
		case some && left <= 0:
			n := copy(p, l.pieces[0].data)
			if l.pieces[0].data = l.pieces[0].data[n:]; len(l.pieces[0].data) == 0 {
				l.pieces = l.pieces[1:]
			}
			l.mu.Unlock()
			return n, nil
		case l.closed:
			l.mu.Unlock()
			return 0, io.EOF
		}
		l.mu.Unlock()
		if some {
			time.Sleep(left)
			continue
		}
		<-wake
	}
}

// answerOnce serves c as a host with key: each command has an answer and ends.
func answerOnce(c net.Conn, key gossh.Signer, wg *sync.WaitGroup) {
	config := &gossh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(key)
	_, channels, requests, err := gossh.NewServerConn(c, config)
	if err != nil {
		return // the client has gone
	}
	wg.Go(func() { gossh.DiscardRequests(requests) })
	for wish := range channels {
		ch, asked, err := wish.Accept()
		if err != nil {
			return // likewise
		}
		wg.Go(func() {
			for r := range asked {
				_ = r.Reply(true, nil) // likewise, from here on
				_, _ = ch.Write([]byte("answer\n"))
				_, _ = ch.SendRequest("exit-status", false, gossh.Marshal(struct{ Status uint32 }{7}))
				_ = ch.Close()
			}
		})
	}
}

// loginLagged logs in to an answerOnce over a connection with lag, without the round
// trip of TCP, and gives the connection to target 0 of c.
func (c *Client) loginLagged(t *testing.T, key fleet.Key, wg *sync.WaitGroup) {
	t.Helper()
	near, far := laggedPair()
	wg.Go(func() { answerOnce(far, key, wg) })
	w := newWire(near)
	s, channels, requests, err := gossh.NewClientConn(w, "lagged", &gossh.ClientConfig{
		User: "u", HostKeyCallback: gossh.FixedHostKey(key.PublicKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.loggedIn.Store(true)
	c.held[0] = c.adopt(&conn{
		wire: w, ssh: s, ep: c.endpoints[0], dead: make(chan struct{}),
		address: "lagged", hostKey: string(key.PublicKey().Marshal()),
	}, channels, requests)
}

// TestRoundTrips: a command on a connection that stands takes two round trips,
// one for a channel and one for the command, whether the client that had it
// before is the same or not.
func TestRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		key := fleet.NewKey()
		keep := NewIdlePool(1000*tripTime, 1)
		keep.probeAfter = 1000 * tripTime
		keep.interval = 1000 * tripTime
		opts := Options{IdlePool: keep, Endpoints: []Endpoint{{Address: "h", User: "u", HostKeys: hostkeys.Off, KeepaliveInterval: -1}}}
		trips := func(c *Client) float64 {
			began := time.Now()
			execOn(t.Context(), c, fanout.Target{Name: "h"}, "x").wantExit(t, fanout.Exit{Code: 7})
			return float64(time.Since(began)) / float64(tripTime)
		}
		first, err := New(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		first.loginLagged(t, key, &wg)
		for range 2 {
			if got := trips(first); got != 2 {
				t.Errorf("got %v round trips on a connection that stands, want 2", got)
			}
		}
		first.Release(fanout.Target{Name: "h"})
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		second, err := New(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := trips(second); got != 2 {
			t.Errorf("got %v round trips on a reused connection, want 2", got)
		}
		if err := second.Close(); err != nil {
			t.Error(err)
		}
		if err := keep.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}
