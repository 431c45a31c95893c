package output

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

// writeBufferSize is how much is gathered before a write to the destination.
const writeBufferSize = 64 << 10

// eraseLine puts the cursor at the start of its line and clears the line.
const eraseLine = "\r\x1b[K"

// errWriterClosed is returned for what is queued after Close.
var errWriterClosed = errors.New("write to a closed output writer")

// A Writer is a queue in front of a destination such as stdout, written by one
// goroutine that the first use starts and Close waits for. Queueing never waits
// for the destination. All methods may be called from any goroutine.
type Writer struct {
	dst    io.Writer
	q      *queue
	buf    *bufio.Writer // of the queue's goroutine
	failed chan struct{}

	tolerant bool // set before the first use

	// Guarded by q.mu.
	err    error
	closed bool
	muted  bool
}

var _ io.Writer = (*Writer)(nil)

// NewWriter returns a Writer with a queue of its own.
func NewWriter(dst io.Writer) *Writer {
	return newQueue().writer(dst)
}

// NewWriterPair returns the Writers of two streams that end on the same
// terminal. They share one queue, so that what is written to them appears in
// the order in which it was queued, and a progress bar on stderr stays clear of
// stdout.
func NewWriterPair(stdout, stderr io.Writer) (*Writer, *Writer) {
	q := newQueue()
	return q.writer(stdout), q.writer(stderr)
}

// Tolerate makes w drop what cannot be written, as if it had been: no method but
// Err returns an error then. It is called before anything is queued.
func (w *Writer) Tolerate() { w.tolerant = true }

// Write queues a copy of p. It never blocks; an error is that of an earlier
// write.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.text(bytes.Clone(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Failed is closed when the first write to the destination has failed.
func (w *Writer) Failed() <-chan struct{} { return w.failed }

// Err is the error of the first write that failed, nil so far. A reader that
// has gone away is syscall.EPIPE.
func (w *Writer) Err() error {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	return w.err
}

// Close waits until everything queued is written, or ctx is done, and returns
// the first error. If ctx ends first, the goroutine is left behind in a write
// that cannot be interrupted.
func (w *Writer) Close(ctx context.Context) error {
	q := w.q
	q.mu.Lock()
	if !w.closed {
		w.closed = true
		q.open--
		if q.screen == w {
			q.frame = nil
		}
	}
	var written <-chan struct{}
	if q.running {
		written = q.mark(w)
	}
	last := q.open == 0
	q.cond.Signal()
	q.mu.Unlock()

	if written == nil {
		return w.fault()
	}
	if last {
		written = q.ended
	}
	select {
	case <-written:
		return w.fault()
	case <-ctx.Done():
	}
	select {
	case <-written: // a bound that is over does not matter any more
		return w.fault()
	default:
		return context.Cause(ctx)
	}
}

// fault is the first error of w's writes, unless w tolerates them.
func (w *Writer) fault() error {
	if w.tolerant {
		return nil
	}
	return w.Err()
}

// Interject queues whole lines of tutti's own in front of everything that waits. An
// operator who stops a flood must not wait for its end.
func (w *Writer) Interject(lines string) {
	q := w.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.closed || w.err != nil {
		return
	}
	q.urgent = append(q.urgent, item{to: w, write: w.lineWrite([]byte(lines))})
	q.start()
}

// Mute drops the hosts' output that waits and that follows. tutti's own lines still
// appear.
func (w *Writer) Mute() {
	q := w.q
	q.mu.Lock()
	w.muted = true
	var dropped []func()
	q.items = slices.DeleteFunc(q.items, func(it item) bool {
		if it.to != w || !it.host {
			return false
		}
		dropped = append(dropped, it.done)
		return true
	})
	q.mu.Unlock()
	for _, done := range dropped {
		done()
	}
}

// text queues p, which must not be changed afterwards.
func (w *Writer) text(p []byte) error {
	return w.queue(func(b *bufio.Writer) error {
		_, err := b.Write(p)
		return err
	}, nil)
}

// line queues p, whole lines of tutti's own. They start on a new line, also
// after output whose last line is incomplete.
func (w *Writer) line(p []byte) error { return w.queue(w.lineWrite(p), nil) }

func (w *Writer) lineWrite(p []byte) func(*bufio.Writer) error {
	return func(b *bufio.Writer) error {
		if err := b.Flush(); err != nil {
			return err
		}
		if w.q.midLine {
			p = append([]byte{'\n'}, p...)
		}
		_, err := b.Write(p)
		return err
	}
}

// output queues write, which prints what a host sent; see queue.
func (w *Writer) output(write func(*bufio.Writer) error, done func()) error {
	return w.add(item{to: w, write: write, done: done, host: true})
}

// queue passes write to the goroutine, which calls it in its turn. done, if not nil, is
// called exactly once, when what write refers to is no longer needed, also if an error
// is returned.
func (w *Writer) queue(write func(*bufio.Writer) error, done func()) error {
	return w.add(item{to: w, write: write, done: done})
}

func (w *Writer) add(it item) error {
	q := w.q
	q.mu.Lock()
	err := w.err
	if err == nil && w.closed {
		err = errWriterClosed
	}
	if err != nil || it.host && w.muted {
		q.mu.Unlock()
		if it.done != nil {
			it.done()
		}
		if w.tolerant && !errors.Is(err, errWriterClosed) {
			return nil
		}
		return err
	}
	q.push(it)
	q.mu.Unlock()
	return nil
}

// show replaces the line that is kept below everything else on w, which must
// be a terminal. An empty line removes it. Frames that come faster than the
// terminal takes them are dropped.
func (w *Writer) show(line string) {
	q := w.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.closed || w.err != nil || line == string(q.frame) {
		return
	}
	q.screen, q.frame, q.frameNew = w, []byte(line), true
	q.start()
}

// leave stops keeping the line of show, and leaves it on the screen where it is.
func (w *Writer) leave() {
	q := w.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.screen == w && len(q.frame) > 0 {
		q.frame, q.frameLeft = nil, true
	}
}

// fail records the first error of w.
func (w *Writer) fail(err error) {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	if w.err == nil {
		w.err = err
		close(w.failed)
	}
}

// An item is one thing to write.
type item struct {
	to    *Writer
	write func(*bufio.Writer) error
	done  func()
	host  bool          // it is a host's output; done is set
	mark  chan struct{} // closed when everything before it has been flushed
}

// A queue holds the items of one or two Writers, in order.
type queue struct {
	mu   sync.Mutex // guards what follows, down to the blank line
	cond sync.Cond
	// items that wait for the goroutine, and urgent ones that go first.
	items, urgent []item
	// frame is the line to keep below everything on screen.
	frame     []byte
	frameNew  bool
	frameLeft bool // what is on the screen stays there
	screen    *Writer
	open      int // Writers that are not closed
	running   bool

	ended chan struct{}
	// Of the goroutine: whether the frame is on the screen, and whether the
	// last line is incomplete.
	shown, midLine bool
}

func newQueue() *queue {
	q := &queue{ended: make(chan struct{})}
	q.cond.L = &q.mu
	return q
}

func (q *queue) writer(dst io.Writer) *Writer {
	w := &Writer{dst: dst, q: q, failed: make(chan struct{})}
	w.buf = bufio.NewWriterSize(destination{w}, writeBufferSize)
	q.open++
	return w
}

// A destination is the last step of a Writer: it remembers how a line ended.
type destination struct{ w *Writer }

func (d destination) Write(p []byte) (int, error) {
	if string(p) != eraseLine {
		d.w.q.midLine = len(p) > 0 && p[len(p)-1] != '\n'
	}
	return d.w.dst.Write(p)
}

// push adds an item; q.mu is held.
func (q *queue) push(it item) {
	q.items = append(q.items, it)
	q.start()
}

// start wakes the goroutine, and makes it on the first use; q.mu is held.
func (q *queue) start() {
	if !q.running {
		q.running = true
		go q.run()
	}
	q.cond.Signal()
}

// mark returns a channel that is closed when what was queued before on w is
// written; q.mu is held.
func (q *queue) mark(w *Writer) <-chan struct{} {
	ch := make(chan struct{})
	q.items = append(q.items, item{to: w, mark: ch})
	return ch
}

// drain waits until everything queued on w is written, and returns the first error.
func (w *Writer) drain() error {
	w.q.mu.Lock()
	if w.closed || !w.q.running {
		w.q.mu.Unlock()
		return w.fault()
	}
	written := w.q.mark(w)
	w.q.cond.Signal()
	w.q.mu.Unlock()
	<-written
	return w.fault()
}

// run writes until every Writer of the queue is closed and nothing is left.
func (q *queue) run() {
	defer close(q.ended)
	for {
		q.mu.Lock()
		for len(q.items)+len(q.urgent) == 0 && !q.frameNew && q.open > 0 {
			q.cond.Wait()
		}
		items, screen, frame := append(q.urgent, q.items...), q.screen, q.frame
		ending := len(items) == 0 && q.open == 0
		q.shown = q.shown && !q.frameLeft
		q.items, q.urgent, q.frameNew, q.frameLeft = nil, nil, false, false
		q.mu.Unlock()

		if screen != nil && (len(items) > 0 || len(frame) == 0) {
			q.erase(screen, items)
		}
		if ending {
			return
		}
		q.writeAll(items)
		if screen != nil && len(frame) > 0 {
			q.draw(screen, frame)
		}
	}
}

// writeAll writes items and flushes. A change of Writers flushes too, since
// both may end on one terminal.
func (q *queue) writeAll(items []item) {
	for i, it := range items {
		for _, u := range q.interjected() {
			u.to.put(u)
			u.to.flush()
		}
		it.to.put(it)
		if it.mark != nil || i+1 == len(items) || items[i+1].to != it.to {
			it.to.flush()
		}
		if it.mark != nil {
			close(it.mark)
		}
		// done has released their share of the budget, which others may have
		// taken: the bytes must not stay until the end of items.
		items[i] = item{}
	}
}

// interjected takes what has become urgent since items were taken.
func (q *queue) interjected() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	urgent := q.urgent
	q.urgent = nil
	return urgent
}

// put writes it, unless w has failed or been muted since it was queued.
func (w *Writer) put(it item) {
	w.q.mu.Lock()
	silent := w.err != nil || it.host && w.muted
	w.q.mu.Unlock()
	if it.write != nil && !silent {
		if err := it.write(w.buf); err != nil {
			w.fail(err)
		}
	}
	if it.done != nil {
		it.done()
	}
}

// erase takes the frame off the screen. If the screen is written to next, it
// goes out in the same write, and nothing flickers.
func (q *queue) erase(screen *Writer, next []item) {
	if !q.shown {
		return
	}
	q.shown = false
	_, _ = screen.buf.WriteString(eraseLine) // the error comes back in flush
	if len(next) == 0 || next[0].to != screen {
		screen.flush()
	}
}

// draw puts the frame below what has been written, unless a line is still
// incomplete there.
func (q *queue) draw(screen *Writer, frame []byte) {
	if q.midLine || screen.Err() != nil {
		return
	}
	_, _ = screen.buf.WriteString("\r") // as above
	_, _ = screen.buf.Write(frame)
	_, _ = screen.buf.WriteString("\x1b[K")
	screen.flush()
	q.shown, q.midLine = true, false
}

func (w *Writer) flush() {
	if w.Err() != nil {
		return
	}
	if err := w.buf.Flush(); err != nil {
		w.fail(err)
	}
}
