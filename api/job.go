package api

import (
	"encoding/json"

	"tutti/api/event"
	"tutti/scheduler"
)

// A Job is a job and the state it is in: what `job list --json` prints.
type Job struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "job"
	Job    string `json:"job"`
	// JobID distinguishes a job from an earlier one of the same name.
	JobID int64 `json:"job_id"`
	// Version is what a change counts up.
	Version int64 `json:"version"`
	// State is "ok", "failing", "running", "paused", "over" or "broken".
	State string `json:"state"`
	// Broken says why it does not fire, or could not be started; absent unless
	// State is "broken".
	Broken string `json:"broken,omitempty"`
	// Alarm is what an operator has to look at; absent if nothing is.
	Alarm  string `json:"alarm,omitempty"`
	Paused bool   `json:"paused"`
	// PausedBy is who paused it, and PausedAt when; PausedUntil is when a daemon resumes
	// it, and PausedNote why it is paused. Absent if it is not, or that is not known.
	PausedBy    string      `json:"paused_by,omitempty"`
	PausedAt    *event.Time `json:"paused_at,omitempty"`
	PausedUntil *event.Time `json:"paused_until,omitempty"`
	PausedNote  string      `json:"paused_note,omitempty"`
	// Schedule is in words; the expressions are in Spec. Absent if the job
	// cannot be read.
	Schedule string `json:"schedule,omitempty"`
	// ScheduledAt is the next scheduled time, and DueAt that with its jitter;
	// absent if there is none, and for a paused job.
	ScheduledAt *event.Time `json:"scheduled_at,omitempty"`
	DueAt       *event.Time `json:"due_at,omitempty"`
	// Cursor is up to when scheduled times are decided.
	Cursor event.Time `json:"cursor"`
	// Running are the numbers of its runs that are running.
	Running []int64 `json:"running"`
	// Failures is how many results in a row were not ok, up to the last;
	// FailingSince is when the first of them ended, absent if there is none.
	Failures     int         `json:"failures"`
	FailingSince *event.Time `json:"failing_since,omitempty"`
	// Last is its newest firing; absent if there was none. Ran is the newest that was
	// run; absent if that is Last, or none was.
	Last *Firing `json:"last,omitempty"`
	Ran  *Firing `json:"ran,omitempty"`
	// Runs and Bytes are what it has in the history.
	Runs      int        `json:"runs"`
	Bytes     int64      `json:"bytes"`
	UpdatedAt event.Time `json:"updated_at"`
	UpdatedBy string     `json:"updated_by"`
	// Spec is the job with the keys of jobs.yaml; absent if it cannot be read.
	Spec json.RawMessage `json:"spec,omitempty"`
}

// A JobDetails is a job with its past: what `job show --json` prints.
type JobDetails struct {
	Job
	// Next are its next firings; none of a paused job.
	Next []Next `json:"next"`
	// Changes are its versions that are still stored, newest first.
	Changes []Change `json:"changes"`
	// Firings are its newest ones, newest first.
	Firings []Firing `json:"firings"`
}

// A Next is a firing that is to come.
type Next struct {
	ScheduledAt event.Time `json:"scheduled_at"`
	DueAt       event.Time `json:"due_at"`
	// Moved says how a change of the clock moved it; absent if none did.
	Moved string `json:"moved,omitempty"`
}

// NewNext is the form of f.
func NewNext(f scheduler.Firing) Next {
	return Next{event.Time(f.At), event.Time(f.Due), f.Shifted}
}

// A Change is a version of a job.
type Change struct {
	Version int64      `json:"version"`
	At      event.Time `json:"at"`
	User    string     `json:"user"`
	// What is "added", "changed" or "removed".
	What string `json:"what"`
	// Spec is the job as it was then, with the keys of jobs.yaml; absent if it
	// cannot be read, and where it was removed.
	Spec any `json:"spec,omitempty"`
}
