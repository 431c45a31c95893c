package store

import (
	"encoding/json"
	"time"

	"tutti/scheduler"
)

// A FiringQuery chooses firings. The zero value chooses all.
type FiringQuery struct {
	// Job is the name of a job, which may have been removed; "": any.
	Job string
	// Decisions are those that count; nil: any.
	Decisions []scheduler.Decision
	// Since is the earliest decision; zero: any.
	Since time.Time
	// Before is what the numbers are below; 0: any.
	Before int64
	// Limit is how many are returned at most; 0: all.
	Limit int
}

// A FiringRow is what became of an instant of a job, or of a row of them.
type FiringRow struct {
	ID int64
	// Job is the job's name, and JobID its number.
	Job   string
	JobID int64
	// ScheduledAt is the instant; zero if the job was run out of turn or again,
	// and for a row of missed instants. DueAt is when it had to begin.
	ScheduledAt, DueAt time.Time
	Decision           scheduler.Decision
	// Reason says why it was not run, or not yet, and of a run who wanted that it
	// ends; empty if nobody did.
	Reason string
	// RunID is the number of the run; 0: none. Run is nil without one, and if it
	// was pruned.
	RunID int64
	Run   *Run
	// Missed are the instants, of a firing that stands for more than its own.
	Missed scheduler.Gap
	// DecidedAt is when that was written down first.
	DecidedAt time.Time
	// RequestedBy is who wanted the run out of turn; empty: nobody.
	RequestedBy string
	// Repeats is the number of a run that was cut off; 0: it repeats none.
	Repeats int64
	// CaughtUp: it was late, and waited for those before it.
	CaughtUp bool
	// Notifications are the attempts to tell somebody, the oldest first.
	Notifications []NotificationRow
}

// A NotificationRow is an attempt to tell somebody of a firing.
type NotificationRow struct {
	At time.Time
	// Occasion is the word of a [scheduler.NotifyEvent].
	Occasion string
	// Kind is webhook or command, and Target where it went, without what may be
	// a secret.
	Kind, Target string
	Attempt      int
	// Error is empty if it arrived. If it did not, Waiting says that it will be
	// tried again; else it was given up.
	Error   string
	Waiting bool
}

// What a [JobChange] was.
const (
	JobAdded   = "added"
	JobChanged = "changed"
	JobPaused  = "paused"
	JobResumed = "resumed"
	JobRemoved = "removed"
)

// A JobChange is one version of a job.
type JobChange struct {
	// JobID tells jobs apart that had the name one after the other.
	JobID   int64
	Version int64
	At      time.Time
	User    string
	// What is one of JobAdded, JobChanged and so on.
	What string
	// Spec is the job since then, or when it was removed, and Job what it says;
	// nil if it cannot be read any more.
	Spec json.RawMessage
	Job  *scheduler.Job
}

// A JobCost is what the history has of a job.
type JobCost struct {
	Runs int
	// Bytes of the recorded output, and about those of the rows.
	Bytes int64
}

// A Place is where an operator is told of what a new version does in another
// way than the one with which a job was stored.
type Place int

// The places.
const (
	InLog  Place = 1 << iota // the log of tutti serve
	InList                   // the list of jobs
)

// A KillRef names what is to be ended: all that runs of the job of a name, or
// one run. One of the two is set.
type KillRef struct {
	Job string
	Run int64
}
