package ssh

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/ssh/remote"
)

const (
	// smallBuffer is what a stream is first read with. Whenever that is filled,
	// the next one is bufferGrowth times as large, up to largeBuffer: every host
	// has two streams, and most say little. A full packet does not fill the
	// largest, so that it shows whether there was more than that.
	smallBuffer  = largeBuffer / (bufferGrowth * bufferGrowth)
	bufferGrowth = 8
	largeBuffer  = fullPacket * 5 / 4
	// fullPacket is the output, or input, in the largest packet of the library.
	fullPacket = 32 << 10
	// partingTime is how long a Write may go on after the run was stopped
	// before it is left behind.
	partingTime = time.Second
)

// A session runs one command.
type session struct {
	conn      *conn
	ch        gossh.Channel
	requests  <-chan *gossh.Request // nil once the channel has been closed
	killAfter time.Duration
	drain     time.Duration
	looking   time.Duration
	host      string     // name of the target
	proof     *sudoProof // of the run
	beside    bool       // it serves another session of this connection
	ending    bool       // the command has been told to end
	since     string     // when it began, for the sweeps that end it

	order   *remote.Order
	clock   *stopwatch
	parted  atomic.Bool  // nothing is written any more
	lastOut atomic.Int64 // time of the last output, by clock
	broken  atomic.Bool  // output could not be passed on
	spilled atomic.Bool  // output was thrown away to hear the end

	stdout, stderr *turns // the streams, as run reads them

	reply   chan execReply // one, at any time
	streams chan struct{}  // one for each of the two streams, at any time
	fed     chan struct{}  // closed when nothing more is written to the input
	// inputFailed receives why the input cannot be had, at most once.
	inputFailed chan error
	helpers     sync.WaitGroup // goroutines that end with the channel

	answer    execReply
	refusedAt time.Duration // by clock; if it was
	ended     int           // streams that have ended
	shut      chan struct{} // closed when nothing more comes on the channel
	closed    bool          // by the host, which is proved; belongs to run until shut is closed
	exit      *fanout.Exit
	exitAt    time.Duration // by clock
	garbled   bool          // an exit message came that cannot be read

	inputErr error   // the input cannot be had
	sudo     sudoEnd // once fed is closed
	wantsTTY bool    // sudo runs nothing without a terminal
}

// An execReply is the answer to the wish to run the command.
type execReply struct {
	known    bool
	refused  bool
	terminal bool // it is the terminal that was refused
}

func newSession(c *Client, host string, n *conn, ch gossh.Channel, requests <-chan *gossh.Request) *session {
	n.wire.beginCommand()
	return &session{
		conn:        n,
		ch:          ch,
		requests:    requests,
		killAfter:   c.killAfter,
		drain:       c.drain,
		looking:     c.looking,
		host:        host,
		proof:       &c.sudo,
		reply:       make(chan execReply, 1),
		streams:     make(chan struct{}, 2),
		shut:        make(chan struct{}),
		fed:         make(chan struct{}),
		inputFailed: make(chan error, 1),
	}
}

// run sends o, passes on what the command says, and notes in report how it
// ended.
func (s *session) run(ctx context.Context, o *remote.Order, limit time.Duration, stdout, stderr io.Writer, report *fanout.Report) {
	s.order = o
	s.clock = newStopwatch()
	began := time.Now()
	feeding, stop := context.WithCancel(ctx)
	defer stop()
	outMarkers, errMarkers := (*remote.MarkerReader)(nil), o.Markers
	if o.PTY != nil { // where everything is stdout
		outMarkers, errMarkers = errMarkers, outMarkers
	}
	s.helpers.Go(func() { s.send(feeding) })
	s.stdout, s.stderr = &turns{from: s.ch}, &turns{from: s.ch.Stderr()}
	s.helpers.Go(func() { s.copy(stdout, s.stdout, outMarkers) })
	s.helpers.Go(func() { s.copy(stderr, s.stderr, errMarkers) })
	how := s.await(ctx, limit)
	stop()
	proved := false
	if how == endStopped || how == endTimeout || how == endInput {
		proved = s.terminate(ctx)
	}
	s.judge(ctx, how, limit, proved, report)
	report.Command = time.Since(began)
}

// send asks for the command, waits for the answer, and sees to the command's
// input; everybody else goes on meanwhile.
func (s *session) send(ctx context.Context) {
	defer close(s.fed)
	if pty := s.order.PTY; pty != nil {
		// The answer is waited for: without a terminal the command could do
		// something else than was meant.
		ok, err := s.ch.SendRequest("pty-req", true, ptyRequest(pty))
		if !ok || err != nil {
			s.reply <- execReply{known: err == nil, refused: err == nil, terminal: true}
			return
		}
	}
	s.sendEnvironment()
	ok, err := s.ch.SendRequest("exec", true, gossh.Marshal(struct{ Command string }{s.order.Command}))
	s.reply <- execReply{known: err == nil, refused: err == nil && !ok}
	if ok && err == nil && s.feed(ctx) {
		_ = s.ch.CloseWrite() // if it fails the channel is closed, and so the input
	}
}

// copy passes a stream on until the channel ends, without what is said to us
// in it. The stream ends earlier if the host says so; what a host sends after
// that all the same is output as well, and would be missing.
func (s *session) copy(to io.Writer, from io.Reader, m *remote.MarkerReader) {
	s.conn.wire.valve.attend()
	s.copyOn(to, from, m.Strip)
	s.conn.wire.valve.leave()
	s.pass(to, m.Rest())
	<-s.shut
	s.copyOn(to, from, nil)
	s.streams <- struct{}{}
}

// copyOn passes a stream on as far as there is more of it; strip, unless it is
// nil, says what of it is output.
func (s *session) copyOn(to io.Writer, from io.Reader, strip func([]byte) []byte) {
	buf := make([]byte, smallBuffer)
	for {
		s.conn.wire.valve.ask()
		n, err := from.Read(buf)
		s.conn.wire.valve.took(n, n < len(buf))
		switch {
		case n > 0:
			p := buf[:n]
			if strip != nil {
				p = strip(p)
			}
			s.pass(to, p)
			buf = grown(buf, n)
			continue // an error that came along is about writing, or comes again
		case err != nil:
			return
		}
	}
}

// grown is the buffer to read with after n bytes have come into buf.
func grown(buf []byte, n int) []byte {
	if n < len(buf) || n >= largeBuffer {
		return buf
	}
	return make([]byte, bufferGrowth*n)
}

// Turns let one of several read at a time. The library wakes only one of them
// when the stream ends.
type turns struct {
	mu   sync.Mutex // held while somebody waits for more, who then takes it
	from io.Reader
}

func (t *turns) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.from.Read(p)
}

// pass writes p. The time this takes does not count against any limit. When
// writing has failed the rest of the stream is thrown away, so that the host
// is not held up.
func (s *session) pass(to io.Writer, p []byte) {
	if len(p) == 0 || s.broken.Load() || s.parted.Load() || s.spilled.Load() {
		return
	}
	s.clock.pause()
	s.conn.wire.valve.busy()
	_, err := to.Write(p)
	s.conn.wire.valve.free()
	s.clock.resume()
	if err != nil {
		s.broken.Store(true)
	}
	s.lastOut.Store(int64(s.clock.elapsed()))
}

// spill throws a stream away from the moment that full is closed, beside copy,
// whose Write waits: the connection is to be read from, for what else comes over
// it, and what it brings must not pile up. What copy gets to read later has
// holes, and is thrown away as well.
func (s *session) spill(from io.Reader, full <-chan struct{}) {
	select {
	case <-full:
	case <-s.conn.dead:
		return
	}
	s.spilled.Store(true)
	buf := make([]byte, smallBuffer)
	for {
		n, err := from.Read(buf)
		if n == 0 && err != nil {
			return
		}
		s.conn.wire.valve.discarded(n, n < len(buf))
	}
}

// finish waits for what the session has started, so that nothing of it is
// left, and nothing is written any more.
func (s *session) finish(ctx context.Context) {
	if s.requests != nil {
		s.conn.wire.abort()
		for range s.requests { // the library waits for somebody to take these
		}
		s.requests = nil
		close(s.shut)
	}
	if s.ended == 2 && isClosed(s.fed) && !s.ending {
		s.helpers.Wait() // each of them is at its last step
		return
	}
	done := make(chan struct{})
	go func() {
		s.helpers.Wait()
		close(done)
	}()
	if s.finished(ctx, done) {
		return
	}
	s.parted.Store(true)
	s.conn.wire.abort()
	t := time.NewTimer(partingTime)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C: // a Write is stuck; it is the last one
	}
}

// finished waits for done as long as there is hope: as long as ctx is not done
// and, but for the Writes, something moves.
func (s *session) finished(ctx context.Context, done <-chan struct{}) bool {
	tick := time.NewTicker(partingTime)
	defer tick.Stop()
	for last := int64(-1); ; {
		select {
		case <-done:
			return true
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		now := s.lastOut.Load()
		if _, running := s.clock.read(); running && now == last {
			return false
		}
		last = now
	}
}

// abandon ends a session that has not been sent anything.
func (s *session) abandon() {
	s.conn.wire.abort()
	for range s.requests {
	}
}

// reusable reports whether the connection can take another command.
func (s *session) reusable() bool {
	return s.requests == nil && s.closed && s.conn.alive() && !s.ending
}
