package scheduler

import (
	"context"
	"time"
)

// A Ledger keeps what the processes that carry out jobs must agree on: the state of
// each job, who is registered, which runs are to be stopped, and which commands may
// have been started. Everything that a method writes is durable when it returns nil. After an
// error that is not one of those that the method names it is unknown whether it was
// written: who needs to know loads the state and applies the rule again, which does nothing
// if it was. All methods may be called by many goroutines at once.
//
// A Ledger does not judge jobs: rules do, and it commits what follows from them if
// nothing has changed meanwhile. How it is kept is its own affair.
type Ledger interface {
	States
	// Create keeps a new job, which by wants, and gives it its number. It is
	// [ErrConflict] if there is one of that name.
	Create(ctx context.Context, job Job, by string, now time.Time) (Subject, error)
	// Join registers the caller until it leaves or its process ends.
	Join(ctx context.Context, c Controller) (Membership, error)
	// Controllers are those that are registered now, in the order in which they
	// joined.
	Controllers(ctx context.Context) ([]Controller, error)
	// Stop asks for the end of a run that is of no job: one of a job is stopped by
	// the rules of its job. It is [ErrConflict] if it does not run.
	Stop(ctx context.Context, x Stop) error
	// Stops are the requests to stop those of the runs of which there is one.
	Stops(ctx context.Context, runs []int64) ([]Stop, error)
}

// States are the states of jobs, as anybody may read and change them.
type States interface {
	// Find are the subjects of the jobs of that name: the one that is kept, and
	// those that were removed and still have open firings.
	Find(ctx context.Context, name string) ([]Subject, error)
	// Load reads the subjects of jobs as they are now. One that does not exist has
	// no revision, and its job is removed.
	Load(ctx context.Context, jobs []int64) ([]Subject, error)
	// Commit carries out each of the moves or refuses it by itself, and says so in
	// its place: nil; [ErrConflict], because the subject is at another revision or a number
	// was taken; [ErrKnown]; [ErrFenced]; or what is wrong with it alone. The
	// moves of a call may share a write. The error is for all of them, of which
	// nothing is known then.
	Commit(ctx context.Context, moves []Move) ([]Committed, error)
	// Numbers are n free numbers for new firings, the first of which is returned.
	// One that another process has used by the time of the commit is a conflict.
	Numbers(ctx context.Context, n int) (first int64, err error)
}

// A Membership is a registration with a ledger. What it commits is refused once it
// is over.
type Membership interface {
	States
	// Fence is the number of the registration. It is higher than those of all earlier
	// registrations, and never used again: what it has claimed is told by it.
	Fence() int64
	// Lost is closed when the registration is over, before anybody else may think
	// so.
	Lost() <-chan struct{}
	// Sync returns the subjects that have changed since the last call: all at the
	// first. What it returns may be old, and only Commit judges. One caller at a
	// time.
	Sync(ctx context.Context) (Changes, error)
	// Wake receives soon after something may have changed. It is a hint; nil: there
	// is none.
	Wake() <-chan struct{}
	// Controllers is that of [Ledger].
	Controllers(ctx context.Context) ([]Controller, error)
	// Stops is that of [Ledger].
	Stops(ctx context.Context, runs []int64) ([]Stop, error)
	// Mark makes it durable that the commands on hosts of a run are about to be
	// sent, by their positions in the plan. It is [ErrTaken], and none is marked, if the
	// run is not the claim's any more.
	Mark(ctx context.Context, c Claim, positions []int) error
	// Marks are the positions that were marked for a run, in their order. Whoever
	// takes a run over sees all of them.
	Marks(ctx context.Context, run int64) ([]int, error)
	Outbox
	// Leave ends the registration. What it has claimed and not begun is free.
	Leave(ctx context.Context) error
}

// A Controller is a process that is registered.
type Controller struct {
	// ID is the number of the registration, and PID that of the process.
	ID  int64
	PID int
	// Serves: it is a daemon. Others carry out one firing that they asked for, and
	// what they have not begun when they end is not begun.
	Serves  bool
	Started time.Time
}

// A Claim is the right to carry out a run: which, of which firing, and by which
// registration. Firing and Fence are 0 for a run that is of no job.
type Claim struct{ Run, Firing, Fence int64 }

// A Revision of a subject grows with each change. 0: there is no such subject.
type Revision int64

// A Subject is a job and what its firings have come to, at a revision. It exists as
// long as the job is kept or has open firings.
type Subject struct {
	Rev   Revision
	State JobState
}

// Changes are the subjects that have changed, and the numbers of the jobs whose
// subjects are gone.
type Changes struct {
	Subjects []Subject
	Gone     []int64
}

// A Move replaces the state of a job that is at revision From by what follows from a
// rule. Firings and messages are written together with it; they are unique by their
// numbers.
type Move struct {
	From Revision
	Transition
}

// Committed is what became of a move: the new revision, or why it was refused.
type Committed struct {
	Rev Revision
	Err error
}
