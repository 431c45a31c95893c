package store

import (
	"context"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/scheduler"
)

// A History has the runs, and the firings of jobs. Its methods may be called by many
// goroutines at once. Errors are of type *Error unless a method says otherwise.
type History interface {
	// Begin numbers a run of plan and writes the run with its hosts, and ties it to its
	// firing, if it is the run of one; the error is [ErrTaken] if another process owns
	// the firing. The recorder must be closed. The end of ctx does not end its writes.
	Begin(ctx context.Context, plan fanout.Plan, info RunInfo) (*Recorder, error)
	// Runs returns the runs that match q, newest first.
	Runs(ctx context.Context, q Query) ([]Run, error)
	// Run returns the run that ref names: a number, "last" for the newest run of user
	// that has ended, interrupted or not, "last~1" for the one before; an empty user is
	// any. A run that a user started of a job counts, a firing of a daemon does not.
	// The error is a *RefError or a *NoRunError if there is none.
	Run(ctx context.Context, ref, user string) (Run, error)
	// HostsOf returns the names of the hosts of the run that ref names, in the order of
	// its plan: all, or those that ended with one of outcomes.
	HostsOf(ctx context.Context, ref, user string, outcomes []fanout.Outcome) ([]string, error)
	// HostNames returns the names of all hosts in any run.
	HostNames(ctx context.Context) ([]string, error)
	Views
	// Decided returns the task and the request of a run, or a *NoRunError.
	Decided(ctx context.Context, run int64) (Decided, error)
	// Results returns the results of the hosts of a run, in the order of its plan. Of
	// earlier attempts they have only the number. A run that does not exist has none.
	Results(ctx context.Context, run int64) ([]HostResult, error)
	// Replay sends the events of a recorded run to sink, host after host in the order
	// of the plan. They are those it was recorded from, with these differences: targets
	// have their name only; pieces of output are joined; an Output event with Omitted
	// stands where bytes are missing; times and durations are in milliseconds. The plan
	// and the summary cover the hosts that the filter chooses. A host that has not
	// ended has no TargetFinished, and the summary of a run that is running, or was
	// interrupted, has no Ended. Memory does not grow with the output. The error is a
	// *NoRunError, or that of sink, which is not called again after it.
	Replay(ctx context.Context, run int64, f Filter, sink fanout.Sink) error
	// Follow is Replay for a run that may be running: it sends what is recorded, then
	// what is added as soon as it is, and returns when the run has ended and all was
	// sent. Events of hosts are interleaved; those of one host are those of Replay,
	// except for the order of the two streams of an attempt, and the pieces they are
	// in. Outcomes of the filter choose from the hosts that have ended at the first
	// read. The error is that of Replay, or the cause of ctx. If sink is a [Watcher],
	// Follow calls CaughtUp once it has sent all that is recorded so far.
	Follow(ctx context.Context, run int64, f Filter, sink fanout.Sink) error
	// States returns the states of the hosts of a run, in the order of its plan.
	States(ctx context.Context, run int64) ([]HostState, error)
	// SetExitCode replaces the exit code that was computed at the end of a run by that
	// with which the process of the run exits.
	SetExitCode(ctx context.Context, run int64, code int) error
	// Ends marks the runs of dead processes as interrupted, and returns the ends of
	// those of runs that have ended. A run that cannot be marked is an error; the other
	// ends are returned with it.
	Ends(ctx context.Context, runs []int64) ([]scheduler.Ended, error)
	// Firings returns the firings that match q, newest first. One that cannot be read
	// is Failed, with the cause as its Reason.
	Firings(ctx context.Context, q FiringQuery) ([]FiringRow, error)
	// JobChanges returns the changes of all jobs that have or had the name, newest
	// first, or a *NoJobError if there never was one.
	JobChanges(ctx context.Context, name string) ([]JobChange, error)
	// JobCosts returns, by job number, the space that the runs of each job use. Jobs
	// without runs are not in it.
	JobCosts(ctx context.Context) (map[int64]JobCost, error)
	// CountEnded updates, in jobs, the consecutive failures by the firings that have
	// ended and that no daemon has settled yet. It writes nothing.
	CountEnded(ctx context.Context, jobs []scheduler.StoredJob) error
	// Prune deletes the runs that keep does not retain, and firings of the same age. It
	// retains running runs, and those whose firing a daemon has still to settle.
	// WouldPrune returns what it would delete.
	Prune(ctx context.Context, keep Retention) (Pruned, error)
	WouldPrune(ctx context.Context, keep Retention) (Pruned, error)
	// ReadOnly reports whether the history is open for reading only.
	ReadOnly() bool
	// Wake returns a channel that receives soon after this or another process has
	// written, until end is called. It is a hint.
	Wake() (wake <-chan struct{}, end func())
	// Close closes the history. Recorders must have been closed before.
	Close() error
}

// A Store is a history, the ledger of its daemons, and the changes of its jobs.
type Store interface {
	History
	JobLedger
	// ListJobs returns all jobs, by name, those included that cannot be read any more.
	ListJobs(ctx context.Context) ([]scheduler.StoredJob, error)
	// AddJob and the methods up to StopRun are those of [Jobs].
	AddJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error)
	ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error)
	PauseJob(ctx context.Context, name string, p scheduler.Pause, now time.Time) (paused scheduler.StoredJob, changed bool, err error)
	RemoveJob(ctx context.Context, name string, version int64, by string, now time.Time) error
	RequestFiring(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error)
	ClaimFiring(ctx context.Context, owner scheduler.Membership, id int64, now time.Time) (scheduler.Assignment, error)
	KillRuns(ctx context.Context, ref KillRef, by string, now time.Time) ([]int64, error)
	StopRun(ctx context.Context, x scheduler.Stop) error
	// Delete deletes a run that has ended. The error is a *NoRunError, or a
	// *NotEndedError, also while a daemon still has to look at how it ended.
	Delete(ctx context.Context, run int64) error
	// Unannounced returns the numbers of the jobs that were stored under an earlier
	// version's rules, if that was not announced in that place yet; Announced records
	// that it was.
	Unannounced(ctx context.Context, in Place) ([]int64, error)
	Announced(ctx context.Context, in Place) error
	// JoinDaemons registers the caller as one of the Daemons that serve this store. The
	// Daemon has to be closed before the store.
	JoinDaemons(ctx context.Context, now time.Time) (Daemon, error)
	// JoinOnce is JoinDaemons for a process that requests a firing, executes it and
	// exits. It is not among the Daemons. A firing that it has not started when it
	// exits is skipped, since its requester is gone.
	JoinOnce(ctx context.Context, now time.Time) (Daemon, error)
	// Daemons returns the daemons that serve this store.
	Daemons(ctx context.Context) ([]scheduler.Controller, error)
	// Drain has a daemon start nothing any more, what it executes goes on; or, if drain is
	// false, start runs again. The error is a *NoControllerError if there is none.
	Drain(ctx context.Context, daemon int64, drain bool) error
	// Queue has the runs that were submitted to this store.
	Queue() Queue
	// Callbacks are the HTTP callbacks about the ends of submitted runs.
	Callbacks() Callbacks
	// Access has the users, tokens and sessions of this store.
	Access() access.Store
	// Maintenance has the hosts in maintenance, which runs leave out.
	Maintenance() Maintenance
	// Messages has the notifications that are not delivered yet.
	Messages() Messages
	// Heartbeats has the newest heartbeat of each host, which HealthOf counts, too.
	Heartbeats() Heartbeats
}

// A Daemon is the registration of a process that executes firings, until it leaves or
// its process ends.
type Daemon interface {
	scheduler.Membership
	// ID is the number of the registration.
	ID() int64
	// Request is that of [Jobs], with this daemon as the owner.
	Request(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error)
	// Fail closes a claimed firing that was not started.
	Fail(ctx context.Context, t scheduler.Assignment, decision scheduler.Decision, reason string) error
	// Say tells those who look at the daemons what this one says of itself. It writes
	// nothing if that is what it said last. draining: it is to start nothing any more. The
	// error is scheduler.ErrFenced if the registration is over.
	Say(ctx context.Context, said scheduler.Said) (draining bool, err error)
	// Ready returns why the daemon cannot write its decisions; nil: it can.
	Ready(ctx context.Context) error
	// Close ends the registration. Other daemons may claim the firings that it has
	// claimed and not started; those of JoinOnce are skipped.
	Close() error
}
