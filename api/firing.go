package api

import (
	"time"

	"tutti/api/event"
	"tutti/store"
)

// A Firing is a decision about scheduled times of a job, or about a manual run, and
// its result: what `job log --json` prints.
type Firing struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "firing"
	Firing int64  `json:"firing"`
	Job    string `json:"job"`
	// JobID distinguishes a job from an earlier one of the same name.
	JobID int64 `json:"job_id"`
	// Decision is "run", "queued", "skipped", "missed" or "failed".
	Decision string `json:"decision"`
	// Reason is why it is not run; absent if there is nothing to say.
	Reason string `json:"reason,omitempty"`
	// ScheduledAt is the time of the schedule, and DueAt that time with its
	// jitter; absent where a run was asked for, and for several times.
	ScheduledAt *event.Time `json:"scheduled_at,omitempty"`
	DueAt       *event.Time `json:"due_at,omitempty"`
	DecidedAt   *event.Time `json:"decided_at,omitempty"`
	// Missed is how many times it is about that passed, of which FirstAt and
	// LastAt are the first and the last; absent if none passed. MissedMore says
	// that there were more than were counted.
	Missed     int         `json:"missed,omitempty"`
	MissedMore bool        `json:"missed_more,omitempty"`
	FirstAt    *event.Time `json:"first_at,omitempty"`
	LastAt     *event.Time `json:"last_at,omitempty"`
	// RequestedBy is who asked for it; absent if the schedule did.
	RequestedBy string `json:"requested_by,omitempty"`
	// Repeats is the run that was cut off, of an idempotent job; absent if it
	// repeats none.
	Repeats int64 `json:"repeats,omitempty"`
	// Run is absent if it did not come to a run. What follows up to ExitCode is
	// that run's, as in Run, and absent with it or once it was deleted.
	Run       int64       `json:"run,omitempty"`
	State     store.State `json:"state,omitempty"`
	StartedAt *event.Time `json:"started_at,omitempty"`
	EndedAt   *event.Time `json:"ended_at,omitempty"`
	// LagMS is how much later than it was due it began; absent where nothing was
	// due.
	LagMS      *int64         `json:"lag_ms,omitempty"`
	DurationMS *int64         `json:"duration_ms,omitempty"`
	Hosts      int            `json:"hosts,omitempty"`
	Counts     map[string]int `json:"counts,omitempty"`
	Stopped    string         `json:"stopped,omitempty"`
	ExitCode   *int           `json:"exit_code,omitempty"`
	// Notifications are the attempts to notify of it, oldest first; absent if
	// there was none.
	Notifications []Notification `json:"notifications,omitempty"`
}

// A Notification is an attempt to deliver a message about a firing.
type Notification struct {
	At event.Time `json:"at"`
	// Occasion is the event: "failure", "recovery", "missed", "always".
	Occasion string `json:"occasion"`
	// Kind is "webhook" or "command", and Target what of it may be shown.
	Kind   string `json:"kind"`
	Target string `json:"target"`
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// Error is why it did not arrive; absent if it has. Waiting: another attempt
	// follows; absent if none does.
	Error   string `json:"error,omitempty"`
	Waiting bool   `json:"waiting,omitempty"`
}

// NewFiring is the form of f.
func NewFiring(f *store.FiringRow) Firing {
	j := Firing{
		Schema: 1, Type: "firing", Firing: f.ID, Job: f.Job, JobID: f.JobID, Decision: f.Decision.String(), Reason: f.Reason,
		ScheduledAt: TimeOf(f.ScheduledAt), DueAt: TimeOf(f.DueAt), DecidedAt: TimeOf(f.DecidedAt),
		Missed: f.Missed.Count, MissedMore: f.Missed.More, FirstAt: TimeOf(f.Missed.First), LastAt: TimeOf(f.Missed.Last),
		RequestedBy: f.RequestedBy, Repeats: f.Repeats, Run: f.RunID,
	}
	for _, n := range f.Notifications {
		j.Notifications = append(j.Notifications, Notification{event.Time(n.At), n.Event, n.Kind, n.Target, n.Attempt, n.Error, n.Waiting})
	}
	if f.Run == nil {
		return j
	}
	run := NewRun(*f.Run)
	j.State, j.StartedAt, j.EndedAt, j.DurationMS = run.State, TimeOf(f.Run.Summary.Started), run.EndedAt, run.Duration
	j.Hosts, j.Counts, j.Stopped, j.ExitCode = run.Hosts, run.Counts, run.Stopped, run.ExitCode
	if d, ok := Lag(f); ok {
		ms := d.Milliseconds()
		j.LagMS = &ms
	}
	return j
}

// Lag is how much later than it was due a firing began, if ok is true.
func Lag(f *store.FiringRow) (lag time.Duration, ok bool) {
	if f.Run == nil || f.DueAt.IsZero() {
		return 0, false
	}
	return max(0, f.Run.Summary.Started.Sub(f.DueAt)), true
}
