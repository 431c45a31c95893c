package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
)

// RunInfo is what the history keeps of a run beside its plan. The zero value
// is useful.
type RunInfo struct {
	// Inventory is where the hosts came from, Note what the operator wrote.
	Inventory, Note string
	// User who started the run.
	User string
	// RerunOf is the number of the run that this one repeats; 0: none.
	RerunOf int64
	// Given are words of the operator that the plan comes from, by name, for
	// whoever repeats the run. The history only keeps them; they must hold no
	// secret.
	Given map[string][]string
	// Job is the name of the job that is run, and JobID its number; empty and 0:
	// none. ScheduledAt is the instant at which it fired, zero if it was out of
	// turn, and DueAt when the run was to begin.
	Job                string
	JobID              int64
	ScheduledAt, DueAt time.Time
	// ByHand says that a person runs the job; other runs are by hand anyway.
	ByHand bool
	// Firing is the number of the firing that is begun; 0: none. It has been
	// claimed by Owner, and begins with this run or with none: Begin is
	// ErrTaken if it is not, or no longer, Owner's.
	Firing int64
	Owner  *Daemon
	// RecordLimit bounds the recorded bytes of each stream of an attempt: its
	// head, and the last 32 KiB. 0 means 4 MiB; negative: no output is
	// recorded.
	RecordLimit int64
	// ExitCode gives the exit code that goes with a summary; nil: none is
	// recorded.
	ExitCode func(fanout.Summary) int
	// StopOnError makes Starting fail once the history cannot be written any
	// more, so that nothing is begun that would not be recorded. Otherwise the
	// run goes on, and Close tells.
	StopOnError bool
}

// A Recorder writes one run down. It is safe for concurrent use.
type Recorder struct {
	store       *Store
	id          int64
	lock        *runLock
	stopOnError bool
	// claim is the right to start commands.
	claim scheduler.Claim

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

// Begin takes a number for a run of plan and writes the run and its hosts
// down; and with them, if it is the run of a firing, that this has begun. The
// recorder must be closed. Its writes do not end with ctx: an
// interrupted run is recorded to its end.
func (s *Store) Begin(ctx context.Context, plan fanout.Plan, info RunInfo) (*Recorder, error) {
	if s.unwritable != nil {
		return nil, s.refuse("record")
	}
	if err := s.inPlace("record"); err != nil {
		return nil, err
	}
	id, lock, err := s.insertRun(ctx, plan, info)
	if err != nil {
		return nil, s.fault("record", err)
	}
	r := &Recorder{
		store:       s,
		id:          id,
		lock:        lock,
		stopOnError: info.StopOnError,
		claim:       scheduler.Claim{Run: id},
		some:        make(chan struct{}, 1),
		now:         make(chan struct{}, 1),
		closing:     make(chan struct{}),
		done:        make(chan struct{}),
	}
	if info.Firing != 0 {
		r.claim.Firing, r.claim.Fence = info.Firing, info.Owner.id
	}
	c := newCommitter(context.WithoutCancel(ctx), r, plan, info)
	go c.loop()
	return r, nil
}

// insertRun writes the rows of a new run. The lock is taken before the rows
// can be seen, so that no other process ever finds the run without it.
func (s *Store) insertRun(ctx context.Context, plan fanout.Plan, info RunInfo) (_ int64, lock *runLock, err error) {
	decided, err := json.Marshal(newPlanRecord(plan, info))
	if err != nil {
		return 0, nil, err
	}
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return 0, nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		_ = tx.Rollback() // the first error counts
		if lock != nil {
			_ = lock.release() // nothing was written under it
		}
	}()
	id, lock, err := s.takeNumber(ctx, tx, plan, info, string(decided))
	if err != nil {
		return 0, nil, err
	}
	if info.Firing != 0 {
		if err = info.Owner.begin(ctx, tx, info.Firing, id); err != nil {
			return 0, lock, err
		}
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO results (run_id, position, host) VALUES (?, ?, ?)")
	if err != nil {
		return 0, lock, err
	}
	for _, t := range plan.Targets {
		if _, err = insert.ExecContext(ctx, id, t.Index, t.Name); err != nil {
			return 0, lock, err
		}
	}
	return id, lock, tx.Commit()
}

// takeNumber inserts the row of the run and locks its number. One that is
// locked already belongs to a run in a history that was deleted under it; the
// next is taken then.
func (s *Store) takeNumber(ctx context.Context, tx *sql.Tx, plan fanout.Plan, info RunInfo, decided string) (int64, *runLock, error) {
	for {
		res, err := tx.ExecContext(ctx, `
		INSERT INTO runs (source, command, selector, inventory, note, user, started_at, state, hosts, rerun_of, plan,
			job, job_id, scheduled_at, due_at, by_hand)
		VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)`,
			plan.Source, plan.Task.Label(), plan.Selector, text(info.Inventory), text(info.Note), info.User,
			timeText(time.Now()), len(plan.Targets), number(info.RerunOf), decided,
			text(info.Job), number(info.JobID), timeText(info.ScheduledAt), timeText(info.DueAt),
			plan.Source != "job" || info.ByHand)
		if err != nil {
			return 0, nil, err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return 0, nil, err
		}
		lock, err := s.locks.acquire(id)
		if err != nil || lock != nil {
			return id, lock, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM runs WHERE id = ?", id); err != nil {
			return 0, nil, err
		}
	}
}

// planRecord is the plan column: what was decided, without the targets, which
// are rows of results, and without what has a column of its own.
type planRecord struct {
	Policy fanout.Policy       `json:"policy"`
	Task   fanout.Task         `json:"task,omitzero"`
	Given  map[string][]string `json:"given,omitempty"`
}

func newPlanRecord(plan fanout.Plan, info RunInfo) planRecord {
	record := planRecord{Policy: plan.Policy, Task: plan.Task, Given: info.Given}
	record.Task.Action = unlabelled(plan.Task.Action)
	return record
}

// unlabelled is a without its label, which stands in the command column; what
// that column says all of is left out.
func unlabelled(a fanout.Action) fanout.Action {
	script, ok := a.(*fanout.Script)
	if !ok {
		return nil
	}
	bare := *script
	bare.Label = ""
	return &bare
}

// labelled is what unlabelled has taken command from.
func labelled(a fanout.Action, command string) fanout.Action {
	switch script, ok := a.(*fanout.Script); {
	case ok:
		script.Label = command
		return script
	case command != "":
		return fanout.Command(command)
	}
	return fanout.Ping{}
}

// RunID is the number of the run.
func (r *Recorder) RunID() int64 { return r.id }

// Handle writes e down soon; it waits for nothing. Until then it holds the
// event's data. A disk that fails is told by Close, and by Starting as RunInfo
// says; the error here is for events after Close only.
func (r *Recorder) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.TargetConnecting, fanout.BatchStarted, fanout.BatchFinished:
		return nil // nothing to be written down
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
		r.err = r.store.fault("record", err)
	}
}

func (r *Recorder) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close waits until everything is durable and returns the first error that
// happened since Begin. A run that has not finished is interrupted. Calling it
// again returns the same.
func (r *Recorder) Close() error {
	r.closeOnce.Do(func() {
		r.mu.Lock()
		r.closed, r.urgent = true, true
		r.mu.Unlock()
		close(r.closing)
		r.signal(true)
		<-r.done
		r.closeErr = errors.Join(r.failed(), r.store.fault("record", r.lock.release()))
	})
	return r.closeErr
}
