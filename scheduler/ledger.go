package scheduler

import (
	"context"
	"time"
)

// A Ledger stores what the processes that run jobs must agree on: the state of each
// job, the registrations, the requests to stop runs, and the commands that may have
// been started. What a method writes is durable when it returns nil. After an error
// that the method does not name, it is unknown whether the write was made: a caller
// that needs to know loads the state and applies the rule again, which changes nothing
// if it was. All methods may be called by many goroutines at once.
//
// A Ledger does not know the rules: it commits their transitions if the state is still
// the one that they were applied to.
type Ledger interface {
	States
	// Create stores a new job for the user by, and numbers it. The error is
	// [ErrConflict] if there is a job of that name.
	Create(ctx context.Context, job Job, by string, now time.Time) (Subject, error)
	// Join registers the caller until it leaves or its process ends.
	Join(ctx context.Context, c Controller) (Membership, error)
	// Controllers returns the registered processes in the order in which they joined.
	Controllers(ctx context.Context) ([]Controller, error)
	// Stop requests a stop of a run that belongs to no job; a run of a job is stopped
	// by [JobState.KillRun]. The error is [ErrConflict] if the run is not running.
	Stop(ctx context.Context, x Stop) error
	// Stops returns the requests to stop any of the runs.
	Stops(ctx context.Context, runs []int64) ([]Stop, error)
}

// States are the states of jobs, which every process may read and change, registered or
// not.
type States interface {
	// Find returns the subjects of the jobs of that name: of the present one, and of
	// removed ones that still have open firings.
	Find(ctx context.Context, name string) ([]Subject, error)
	// Load reads the subjects of jobs as they are now. One that does not exist has
	// revision 0, and its job is Removed.
	Load(ctx context.Context, jobs []int64) ([]Subject, error)
	// Commit makes or refuses each of the moves by itself, and reports it in its place:
	// no error; [ErrConflict], because the subject is at another revision or a number
	// was taken; [ErrKnown]; [ErrFenced]; or an error of this move alone. The moves of
	// a call may share a write. After an error of Commit itself it is unknown which
	// moves were made.
	Commit(ctx context.Context, moves []Move) ([]Committed, error)
	// Numbers returns the first of n free numbers for new firings. They are not
	// reserved: if another process uses one before the commit, that is a conflict.
	Numbers(ctx context.Context, n int) (first int64, err error)
}

// A Membership is a registration with a ledger. The ledger refuses its commits once it
// is over.
type Membership interface {
	States
	// Fence is the number of the registration, which marks its claims. It is higher
	// than those of all earlier registrations, and never used again.
	Fence() int64
	// Lost is closed when the registration is over, before another process may treat it
	// as over.
	Lost() <-chan struct{}
	// Sync returns the subjects that have changed since the last call; the first call
	// returns all. They may be stale, which Commit detects. Only one goroutine may call
	// it at a time.
	Sync(ctx context.Context) (Changes, error)
	// Wake receives soon after the ledger may have changed. It is a hint; nil: the
	// ledger has none.
	Wake() <-chan struct{}
	// Controllers is that of [Ledger].
	Controllers(ctx context.Context) ([]Controller, error)
	// Stops is that of [Ledger].
	Stops(ctx context.Context, runs []int64) ([]Stop, error)
	// Mark makes it durable that the commands for these hosts of a run, by their
	// positions in the plan, are about to be sent. If the run is not the claim's any
	// more, the error is [ErrTaken], and none is marked.
	Mark(ctx context.Context, c Claim, positions []int) error
	// Marks returns the positions that were marked for a run, in order. A process that
	// takes the run over sees all of them.
	Marks(ctx context.Context, run int64) ([]int, error)
	Outbox
	// Leave ends the registration. Firings that it has claimed and not started are free
	// to be claimed.
	Leave(ctx context.Context) error
}

// A Claim is the right to execute a run: the run, its firing, and the registration that
// holds it. Firing and Fence are 0 for a run that belongs to no job.
type Claim struct{ Run, Firing, Fence int64 }

// A Revision of a subject grows with each change; 0: the subject does not exist.
type Revision int64

// A Subject is a job with its open firings, at a revision. It exists until the job is
// removed and its firings are settled.
type Subject struct {
	Rev   Revision
	State JobState
}

// Changes are the subjects that have changed, and the numbers of jobs whose subjects do
// not exist any more.
type Changes struct {
	Subjects []Subject
	Gone     []int64
}

// A Move replaces the state of a job at revision From by that of a transition. Its
// firings, unique by their numbers, and its messages are written in the same
// transaction.
type Move struct {
	From Revision
	Transition
}

// Committed is the result of a move: the new revision, or why it was refused.
type Committed struct {
	Rev Revision
	Err error
}
