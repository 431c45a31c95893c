package api

import (
	"encoding/json"

	"tutti/api/event"
	"tutti/scheduler"
)

// A Scheduled is a firing that is to come, of one of all jobs.
type Scheduled struct {
	Job string `json:"job"`
	Next
}

// A Calendar is when jobs fire within a span of time.
type Calendar struct {
	Schema int        `json:"schema"` // 1
	Type   string     `json:"type"`   // "calendar"
	From   event.Time `json:"from"`
	To     event.Time `json:"to"`
	// Firings are in the order of their scheduled times.
	Firings []Scheduled `json:"firings"`
	// Truncated: there are more than are listed.
	Truncated bool `json:"truncated"`
	// Broken are the jobs of which the times are not known.
	Broken []string `json:"broken,omitempty"`
}

// A Daemon is a process that fires jobs, as the history has it.
type Daemon struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "daemon"
	Daemon int64  `json:"daemon"`
	PID    int    `json:"pid"`
	// Serves is false for a process that only runs one job manually.
	Serves    bool       `json:"serves"`
	StartedAt event.Time `json:"started_at"`
	// Self: it is the one that answers the request.
	Self bool `json:"self"`
}

// NewDaemon is the form of c; self is the number of the daemon that answers.
func NewDaemon(c scheduler.Controller, self int64) Daemon {
	return Daemon{1, "daemon", c.ID, c.PID, c.Serves, event.Time(c.Started), c.ID == self}
}

// A Validation is what a schedule, a selector or a job means.
type Validation struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "validation"
	// Schedule is in words, and Next are the next firings; absent if there is no
	// schedule.
	Schedule string `json:"schedule,omitempty"`
	Next     []Next `json:"next,omitempty"`
	// Hosts is how many hosts a selector means now, and Names are the first of them;
	// absent without one.
	Hosts *int     `json:"hosts,omitempty"`
	Names []string `json:"names,omitempty"`
	// Inventory are the files that these hosts of a job come from; for admins only.
	Inventory string `json:"inventory,omitempty"`
	// Warnings are what its author may not have meant.
	Warnings []string `json:"warnings"`
	// Fails is what would make a job fail now; absent if nothing would.
	Fails []string `json:"fails,omitempty"`
}

// A Named is a group or a label of the inventory, and the number of its hosts.
type Named struct {
	Name  string `json:"name"`
	Hosts int    `json:"hosts"`
}

// A ValidationRequest is what to check: a schedule, a selector, or both; or a job.
type ValidationRequest struct {
	// Schedule are expressions; Zone is UTC if it is absent, and Seconds says that
	// they have six fields.
	Schedule []string `json:"schedule,omitempty" maxItems:"20"`
	Zone     string   `json:"zone,omitempty" maxLength:"100"`
	Seconds  bool     `json:"seconds,omitempty"`
	// Job is the name that H in a schedule depends on.
	Job      string `json:"job,omitempty" maxLength:"256"`
	Selector string `json:"selector,omitempty" maxLength:"4096"`
	// Spec is a whole job, with the keys of jobs.yaml; it goes with Job alone, which is
	// its name.
	Spec json.RawMessage `json:"spec,omitempty"`
}
