package ssh

import (
	"context"
	"io"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/ssh/remote"
)

// detachTime is how long a Write may go on after the run was stopped before finish
// returns without it.
const detachTime = time.Second

// A channel carries one command: the order to run it, its input, its streams, and
// how it ended. It knows when a command is to be ended, and cannot end it; a session
// can.
type channel struct {
	streams
	input

	conn     *conn
	requests <-chan *gossh.Request // nil once the channel has been closed
	drain    time.Duration
	counted  bool // the connection waits for its end, as that of a command
	doomed   bool // its connection is closed next: how it ends needs no proof

	sudo    sudoDialog
	reply   chan execReply // one, at any time
	helpers sync.WaitGroup // goroutines that end with the channel

	answer    execReply
	refusedAt time.Duration // by clock; if it was
	closed    bool          // by the host, which is proved; belongs to run until shut is closed
	exit      *fanout.Exit
	exitAt    time.Duration // by clock
	garbled   bool          // an exit message came that cannot be read
}

// An execReply is the answer to the wish to run the command.
type execReply struct {
	known    bool
	refused  bool
	terminal bool // it is the terminal that was refused
}

// open makes c a channel of n that nothing has been sent on.
func (c *channel) open(n *conn, ch gossh.Channel, requests <-chan *gossh.Request) {
	c.conn, c.ch, c.requests = n, ch, requests
	c.gate, c.dead = &n.wire.gate, n.dead
	c.shut, c.ends = make(chan struct{}), make(chan struct{}, 2)
	c.reply, c.fed, c.failed = make(chan execReply, 1), make(chan struct{}), make(chan error, 1)
}

// run sends o, passes on what the command says, and returns when it has ended or is
// to be ended.
func (c *channel) run(ctx context.Context, o *remote.Order, limit time.Duration, stdout, stderr io.Writer) ending {
	c.order = o
	c.clock = newStopwatch()
	feeding, stop := context.WithCancel(ctx)
	defer stop()
	outMarkers, errMarkers := (*remote.MarkerReader)(nil), o.Markers
	if o.PTY != nil { // where everything is stdout
		outMarkers, errMarkers = errMarkers, outMarkers
	}
	c.helpers.Go(func() { c.send(feeding) })
	c.stdout, c.stderr = &streamReader{from: c.ch}, &streamReader{from: c.ch.Stderr()}
	c.helpers.Go(func() { c.copy(stdout, c.stdout, outMarkers) })
	c.helpers.Go(func() { c.copy(stderr, c.stderr, errMarkers) })
	return c.await(ctx, limit)
}

// send requests the command, waits for the answer, and feeds the command's input,
// alongside the goroutines that copy its output.
func (c *channel) send(ctx context.Context) {
	defer close(c.fed)
	if pty := c.order.PTY; pty != nil {
		// The answer is waited for: without a terminal the command could do
		// something else than was meant.
		ok, err := c.ch.SendRequest("pty-req", true, ptyRequest(pty))
		if !ok || err != nil {
			c.reply <- execReply{known: err == nil, refused: err == nil, terminal: true}
			return
		}
	}
	sendEnvironment(c.ch, c.conn.ep.Environment)
	ok, err := c.ch.SendRequest("exec", true, gossh.Marshal(struct{ Command string }{c.order.Command}))
	c.reply <- execReply{known: err == nil, refused: err == nil && !ok}
	if ok && err == nil && c.feed(ctx, c) {
		_ = c.ch.CloseWrite() // if it fails the channel is closed, and so the input
	}
}

// finish waits for what the channel has started, so that nothing of it is
// left, and nothing is written any more.
func (c *channel) finish(ctx context.Context) {
	if c.requests != nil {
		c.conn.wire.abort()
		for range c.requests { // the library blocks until these are received
		}
		c.requests = nil
		close(c.shut)
	}
	if c.ended == 2 && isClosed(c.fed) && !c.doomed {
		c.helpers.Wait() // each of them is at its last step
		return
	}
	done := make(chan struct{})
	go func() {
		c.helpers.Wait()
		close(done)
	}()
	if c.finished(ctx, done) {
		return
	}
	c.detached.Store(true)
	c.conn.wire.abort()
	t := time.NewTimer(detachTime)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C: // a Write is stuck; it is the last one
	}
}

// finished waits for done as long as there is hope: as long as ctx is not done
// and, but for the Writes, something moves.
func (c *channel) finished(ctx context.Context, done <-chan struct{}) bool {
	tick := time.NewTicker(detachTime)
	defer tick.Stop()
	for last := int64(-1); ; {
		select {
		case <-done:
			return true
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		now := c.lastOut.Load()
		if _, running := c.clock.read(); running && now == last {
			return false
		}
		last = now
	}
}

// reusable reports whether the connection can take another command.
func (c *channel) reusable() bool {
	return c.requests == nil && c.closed && c.conn.alive() && !c.doomed
}

// detach closes a side channel and waits for its helpers, which end with the host's
// answer or the connection.
func (c *channel) detach() {
	if c.requests != nil {
		_ = c.ch.Close() // if it fails the connection is gone
		gossh.DiscardRequests(c.requests)
		c.requests = nil
		close(c.shut)
	}
	c.helpers.Wait()
}
