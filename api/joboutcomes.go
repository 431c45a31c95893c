package api

import (
	"tutti/api/event"
	"tutti/store"
)

// JobOutcomes are how the hosts of a job ended in its newest runs.
type JobOutcomes struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "job_outcomes"
	Job    string `json:"job"`
	// Runs are the newest that have ended, oldest first.
	Runs []OutcomesRun `json:"runs"`
	// Hosts are those with the most runs that were not ok first, then by name.
	Hosts []HostOutcomes `json:"hosts"`
	// MoreHosts is how many hosts follow, and MoreBad how many of those were not ok in
	// some run.
	MoreHosts int `json:"more_hosts"`
	MoreBad   int `json:"more_bad"`
}

// An OutcomesRun is a run of JobOutcomes.
type OutcomesRun struct {
	Run       int64       `json:"run"`
	State     store.State `json:"state"`
	StartedAt event.Time  `json:"started_at"`
	// Hosts and Bad count its hosts, and those that were not ok.
	Hosts int `json:"hosts"`
	Bad   int `json:"bad"`
}

// HostOutcomes are those of a host.
type HostOutcomes struct {
	Host string `json:"host"`
	// Bad is in how many runs it was not ok.
	Bad int `json:"bad"`
	// Outcomes are those in the runs, in their order; empty: the run did not have the
	// host.
	Outcomes []string `json:"outcomes"`
}
