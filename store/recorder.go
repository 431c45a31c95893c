package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"tutti/fanout"
)

// A Recorder records one run. It is safe for concurrent use.
type Recorder struct {
	writer      Writer
	id          int64
	stopOnError bool

	// some is signaled when the queue is no longer empty, now when its entries should
	// be committed without delay.
	some, now chan struct{}
	closing   chan struct{} // closed by Close
	done      chan struct{} // closed when the committer has ended

	mu     sync.Mutex // guards what follows
	queue  []entry
	bytes  int64
	urgent bool
	closed bool
	err    error // the first that happened
	// taken: another process owns the run by now. reported: a caller got ErrTaken.
	taken, reported bool

	closeOnce sync.Once
	closeErr  error
}

var (
	_ fanout.Sink    = (*Recorder)(nil)
	_ fanout.Journal = (*Recorder)(nil)
)

// An entry waits to be written: an event, or the mark of a start that a caller waits
// for.
type entry struct {
	event   fanout.Event
	release func()
	ack     chan error // of a mark: receives nil once it is durable
}

// maxPending is the number of bytes of output with which a commit is not delayed any
// more. The lender of event data bounds what arrives in the meantime.
const maxPending = 1 << 20

// maxDelay is how long an event that no caller waits for may wait for others to share a
// commit.
const maxDelay = 100 * time.Millisecond

// NewRecorder returns a recorder of run id that writes through w. It must be closed.
// The end of ctx does not end its writes: an interrupted run is recorded to its end.
func NewRecorder(ctx context.Context, id int64, plan fanout.Plan, info RunInfo, w Writer) *Recorder {
	r := &Recorder{
		writer:      w,
		id:          id,
		stopOnError: info.StopOnError,
		some:        make(chan struct{}, 1),
		now:         make(chan struct{}, 1),
		closing:     make(chan struct{}),
		done:        make(chan struct{}),
	}
	c := newCommitter(context.WithoutCancel(ctx), r, plan, info)
	go c.loop()
	return r
}

// RunID is the number of the run.
func (r *Recorder) RunID() int64 { return r.id }

// Handle queues e to be written soon, and does not wait. Until then it holds the
// event's data. Close returns errors of the disk, and so does Starting with
// RunInfo.StopOnError. Handle returns ErrClosed after Close, and [ErrTaken] once
// another process owns the run, which must not go on then.
func (r *Recorder) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.TargetConnecting, fanout.BatchStarted, fanout.BatchFinished:
		return nil // not recorded
	}
	if r.reportLoss() {
		return ErrTaken
	}
	n := entry{event: e}
	if e.Kind == fanout.Output {
		n.release = e.Hold()
	}
	if !r.put(n, int64(len(e.Data))) {
		if n.release != nil {
			n.release()
		}
		return ErrClosed
	}
	return nil
}

// Starting returns when the mark is durable that the command is about to be sent to the
// target. Concurrent calls share a commit.
func (r *Recorder) Starting(ctx context.Context, t fanout.Target, attempt int, address string) error {
	n := entry{
		event: fanout.Event{Kind: fanout.TargetStarted, Time: time.Now(), Target: &t, Attempt: attempt, Address: address},
		ack:   make(chan error, 1), // the committer does not wait for a caller that gave up
	}
	if !r.put(n, 0) {
		return ErrClosed
	}
	select {
	case err := <-n.ack:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// put appends n, which has that many bytes of output, to the queue. It returns false
// once the recorder is closed.
func (r *Recorder) put(n entry, bytes int64) bool {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return false
	}
	r.queue = append(r.queue, n)
	r.bytes += bytes
	if n.ack != nil || r.bytes >= maxPending {
		r.urgent = true
	}
	urgent := r.urgent
	r.mu.Unlock()
	r.signal(urgent)
	return true
}

func (r *Recorder) signal(urgent bool) {
	ch := r.some
	if urgent {
		ch = r.now
	}
	select {
	case ch <- struct{}{}:
	default: // the committer knows already
	}
}

// take empties the queue.
func (r *Recorder) take() (batch []entry, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch, r.queue = r.queue, nil
	r.bytes, r.urgent = 0, false
	return batch, r.closed
}

// fail keeps the first error.
func (r *Recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.writer.Fault(err)
	}
}

// lose records that another process owns the run, and whether a caller gets ErrTaken
// for it.
func (r *Recorder) lose(reported bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken, r.reported = true, r.reported || reported
}

// reportLoss reports whether another process owns the run, for which its caller returns
// ErrTaken.
func (r *Recorder) reportLoss() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reported = r.reported || r.taken
	return r.taken
}

// unreportedLoss returns [ErrTaken] if another process owns the run and no caller got
// that error yet.
func (r *Recorder) unreportedLoss() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken && !r.reported {
		return ErrTaken
	}
	return nil
}

func (r *Recorder) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close waits until everything is durable and returns the first error since Begin, and
// [ErrTaken] if another process owns the run and neither Starting nor Handle returned
// that. A run that has not finished is marked as interrupted. Further calls return the
// same.
func (r *Recorder) Close() error {
	r.closeOnce.Do(func() {
		r.mu.Lock()
		r.closed, r.urgent = true, true
		r.mu.Unlock()
		close(r.closing)
		r.signal(true)
		<-r.done
		r.closeErr = errors.Join(r.failed(), r.unreportedLoss(), r.writer.Fault(r.writer.Release()))
	})
	return r.closeErr
}
