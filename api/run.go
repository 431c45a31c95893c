package api

import (
	"time"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/store"
)

// A Run is a run as it is on record: what `history --json` prints.
type Run struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "run"
	Run    int64  `json:"run"`
	// Source is what started it: "cli", "rerun", "job".
	Source string `json:"source"`
	// Command is "script FILE" for a script, and empty for a ping.
	Command string `json:"command"`
	// Selector is which hosts, in words.
	Selector string `json:"selector"`
	// Inventory are the files it was read from; absent if none was.
	Inventory string `json:"inventory,omitempty"`
	// Note is absent if none was given.
	Note string `json:"note,omitempty"`
	// User is who started it; absent if that is not known.
	User  string      `json:"user,omitempty"`
	State store.State `json:"state"`
	// StartedAt is when it began; EndedAt is absent while it is running.
	StartedAt event.Time  `json:"started_at"`
	EndedAt   *event.Time `json:"ended_at,omitempty"`
	// Duration is absent while it is running, and if it was cut off.
	Duration *int64 `json:"duration_ms,omitempty"`
	// Hosts is how many hosts it has; Counts has every outcome. Both leave out hosts that
	// the client may not see: Hidden is how many; absent if none.
	Hosts  int            `json:"hosts"`
	Hidden int            `json:"hidden,omitempty"`
	Counts map[string]int `json:"counts"`
	// Stopped is what stopped it early; "none" if nothing did.
	Stopped string `json:"stopped"`
	// Reason is why a queued run was not started; absent if it was, or still waits.
	Reason string `json:"reason,omitempty"`
	// ExitCode is absent while it is running, and if it was cut off.
	ExitCode *int `json:"exit_code,omitempty"`
	// RerunOf is the run that it repeats; absent if it repeats none.
	RerunOf int64 `json:"rerun_of,omitempty"`
	// Job is the name of its job; absent if it is not of one.
	Job string `json:"job,omitempty"`
}

// NewRun is the form of r.
func NewRun(r store.Run) Run {
	j := Run{
		Schema: 1, Type: "run", Run: r.ID, Source: r.Source, Command: r.Command, Selector: r.Selector,
		Inventory: r.Inventory, Note: r.Note, User: r.User, State: r.State,
		StartedAt: event.Time(r.Summary.Started), Hosts: r.Summary.Hosts, Counts: map[string]int{},
		Stopped: r.Summary.Stopped.String(), ExitCode: r.ExitCode, RerunOf: r.RerunOf, Job: r.Job, Reason: r.Reason,
	}
	if !r.Summary.Ended.IsZero() {
		ended := event.Time(r.Summary.Ended)
		j.EndedAt = &ended
		if r.State != store.Interrupted {
			took := r.Summary.Ended.Sub(r.Summary.Started).Milliseconds()
			j.Duration = &took
		}
	}
	for _, o := range fanout.Outcomes() {
		j.Counts[o.String()] = r.Summary.Counts[o]
	}
	return j
}

// TimeOf is the form of t; nil if that is zero.
func TimeOf(t time.Time) *event.Time {
	if t.IsZero() {
		return nil
	}
	out := event.Time(t)
	return &out
}
