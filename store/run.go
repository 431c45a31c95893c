package store

import (
	"strconv"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
)

// A State is the state of a run.
type State string

// The states of a run.
const (
	// Queued: it was submitted, and no daemon has started it. See [Queue].
	Queued State = "queued"
	// Running: its process is alive and records it.
	Running State = "running"
	// Finished: it was executed, or stopped, and recorded to its end.
	Finished State = "finished"
	// Interrupted: its process died before it recorded the end.
	Interrupted State = "interrupted"
)

// Ended reports whether the run has ended, finished or interrupted.
func (s State) Ended() bool { return s == Finished || s == Interrupted }

// A Run is a row of the history.
type Run struct {
	ID                    int64
	Source                string
	Command               string
	Selector              string
	Inventory, Note, User string
	State                 State
	// ExitCode is the exit code of the run's process; nil: none was recorded.
	ExitCode *int
	// RerunOf is the number of the run that it repeats; 0: none.
	RerunOf int64
	// Job is the name of the job that fired, and JobID its number; empty and 0:
	// none.
	Job   string
	JobID int64
	// ScheduledAt is the scheduled time of its firing, zero for a manual one, and DueAt
	// when the run was to start.
	ScheduledAt, DueAt time.Time
	// Principal is who submitted the run, and Via by which way; empty: it was not
	// submitted. Daemon is the number of the daemon that executes or executed it; 0:
	// none.
	Principal, Via string
	Daemon         int64
	// Reason is why a submitted run was not started; empty: it was, or waits.
	Reason string
	// KillBy is who requested to stop the run of a job; empty: no one.
	KillBy string
	// Summary counts the hosts that have ended; its Hosts is the number of all, and its
	// Ended is zero while the run is running.
	Summary fanout.Summary
}

// A Query selects runs. The zero value selects all.
type Query struct {
	// Host, or one of Hosts, is in the run; "" and nil: any.
	Host  string
	Hosts []string
	// Outcomes: some host, or one of Host and Hosts if they are set, ended with one of
	// them; nil: any.
	Outcomes []fanout.Outcome
	// Running: only running runs. States: only runs in one of these states; nil: any.
	Running bool
	States  []State
	// Since is the earliest start, and Until is after the latest; zero: any.
	Since, Until time.Time
	// Before selects runs with smaller numbers; 0: any.
	Before int64
	// Words are all in the command, or in the note.
	Words []string
	// Source of the run, and the User who started it; "": any.
	Source, User string
	// Job is the name of the job that fired, Selector the text that chose the hosts, and
	// Note a part of the note; "": any. RerunOf is the run that was repeated; 0: any.
	Job, Selector, Note string
	RerunOf             int64
	// Limit bounds how many runs are returned; 0: all.
	Limit int
}

// ParseLast returns how many runs before the last one ref names, which is "last" or
// "last~N"; ok is false if it is neither.
func ParseLast(ref string) (back int64, ok bool) {
	rest, ok := strings.CutPrefix(ref, "last")
	if !ok || rest == "" {
		return 0, ok
	}
	digits, ok := strings.CutPrefix(rest, "~")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	return int64(n), err == nil
}

// ParseNumber returns the number of a run that ref is; the error is a *RefError.
func ParseNumber(ref string) (int64, error) {
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil || id < 1 || strings.HasPrefix(ref, "+") {
		return 0, &RefError{Ref: ref}
	}
	return id, nil
}

// A Filter selects hosts of a run, and their events. The zero value selects all.
type Filter struct {
	// Hosts by name; nil: any.
	Hosts []string
	// Outcomes selects hosts that ended with one of them; nil: any, and hosts that have
	// not ended.
	Outcomes []fanout.Outcome
	// NoOutput leaves out what the hosts wrote.
	NoOutput bool
}

// A HostResult is the result of a host in a recorded run.
type HostResult struct {
	// Result has, of its target, the name and the position in the plan. If the end of
	// the host was not recorded, its outcome is lost or skipped.
	fanout.Result
	// OutputHash is equal for equal output of the last attempt, recorded or not; empty
	// if there was no attempt, or its end was not recorded.
	OutputHash string
}

// RunInfo is what the history records of a run in addition to its plan. The zero value
// is useful.
type RunInfo struct {
	// Inventory is where the hosts came from, Note what the operator wrote.
	Inventory, Note string
	// User who started the run.
	User string
	// RerunOf is the number of the run that it repeats; 0: none.
	RerunOf int64
	// Given are the request's keys and values that the plan was made of, for a rerun.
	// The history only stores them; they must hold no secret.
	Given map[string][]string
	// Job is the name of the job that is run, and JobID its number; empty and 0: none.
	// ScheduledAt is the scheduled time of its firing, zero for a manual one, and DueAt
	// when the run was to start.
	Job                string
	JobID              int64
	ScheduledAt, DueAt time.Time
	// ByHand: a user runs the job, or submitted the run, on this machine. Runs without
	// a job always are by hand, except those of source api.
	ByHand bool
	// Principal is who submitted the run, if not just User, and Via by which way.
	Principal, Via string
	// Claimed is the queued run that begins, as Owner has claimed it; see [Queue].
	// Begin returns ErrTaken if the claim has ended, and a *HostsChangedError if the
	// plan has other hosts than the run was submitted for. The zero value: the run was
	// not submitted.
	Claimed QueueEntry
	// Firing is the number of the run's firing; 0: none. Owner has claimed it; Begin
	// returns ErrTaken if the claim is another's by now.
	Firing int64
	Owner  scheduler.Membership
	// RecordLimit bounds the recorded bytes of each stream of an attempt: its
	// head, and the last 32 KiB. 0 means 4 MiB; negative: no output is
	// recorded.
	RecordLimit int64
	// ExitCode returns the exit code for a summary; nil: none is recorded.
	ExitCode func(fanout.Summary) int
	// StopOnError makes Starting fail once the history cannot be written any more, so
	// that no command starts unrecorded. Otherwise the run goes on, and Close returns
	// the error.
	StopOnError bool
}
