package ssh

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

const (
	// keepaliveInterval is how long a host may be silent before it is asked
	// for a sign of life, and then between questions.
	keepaliveInterval = 15 * time.Second
	// keepaliveCount is how many questions may stay unanswered.
	keepaliveCount = 3
	// teardownTime is how long teardown waits for the library's goroutines.
	teardownTime = time.Second
)

// A conn is a login. It runs one command at a time.
type conn struct {
	wire    *wire
	ssh     gossh.Conn
	ep      *endpoint
	address string
	hostKey string    // as the host sent it
	jump    *jumpConn // to the bastion that it goes through; nil: none
	pooled  bool      // it has been used before

	// Of a connection in an IdlePool, whose mu guards them; else of its client.
	persist time.Duration // how long it may be idle, where the pool has no age
	since   time.Time     // when it became idle

	dead   chan struct{} // closed when the library has given up on it
	mute   atomic.Bool   // it was closed because the host fell silent
	asking atomic.Bool   // a keepalive is under way

	mu    sync.Mutex // guards what follows: a keeper may take over from another
	asked int        // keepalives since the host was last heard
}

// serve answers what the host asks for on its own until the connection is
// gone. Nothing is granted.
func (c *conn) serve(channels <-chan gossh.NewChannel, requests <-chan *gossh.Request) {
	defer c.teardown()
	for channels != nil || requests != nil {
		select {
		case ch, ok := <-channels:
			if !ok {
				channels = nil
				continue
			}
			_ = ch.Reject(gossh.Prohibited, "not accepted here") // if it fails the connection is gone
		case r, ok := <-requests:
			if !ok {
				requests = nil
				continue
			}
			if r.WantReply {
				_ = r.Reply(false, nil) // if it fails the connection is gone
			}
		}
	}
}

// teardown marks the connection as dead and waits for the library's goroutines, for
// teardownTime at most: a host that sends a flood of nonsense can block them for good.
func (c *conn) teardown() {
	close(c.dead)
	c.wire.abort()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = c.ssh.Close() // it is closed; this waits
	}()
	t := time.NewTimer(teardownTime)
	defer t.Stop()
	select {
	case <-gone:
	case <-t.C:
	}
}

// alive reports whether c is not known to be dead.
func (c *conn) alive() bool {
	select {
	case <-c.dead:
		return false
	default:
		return !c.wire.failed.Load()
	}
}

// age is how long ago the connection was made.
func (c *conn) age() time.Duration { return time.Since(c.wire.born) }

// keepaliveDue reports whether the caller must send a keepalive now. After count
// keepalives without an answer it closes the connection.
func (c *conn) keepaliveDue(interval time.Duration, count int) bool {
	if interval <= 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	due := int(c.wire.silence() / interval)
	switch {
	case due == 0:
		c.asked = 0
	case due <= c.asked:
	case c.asked == count:
		c.mute.Store(true)
		c.wire.abort()
	default:
		c.asked++
		return c.asking.CompareAndSwap(false, true)
	}
	return false
}

// sendKeepalive sends a keepalive and waits for the answer, whatever it is, or for the
// end of the connection.
func (c *conn) sendKeepalive() {
	_, _, _ = c.ssh.SendRequest("keepalive@openssh.com", true, nil)
	c.asking.Store(false)
}

// errNoChannel is a host that does not answer the request for a channel.
var errNoChannel = errors.New("the host did not open a session channel")

// session opens a channel to run a command on. It takes at most limit, if
// that is not 0; after an error the connection must be closed.
func (c *conn) session(ctx context.Context, limit time.Duration) (gossh.Channel, <-chan *gossh.Request, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = fanout.WithLimit(ctx, limit, errNoChannel)
		defer cancel()
	}
	stop := context.AfterFunc(ctx, c.wire.abort)
	ch, requests, err := c.openChannel("session", nil)
	if !stop() {
		if err == nil {
			go gossh.DiscardRequests(requests) // ends with the connection, which is closed
		}
		return nil, nil, context.Cause(ctx)
	}
	return ch, requests, err
}

var errGone = errors.New("the connection is closed")

// openChannel is the library's, but ends with the connection: the library waits
// for ever for the answer to a question that was put after it has forgotten its
// channels and before it stops to write. After a read error that cannot be, see
// wire.Write; where the host breaks off in another way it is a matter of a few
// instructions, and costs a goroutine.
func (c *conn) openChannel(kind string, extra []byte) (gossh.Channel, <-chan *gossh.Request, error) {
	type opened struct {
		ch       gossh.Channel
		requests <-chan *gossh.Request
		err      error
	}
	answer := make(chan opened, 1)
	go func() { // ends with the answer, if there ever is one
		ch, requests, err := c.ssh.OpenChannel(kind, extra)
		answer <- opened{ch, requests, err}
	}()
	select {
	case o := <-answer:
		return o.ch, o.requests, o.err
	case <-c.dead:
	}
	select {
	case o := <-answer: // it came in time
		return o.ch, o.requests, o.err
	default:
		return nil, nil, errGone // a channel that comes now is closed already
	}
}

// sessionFailure explains why a fresh login has no channel.
func sessionFailure(err error) *fanout.Failure {
	f := &fanout.Failure{Op: fanout.OpSession}
	if refused, ok := errors.AsType[*gossh.OpenChannelError](err); ok {
		f.Message = "the host refused a session channel: " + sanitize.Line(refused.Message, 200)
		f.Cause, f.Refused = CauseSession, true
		return f
	}
	if errors.Is(err, errNoChannel) {
		f.Message = err.Error()
		return f
	}
	f.Message = "the connection was lost while a session channel was opened"
	return f
}
