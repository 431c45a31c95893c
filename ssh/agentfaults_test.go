package ssh

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tutti/fanout"
)

// A singleReader hands over at most one message for each Read, and fails if
// another one has come before the last was answered: agents of some age lose it.
type singleReader struct {
	net.Conn
	t      *testing.T
	unread []byte
}

func (r *singleReader) Read(p []byte) (int, error) {
	if len(r.unread) == 0 {
		buf := make([]byte, 64<<10)
		n, err := r.Conn.Read(buf)
		if err != nil {
			return 0, err
		}
		r.unread = buf[:n]
		if size := int(binary.BigEndian.Uint32(buf)) + 4; n > size {
			r.t.Errorf("got %d bytes at once, want one message of %d", n, size)
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// interpose puts a proxy in front of a's socket; wrap may change what the agent
// reads and writes.
func interpose(t *testing.T, a *fakeAgent, wrap func(net.Conn) io.ReadWriter) {
	t.Helper()
	socket := a.socket + "2"
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				_ = agent.ServeAgent(a, wrap(c)) // ends with the connection
			})
		}
	})
	a.socket = socket
}

// TestAgentGetsOneRequestAtATime: no second request is under way on a connection
// before the first is answered.
func TestAgentGetsOneRequestAtATime(t *testing.T) {
	a, public := newAgent(t, 1)
	interpose(t, a, func(c net.Conn) io.ReadWriter { return &singleReader{Conn: c, t: t} })
	b := agentBench(t, 20, a, public[0])
	var wg sync.WaitGroup
	for i := range b.targets {
		wg.Go(func() {
			if r := b.exec(t.Context(), i, "x"); r.Failure != nil {
				t.Errorf("host %d: got %+v, want success", i, *r.Failure)
			}
		})
	}
	wg.Wait()
}

// TestAgentIsAskedAgainWhenItDies: an agent that drops a connection is asked on another.
func TestAgentIsAskedAgainWhenItDies(t *testing.T) {
	a, public := newAgent(t, 1)
	var dropped atomic.Bool
	interpose(t, a, func(c net.Conn) io.ReadWriter {
		return struct {
			io.Reader
			io.Writer
		}{c, writerFunc(func(p []byte) (int, error) {
			if a.signs.Load() > 0 && dropped.CompareAndSwap(false, true) {
				return 0, errors.Join(io.ErrClosedPipe, c.Close())
			}
			return c.Write(p)
		})}
	})
	b := agentBench(t, 3, a, public[0])
	for i := range b.targets {
		b.exec(t.Context(), i, "x").wantExit(t, fanout.Exit{})
	}
	if !dropped.Load() {
		t.Error("no connection was dropped")
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestLateAnswerOfAgentIsDropped: an answer that comes after its time is never taken for
// that of the next request.
func TestLateAnswerOfAgentIsDropped(t *testing.T) {
	a, public := newAgent(t, 1)
	late, answered := make(chan struct{}), make(chan struct{})
	a.onSign = func(data []byte) error {
		if string(data) == "first" {
			<-late
			defer close(answered)
		}
		return nil
	}
	p := newAgentPool(a.socket)
	defer p.close()
	p.limit = 50 * time.Millisecond
	if _, err := p.sign(t.Context(), public[0], []byte("first"), gossh.KeyAlgoED25519); !errors.Is(err, errAgentSlow) {
		t.Errorf("got error %v, want %v", err, errAgentSlow)
	}
	close(late)
	<-answered
	p.limit = patience
	for _, data := range []string{"second", "third"} {
		s, err := p.sign(t.Context(), public[0], []byte(data), gossh.KeyAlgoED25519)
		if err != nil {
			t.Fatal(err)
		}
		if err := public[0].Verify([]byte(data), s); err != nil {
			t.Errorf("%s: got a signature of something else: %v", data, err)
		}
	}
}

// TestRefusalNamesConstrainedKeys: a refusal names the one reason that the agent keeps to
// itself.
func TestRefusalNamesConstrainedKeys(t *testing.T) {
	a, public := newAgent(t, 1)
	a.onSign = func([]byte) error { return errors.New("not for this destination") }
	b := agentBench(t, 1, a, public[0])
	r := b.exec(t.Context(), 0, "x")
	if r.Failure == nil || !strings.Contains(r.Failure.Message, "ssh-add -h") {
		t.Errorf("got %+v, want a failure that names ssh-add -h", r.Failure)
	}
}
