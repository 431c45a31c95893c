package api

import (
	"time"

	"tutti/api/event"
	"tutti/store"
)

// A FleetHost is a host of the inventory, and its health as runs have seen it.
type FleetHost struct {
	Host
	Health Health `json:"health"`
	// Maintenance is absent unless the host is in maintenance.
	Maintenance *Maintenance `json:"maintenance,omitempty"`
}

// A Maintenance is the state of a host that runs leave out.
type Maintenance struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "maintenance"
	Host   string `json:"host"`
	// Until is when it ends by itself; absent: never.
	Until *event.Time `json:"until,omitempty"`
	Note  string      `json:"note,omitempty"`
	// By is who put the host into maintenance, and Since when.
	By    string     `json:"by"`
	Since event.Time `json:"since"`
}

// NewMaintenance is the form of r.
func NewMaintenance(r *store.Rest) *Maintenance {
	return &Maintenance{1, "maintenance", r.Host, TimeOf(r.Until), r.Note, r.By, event.Time(r.Since)}
}

// A MaintenanceRequest says until when a host is in maintenance, and why.
type MaintenanceRequest struct {
	// Until is a time, or a duration from now such as 2h; absent: until it is removed.
	Until string `json:"until,omitempty" maxLength:"40"`
	Note  string `json:"note,omitempty" maxLength:"1000"`
}

// A Health is whether a host can be reached, according to the newest run or heartbeat.
type Health struct {
	// State is "reachable", "unreachable", or "unknown" if nothing has tried for a day.
	State string `json:"state"`
	// From is what says so: "run", or "heartbeat"; absent: nothing has tried.
	From string `json:"from,omitempty"`
	// SeenAt is when it was reached last, and Since when it was unreachable first
	// after that; absent: never.
	SeenAt *event.Time `json:"seen_at,omitempty"`
	Since  *event.Time `json:"since,omitempty"`
	// LastRun is the newest run that included it; absent: none.
	LastRun int64 `json:"last_run,omitempty"`
	// ErrorOp is the step that failed, and Error why; absent unless it is unreachable.
	ErrorOp string `json:"error_op,omitempty"`
	Error   string `json:"error,omitempty"`
}

// quiet is how long after the last contact the state of a host is unknown.
const quiet = 24 * time.Hour

// NewHealth is the form of h, now.
func NewHealth(h *store.HostHealth, now time.Time) Health {
	v := Health{State: h.State(now, quiet), SeenAt: TimeOf(h.Reached.At), LastRun: h.LastRun}
	switch {
	case h.Beat:
		v.From = "heartbeat"
	case h.Last() != store.Contact{}:
		v.From = "run"
	}
	if h.Unreachable() {
		v.Since, v.ErrorOp, v.Error = TimeOf(h.Since), string(h.Op), h.Error
	}
	return v
}

// A FleetHostDetails is a host with its newest runs.
type FleetHostDetails struct {
	FleetHost
	Runs []HostRun `json:"runs"`
}

// A HostRun is the result of a host in a run.
type HostRun struct {
	Run       int64      `json:"run"`
	Source    string     `json:"source"`
	Job       string     `json:"job,omitempty"`
	Command   string     `json:"command"`
	StartedAt event.Time `json:"started_at"`
	// State, Outcome and ExitCode are those of RunHost.
	State    store.Phase `json:"state"`
	Outcome  string      `json:"outcome,omitempty"`
	ExitCode *uint32     `json:"exit_code,omitempty"`
}

// NewHostRun is the form of r.
func NewHostRun(r *store.HostRun) HostRun {
	f := NewRunHost(r.Run.ID, &r.HostRow)
	return HostRun{
		Run: r.Run.ID, Source: r.Run.Source, Job: r.Run.Job, Command: r.Run.Command, StartedAt: event.Time(r.Run.Summary.Started),
		State: f.State, Outcome: f.Outcome, ExitCode: f.ExitCode,
	}
}
