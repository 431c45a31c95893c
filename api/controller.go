package api

import (
	"slices"
	"time"

	"tutti/api/event"
	"tutti/scheduler"
)

// A Controller is a daemon that serves the history, with what it says of itself: what
// `controllers --json` prints.
type Controller struct {
	Schema     int    `json:"schema"` // 1
	Type       string `json:"type"`   // "controller"
	Controller int64  `json:"controller"`
	// Machine is the name of its machine; absent: unknown.
	Machine string `json:"machine,omitempty"`
	PID     int    `json:"pid"`
	// Self: it is the one that answers the request.
	Self      bool       `json:"self"`
	StartedAt event.Time `json:"started_at"`
	// HeardAt is when it was heard of last; absent: the history knows without that whether
	// it lives.
	HeardAt *event.Time `json:"heard_at,omitempty"`
	// SkewMS is how far its clock is ahead of that of the history.
	SkewMS int64 `json:"skew_ms"`
	// Draining: it starts nothing any more.
	Draining bool   `json:"draining"`
	Version  string `json:"version,omitempty"`
	// Runs is how many runs it executes, and Hosts how many hosts they have.
	Runs  int `json:"runs"`
	Hosts int `json:"hosts"`
	// MaxRuns bounds the submitted runs that it executes, and MaxHosts the hosts with which
	// it starts another; absent: no bound.
	MaxRuns  int `json:"max_runs"`
	MaxHosts int `json:"max_hosts,omitempty"`
	// WaitsFor is why it takes nothing from the queue: "draining", "clock", "runs",
	// "hosts" or "memory"; absent: it does.
	WaitsFor string `json:"waits_for,omitempty"`
	// Files are local files that its runs depend on.
	Files []ControllerFile `json:"files,omitempty"`
}

// A ControllerFile is a file on the machine of a controller, or several of one purpose.
type ControllerFile struct {
	// Name is "inventory", "known_hosts", or a path that a job has.
	Name string `json:"name"`
	// Digest is of what is in it; absent: it cannot be read.
	Digest string `json:"digest,omitempty"`
	// Differs: another controller has another one, or none.
	Differs bool `json:"differs"`
}

// NewControllers are the forms of all that serve a history; self is the number of the one
// that answers, 0: none of them does.
func NewControllers(all []scheduler.Controller, self int64) []Controller {
	differing := scheduler.Differing(all)
	var forms []Controller
	for i := range all {
		c := &all[i]
		form := Controller{
			Schema: 1, Type: "controller", Controller: c.ID, Machine: c.Machine, PID: c.PID, Self: c.ID == self, StartedAt: event.Time(c.Started),
			HeardAt: TimeOf(c.Heard), SkewMS: c.Skew.Milliseconds(), Draining: c.Draining, Version: c.Said.Version, Runs: c.Said.Runs, Hosts: c.Said.Hosts,
			MaxRuns: c.Said.MaxRuns, MaxHosts: c.Said.MaxHosts, WaitsFor: c.Said.Waits,
		}
		for _, f := range c.Said.Files {
			form.Files = append(form.Files, ControllerFile{Name: f.Name, Digest: f.Digest, Differs: slices.Contains(differing, f.Name)})
		}
		forms = append(forms, form)
	}
	return forms
}

// Skew is how far the clock is ahead of that of the history.
func (c *Controller) Skew() time.Duration { return time.Duration(c.SkewMS) * time.Millisecond }

// Skewed reports whether the controller decides nothing because of its clock.
func (c *Controller) Skewed() bool { return c.Skew().Abs() > scheduler.MaxSkew }

// Differing are the names of the files that are not the same on all controllers.
func (c *Controller) Differing() (names []string) {
	for _, f := range c.Files {
		if f.Differs {
			names = append(names, f.Name)
		}
	}
	return names
}
