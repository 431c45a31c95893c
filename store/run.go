package store

import (
	"time"

	"tutti/fanout"
	"tutti/scheduler"
)

// A State says how far a run is.
type State string

// The states of a run.
const (
	// Queued: it was submitted, and no daemon has started it. See [Queue].
	Queued State = "queued"
	// Running: its process is alive and records it.
	Running State = "running"
	// Finished: it was carried out, or stopped, and recorded to its end.
	Finished State = "finished"
	// Interrupted: its record was cut off.
	Interrupted State = "interrupted"
)

// Ended reports whether the run has come to its end, recorded or not.
func (s State) Ended() bool { return s == Finished || s == Interrupted }

// A Run is a row of the history.
type Run struct {
	ID                    int64
	Source                string
	Command               string
	Selector              string
	Inventory, Note, User string
	State                 State
	// ExitCode is nil if none was recorded.
	ExitCode *int
	// RerunOf is the number of the run that this one repeats; 0: none.
	RerunOf int64
	// Job is the name of the job that fired, and JobID its number; empty and 0:
	// none.
	Job   string
	JobID int64
	// ScheduledAt is the instant at which the job fired, zero if it was out of
	// turn, and DueAt when the run was to begin.
	ScheduledAt, DueAt time.Time
	// Principal is who submitted the run, and Via which way; empty: it was not
	// submitted. Daemon is the number of the daemon that executes or executed it; 0: none.
	Principal, Via string
	Daemon         int64
	// Reason is why a run that was submitted was not started; empty: it was, or waits.
	Reason string
	// KillBy is who asked for the end of a job's run; empty: nobody.
	KillBy string
	// Summary counts the hosts that have ended; Hosts is the number of all.
	// Ended is zero while the run is running.
	Summary fanout.Summary
}

// A Query chooses runs. The zero value chooses all.
type Query struct {
	// Host had a part in the run, or one of Hosts; "" and nil: any.
	Host  string
	Hosts []string
	// Outcomes: some host, or one of Host and Hosts if they are set, ended with one of
	// them; nil: any.
	Outcomes []fanout.Outcome
	// Running: only those that run. States: only those in one of them; nil: any.
	Running bool
	States  []State
	// Since is the earliest start, and Until what the latest is before; zero: any.
	Since, Until time.Time
	// Before is what the numbers are below; 0: any.
	Before int64
	// Words are all in the command, or in the note.
	Words []string
	// Source of the run, and the User who started it; "": any.
	Source, User string
	// Job is the name of the job that fired, Selector the text that chose the hosts, and
	// Note a part of the note; "": any. RerunOf is the run that was repeated; 0: any.
	Job, Selector, Note string
	RerunOf             int64
	// Limit is how many runs are returned at most; 0: all.
	Limit int
}

// A Filter chooses hosts of a run, and what is told of them. The zero value chooses all.
type Filter struct {
	// Hosts by name; nil: any.
	Hosts []string
	// Outcomes they ended with; nil: any, and those that have not ended.
	Outcomes []fanout.Outcome
	// NoOutput leaves out what the hosts wrote.
	NoOutput bool
}

// A HostResult is what became of a host in a recorded run.
type HostResult struct {
	// Result knows of its target the name and the place in the plan. Of a host
	// whose end was not recorded it says what is certain: lost, or skipped.
	fanout.Result
	// OutputHash is equal for equal output of the last attempt, recorded or
	// not; empty if there was no attempt, or no end.
	OutputHash string
}

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
	// ByHand says that a person runs the job, or has submitted the run on this machine;
	// other runs are by hand anyway, but for those of source api.
	ByHand bool
	// Principal is who submitted the run, if that is not only User, and Via which way.
	Principal, Via string
	// Claimed is the run that begins, as Owner has claimed it; see [Queue]. Begin is
	// ErrTaken if the claim has ended, and a *HostsChangedError if the plan has other hosts
	// than the run was submitted for. The zero value is a run that was not submitted.
	Claimed QueueEntry
	// Firing is the number of the firing that is begun; 0: none. It has been
	// claimed by Owner, and begins with this run or with none: Begin is
	// ErrTaken if it is not, or no longer, Owner's.
	Firing int64
	Owner  scheduler.Membership
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
