package store

import (
	"encoding/json"
	"time"

	"tutti/scheduler"
)

// A FiringQuery selects firings. The zero value selects all.
type FiringQuery struct {
	// Job is the name of a job, which may have been removed; "": any.
	Job string
	// Decisions selects these decisions; nil: any.
	Decisions []scheduler.Decision
	// Since is the earliest decision; zero: any.
	Since time.Time
	// Before selects firings with smaller numbers; 0: any.
	Before int64
	// Limit bounds how many are returned; 0: all.
	Limit int
}

// A FiringRow is a firing of a job, or a gap of missed scheduled times.
type FiringRow struct {
	ID int64
	// Job is the job's name, and JobID its number.
	Job   string
	JobID int64
	// ScheduledAt is the scheduled time; zero for a manual firing, a repetition, and a
	// gap. DueAt is when it had to start.
	ScheduledAt, DueAt time.Time
	Decision           scheduler.Decision
	// Reason is why it was not run, or not yet; of a run, who stopped it; empty
	// otherwise.
	Reason string
	// RunID is the number of its run; 0: none. Run is nil without one, and if the run
	// was pruned.
	RunID int64
	Run   *Run
	// Missed is the gap of missed scheduled times, of a firing that stands for one.
	Missed scheduler.Gap
	// DecidedAt is when the firing was recorded first.
	DecidedAt time.Time
	// RequestedBy is the user who started the job manually; empty: the schedule did.
	RequestedBy string
	// Repeats is the number of the interrupted run that it repeats; 0: none.
	Repeats int64
	// CaughtUp: it was late, and was run all the same.
	CaughtUp bool
	// Notifications are the attempts to deliver its messages, the oldest first.
	Notifications []NotificationRow
}

// A NotificationRow is an attempt to deliver a message about a firing.
type NotificationRow struct {
	At time.Time
	// Event is the word of a [scheduler.NotifyEvent].
	Event string
	// Kind is webhook or command, and Target its receiver, without parts that may be
	// secret.
	Kind, Target string
	Attempt      int
	// Error is empty if it was delivered. Otherwise Waiting says that it will be tried
	// again; if not, it was given up.
	Error   string
	Waiting bool
}

// The values of [JobChange].What.
const (
	JobAdded   = "added"
	JobChanged = "changed"
	JobPaused  = "paused"
	JobResumed = "resumed"
	JobRemoved = "removed"
)

// A JobChange is one version of a job.
type JobChange struct {
	// JobID distinguishes jobs that had the name one after the other.
	JobID   int64
	Version int64
	At      time.Time
	User    string
	// What is JobAdded, JobChanged, and so on.
	What string
	// Spec is the job as of this change, in JSON, and Job the same parsed; nil if it
	// cannot be read any more.
	Spec json.RawMessage
	Job  *scheduler.Job
}

// A JobCost is the space that the runs of a job use in the history.
type JobCost struct {
	Runs int
	// Bytes counts those of recorded output, and estimates those of rows.
	Bytes int64
}

// A Place is where operators see an announcement of a change of behaviour since the
// version of tutti that stored a job.
type Place int

// The places.
const (
	InLog  Place = 1 << iota // the log of tutti serve
	InList                   // the list of jobs
)

// A KillRef names what to stop: the runs of a job, or one run. Exactly one of Job and Run
// is set.
type KillRef struct {
	Job string
	Run int64
	// Halt: running commands go on, and no more hosts are started.
	Halt bool
	// Known are the runs of the job that the caller knows of: if another is running, none
	// is stopped, and the error is [scheduler.ErrConflict]. Nil: any may be.
	Known []int64
	// StartedOnly: the firings of the job that have not started stay.
	StartedOnly bool
}
