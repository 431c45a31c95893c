package store

import (
	"context"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/scheduler"
)

// A History is what happened: runs, and what became of the instants of jobs. Its
// methods may be called by many goroutines at once. Errors are of type *Error unless
// they say something else.
type History interface {
	// Begin takes a number for a run of plan and writes the run and its hosts down;
	// and that its firing has begun, if it is the run of one, or is [ErrTaken]. The
	// recorder must be closed. Its writes do not end with ctx.
	Begin(ctx context.Context, plan fanout.Plan, info RunInfo) (*Recorder, error)
	// Runs are those that fit q, newest first.
	Runs(ctx context.Context, q Query) ([]Run, error)
	// Run is the run that ref names: a number, "last" for the newest run of user that is
	// not running any more, cut off or not, "last~1" for the one before; an empty
	// user is any. A job that was run by hand counts, a firing of a daemon does not. It is
	// a *RefError or a *NoRunError if there is none.
	Run(ctx context.Context, ref, user string) (Run, error)
	// HostsOf are the names of the hosts of the run that ref names, in the order of its
	// plan: all of them, or those that ended with one of outcomes.
	HostsOf(ctx context.Context, ref, user string, outcomes []fanout.Outcome) ([]string, error)
	// HostNames are the names of all hosts that had a part in a run.
	HostNames(ctx context.Context) ([]string, error)
	Views
	// Decided is how a run was decided, or a *NoRunError.
	Decided(ctx context.Context, run int64) (Decided, error)
	// Results are those of the hosts of a run, in the order of its plan. Of earlier
	// attempts there is only their number. A run that does not exist has none.
	Results(ctx context.Context, run int64) ([]HostResult, error)
	// Replay tells a run again to sink, host after host in the order of the plan. The
	// events are those it was recorded from, with these differences: targets know
	// their name only; pieces of output are joined; an Output event with Omitted
	// stands where bytes are missing; times and durations are in milliseconds. The
	// plan and the summary are about the hosts that the filter chooses. A host that
	// has not ended has no TargetFinished, and the summary of a run that is running, or
	// was cut off, has no Ended. Memory does not grow with the output. The error is a
	// *NoRunError, or that of sink, which is not called again after it.
	Replay(ctx context.Context, run int64, f Filter, sink fanout.Sink) error
	// Follow is Replay for a run that may be running: it tells what is on record, then
	// what is added to it as soon as it is, and returns when the run has ended and all was
	// told. The hosts take turns; the events of a host are those of Replay, but for the
	// order of the two streams of an attempt, and the pieces they are in. Outcomes of the
	// filter choose from the hosts that have ended by the first look. The error is that of
	// Replay, or the cause with which ctx ended. A sink that is a
	// [Watcher] is told when it has heard what there is so far.
	Follow(ctx context.Context, run int64, f Filter, sink fanout.Sink) error
	// States are how far the hosts of a run are, in the order of its plan.
	States(ctx context.Context, run int64) ([]HostState, error)
	// SetExitCode puts the exit code of the process that carried a run out in the
	// place of the one that was known at the end of the run.
	SetExitCode(ctx context.Context, run int64, code int) error
	// Ends marks the runs of processes that are gone as interrupted, and says how those
	// of the given runs ended that run no more. What cannot be marked is an
	// error, beside what is known.
	Ends(ctx context.Context, runs []int64) ([]scheduler.Ended, error)
	// Firings are those that fit q, newest first.
	Firings(ctx context.Context, q FiringQuery) ([]FiringRow, error)
	// JobChanges are the changes of the jobs that have or had the name, newest first,
	// or a *NoJobError if there never was one.
	JobChanges(ctx context.Context, name string) ([]JobChange, error)
	// JobCosts says for each job, by its number, what its runs take. Jobs that never
	// ran are not in it.
	JobCosts(ctx context.Context) (map[int64]JobCost, error)
	// CountEnded brings the streaks of jobs up to what has ended and no daemon has
	// settled yet. Nothing is written.
	CountEnded(ctx context.Context, jobs []scheduler.StoredJob) error
	// Prune deletes the runs that are not kept, and what became of the instants of jobs that
	// are as old. Running runs are kept, and so is what a daemon has still to look at.
	// WouldPrune says what it would delete.
	Prune(ctx context.Context, keep Retention) (Pruned, error)
	WouldPrune(ctx context.Context, keep Retention) (Pruned, error)
	// ReadOnly reports whether the history is open for reading only.
	ReadOnly() bool
	// Wake receives soon after something was written, by this process or another,
	// until end is called. It is a hint.
	Wake() (wake <-chan struct{}, end func())
	// Close closes the history. Recorders must have been closed before.
	Close() error
}

// A Store is a history, the ledger of its daemons, and what operators do to its
// jobs.
type Store interface {
	History
	JobLedger
	// ListJobs are all jobs, by name. A job that cannot be read any more is among them.
	ListJobs(ctx context.Context) ([]scheduler.StoredJob, error)
	// AddJob, and what follows, are those of [Jobs].
	AddJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error)
	ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error)
	RemoveJob(ctx context.Context, name string, version int64, by string, now time.Time) error
	RequestFiring(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error)
	ClaimFiring(ctx context.Context, owner scheduler.Membership, id int64, now time.Time) (scheduler.Assignment, error)
	KillRuns(ctx context.Context, ref KillRef, by string, now time.Time) ([]int64, error)
	StopRun(ctx context.Context, id int64, by string, now time.Time) error
	// Untold are the numbers of the jobs that were stored under an earlier version's
	// rules and of which nothing has been told in that place; Told notes that it has
	// been.
	Untold(ctx context.Context, in Place) ([]int64, error)
	Told(ctx context.Context, in Place) error
	// JoinDaemons makes the caller one of the Daemons that serve this store. It has to
	// be closed before the store.
	JoinDaemons(ctx context.Context, now time.Time) (Daemon, error)
	// JoinOnce is JoinDaemons for a process that asks for a firing, carries out that
	// one and ends. It is none of the Daemons, and what it has not begun when it ends
	// nobody begins: whoever asked is gone.
	JoinOnce(ctx context.Context, now time.Time) (Daemon, error)
	// Daemons are those that serve this store.
	Daemons(ctx context.Context) ([]scheduler.Controller, error)
	// Queue is the runs that were submitted here.
	Queue() Queue
	// Callbacks are whom the ends of submitted runs are told to.
	Callbacks() Callbacks
	// Access is who may do what here.
	Access() access.Store
	// Maintenance is which hosts runs leave out.
	Maintenance() Maintenance
}

// A Daemon is a process that carries out firings, for as long as it is alive.
type Daemon interface {
	scheduler.Membership
	// ID is its number.
	ID() int64
	// Request is that of [Jobs], for the daemon itself.
	Request(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error)
	// Fail closes a claimed firing that was not begun.
	Fail(ctx context.Context, t scheduler.Assignment, decision scheduler.Decision, reason string) error
	// Ready is an error that says what keeps the daemon from writing down what it
	// decides.
	Ready(ctx context.Context) error
	// Close ends the daemon. What it has claimed and not begun is for others to
	// claim, or for nobody, see JoinOnce.
	Close() error
}
