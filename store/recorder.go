package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"tutti/fanout"
)

// A Recorder writes one run down. It is safe for concurrent use.
type Recorder struct {
	writer      Writer
	id          int64
	stopOnError bool

	// some is signaled when the queue is no longer empty, now when it should
	// not wait for company.
	some, now chan struct{}
	closing   chan struct{} // closed by Close
	done      chan struct{} // closed when the committer has ended

	mu     sync.Mutex // guards what follows
	queue  []entry
	bytes  int64
	urgent bool
	closed bool
	err    error // the first that happened
	// taken: the run is another process's by now; told: somebody knows.
	taken, told bool

	closeOnce sync.Once
	closeErr  error
}

var (
	_ fanout.Sink    = (*Recorder)(nil)
	_ fanout.Journal = (*Recorder)(nil)
)

// An entry waits to be written down: an event, or the mark of a start that
// somebody waits for.
type entry struct {
	event   fanout.Event
	release func()
	marked  chan error // of a mark: receives whether it is durable
}

// maxPending is with how many bytes of output a commit is put off no longer. What
// comes meanwhile is bounded by whoever lends it.
const maxPending = 1 << 20

// maxDelay is how long an event that nobody waits for waits for company.
const maxDelay = 100 * time.Millisecond

// NewRecorder records the run that was given the number id, through w. It must be
// closed. Its writes do not end with ctx: an interrupted run is recorded to its end.
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

// Handle writes e down soon; it waits for nothing. Until then it holds the
// event's data. A disk that fails is told by Close, and by Starting as RunInfo
// says; the error here is for events after Close, and is [ErrTaken] once the run is
// another process's: it is not to go on.
func (r *Recorder) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.TargetConnecting, fanout.BatchStarted, fanout.BatchFinished:
		return nil // nothing to be written down
	}
	if r.tellLoss() {
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

// Starting returns when it is durable that the command is about to be sent to
// the target. All who wait at the same time share a commit.
func (r *Recorder) Starting(ctx context.Context, t fanout.Target, attempt int, address string) error {
	n := entry{
		event:  fanout.Event{Kind: fanout.TargetStarted, Time: time.Now(), Target: &t, Attempt: attempt, Address: address},
		marked: make(chan error, 1), // the committer does not wait for who has left
	}
	if !r.put(n, 0) {
		return ErrClosed
	}
	select {
	case err := <-n.marked:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// put appends n, which carries so many bytes of output, to the queue. It is
// false once the recorder is closed.
func (r *Recorder) put(n entry, bytes int64) bool {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return false
	}
	r.queue = append(r.queue, n)
	r.bytes += bytes
	if n.marked != nil || r.bytes >= maxPending {
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

// lose takes down that the run is another process's, and whether somebody is told.
func (r *Recorder) lose(told bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken, r.told = true, r.told || told
}

// tellLoss reports whether the run is another process's, which the caller tells.
func (r *Recorder) tellLoss() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = r.told || r.taken
	return r.taken
}

// untoldLoss is [ErrTaken] if the run is another process's and nobody knows.
func (r *Recorder) untoldLoss() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken && !r.told {
		return ErrTaken
	}
	return nil
}

func (r *Recorder) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close waits until everything is durable and returns the first error that
// happened since Begin; it is [ErrTaken] if the run became another process's and
// neither Starting nor Handle has said so. A run that has not finished is interrupted.
// Calling it again returns the same.
func (r *Recorder) Close() error {
	r.closeOnce.Do(func() {
		r.mu.Lock()
		r.closed, r.urgent = true, true
		r.mu.Unlock()
		close(r.closing)
		r.signal(true)
		<-r.done
		r.closeErr = errors.Join(r.failed(), r.untoldLoss(), r.writer.Fault(r.writer.Release()))
	})
	return r.closeErr
}
