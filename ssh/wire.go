package ssh

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tutti/fanout"
)

const (
	// holdTime is how long a read error is kept from the SSH library after a
	// login, at most. A host that hangs up as soon as it has said everything must
	// not look like one that died: in this time what has already arrived is
	// worked off, so that the end of a channel is seen before the end of the
	// connection, also on a machine that has much else to do.
	holdTime = 200 * time.Millisecond
	// settleTime bounds the wait for the library's reader in settled.
	settleTime = 25 * time.Millisecond
	// yields is how often the reader gives way to who works off what it has read.
	// Of 40 connections that were closed and disconnected in one go, none was known to
	// be closed without it, and all or all but one with it, on a busy machine.
	yields = 4
)

// A wire is the network connection as the SSH library gets to see it. It
// remembers when the last byte came, whether reading has failed, and what was
// said before the version line.
type wire struct {
	net.Conn

	born     time.Time
	lastRead atomic.Int64 // nanoseconds since born
	loggedIn atomic.Bool  // read errors are held from here on
	failed   atomic.Bool  // a read error has been handed over
	gate     readGate     // stops reads while output waits for its writer

	callers     *callers      // of Write; set before it is used
	grants      grantWriter   // the way out
	mute        bool          // writing has failed; belongs to grants
	patient     bool          // the host waits for us to hang up; set with loggedIn
	commanded   atomic.Bool   // the channel of a command is there, of a host that is not patient
	closes      atomic.Int32  // answers to the close of a channel that takeClose has not returned yet
	holding     time.Duration // at most holdTime
	channelOver chan struct{} // holds one when the command's channel has ended
	aborted     chan struct{} // closed by abort
	abortOnce   sync.Once

	greeting greeting // belongs to the reader
	last     []byte   // likewise: what is kept back of what has arrived; see Read

	mu      sync.Mutex    // guards what follows
	reading bool          // the library waits in Read
	entered chan struct{} // closed when reading becomes true; nil: settled does not wait
}

func newWire(c net.Conn) *wire {
	w := &wire{
		Conn:        c,
		born:        time.Now(),
		callers:     new(callers),
		holding:     holdTime,
		channelOver: make(chan struct{}, 1),
		aborted:     make(chan struct{}),
	}
	w.grants.write = w.send
	from := newQuickAck(c, &w.loggedIn)
	w.greeting = newGreeting(from)
	return w
}

// Read hands over what the host sends, and the first error only after what
// came before it has had time to be worked off. The last byte of what has arrived
// comes by itself: some hosts close the channel and disconnect in one go. Once the
// library has understood the second it does not answer the first any more, and
// the answer is the proof of it. That is not done for servers that are known to
// wait for us, since it costs each command a tenth of its CPU.
func (w *wire) Read(p []byte) (int, error) {
	if w.greeting.ahead() {
		return w.greeting.read(p)
	}
	if len(w.last) > 0 {
		w.yield()
		n := copy(p, w.last)
		w.last = w.last[n:]
		return n, nil
	}
	w.gate.pass(w.aborted)
	w.enterRead()
	n, err := w.greeting.read(p)
	if n > 0 {
		w.gate.read(n)
		w.lastRead.Store(int64(time.Since(w.born)))
		w.leaveRead()
		if n > 1 && n < len(p) && w.commanded.Load() {
			n--
			w.last = append(w.last[:0], p[n])
		}
		return n, nil // an error that came along comes again
	}
	if err != nil {
		w.hold()
		w.failed.Store(true)
	}
	return n, err
}

// Write sends p. A host that has gone away is noticed by Read, which first
// delivers everything that arrived before; the library would stop reading if
// it learned of it here.
func (w *wire) Write(p []byte) (int, error) {
	sender := passesOn
	if w.loggedIn.Load() {
		sender = w.callers.sender(p)
	}
	if sender == answersOnly {
		w.closes.Add(1)
	}
	if w.failed.Load() {
		// The library is about to give up; who asked it for a channel now would
		// wait for an answer for ever.
		return 0, net.ErrClosed
	}
	if err := w.grants.send(p, sender == grantsWindow); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send writes p, unless writing has failed before. An error is that we have closed
// the connection.
func (w *wire) send(p []byte) error {
	if w.mute {
		return nil
	}
	_, err := w.Conn.Write(p)
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	w.mute = err != nil
	return nil
}

// abort closes the connection from our side; every call on it returns soon.
func (w *wire) abort() {
	w.abortOnce.Do(func() {
		close(w.aborted)
		_ = w.Conn.Close() // the caller has given up on the connection
	})
}

// yield lets the goroutines that handle what was read run first.
func (w *wire) yield() {
	for i := 0; i < yields && w.closes.Load() == 0; i++ {
		runtime.Gosched()
	}
}

func (w *wire) hold() {
	if !w.loggedIn.Load() {
		return
	}
	t := fanout.NewTimer(w.holding, nil)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.channelOver:
	case <-w.aborted:
	}
}

// takeClose reports whether a channel that has just ended was closed by the host.
// Where a command has sweeps beside it several can end at once; then the command
// is ended by us, and does not depend on which of them it was.
func (w *wire) takeClose() bool {
	for n := w.closes.Load(); n > 0; n = w.closes.Load() {
		if w.closes.CompareAndSwap(n, n-1) {
			return true
		}
	}
	return false
}

// beginCommand and endCommand tell of the channel of a command: once it has
// ended, a read error need not be held any longer.
func (w *wire) beginCommand() {
	w.closes.Store(0)
	w.commanded.Store(!w.patient)
	select {
	case <-w.channelOver: // of the one before
	default:
	}
}

func (w *wire) endCommand() {
	w.commanded.Store(false)
	select {
	case w.channelOver <- struct{}{}:
	default:
	}
}

func (w *wire) enterRead() {
	w.mu.Lock()
	w.reading = true
	if w.entered != nil {
		close(w.entered)
		w.entered = nil
	}
	w.mu.Unlock()
}

func (w *wire) leaveRead() {
	w.mu.Lock()
	w.reading = false
	w.mu.Unlock()
}

// silence is how long nothing has arrived, although it was listened for.
func (w *wire) silence() time.Duration {
	if w.gate.closed.Load() {
		return 0
	}
	return time.Since(w.born) - time.Duration(w.lastRead.Load())
}

// settled reports whether everything that has arrived so far was understood
// and the connection stands: the library has come back for more, reading has
// not failed, and the library has not given up on the connection for another
// reason, which closes dead. It settles the case of a channel that ends
// because the host has broken off or garbled the connection, which no read
// error tells.
func (w *wire) settled(dead <-chan struct{}) bool {
	if w.failed.Load() {
		return false
	}
	w.mu.Lock()
	reading := w.reading
	if !reading && w.entered == nil {
		w.entered = make(chan struct{})
	}
	entered := w.entered
	w.mu.Unlock()

	if !reading {
		t := time.NewTimer(settleTime)
		defer t.Stop()
		select {
		case <-entered:
		case <-dead:
		case <-t.C:
		}
	}
	select {
	case <-dead:
		return false
	default:
		return !w.failed.Load()
	}
}
