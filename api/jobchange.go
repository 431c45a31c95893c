package api

import "encoding/json"

// A JobRequest is a job to add.
type JobRequest struct {
	Job string `json:"job" maxLength:"256"`
	// Spec has the keys of jobs.yaml.
	Spec json.RawMessage `json:"spec"`
}

// A PauseRequest says until when a job is paused, and why.
type PauseRequest struct {
	// Until is a time, or a duration from now such as 2h; absent: until it is resumed.
	Until string `json:"until,omitempty" maxLength:"40"`
	Note  string `json:"note,omitempty" maxLength:"1000"`
}

// A KillAnswer says which runs are being stopped.
type KillAnswer struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "kill"
	// Runs are empty if nothing was running.
	Runs []int64 `json:"runs"`
}

// A Ticket is a firing that was started manually.
type Ticket struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "ticket"
	Firing int64  `json:"firing"`
	Job    string `json:"job"`
	// Decision is "run" or "queued", and Reason why it waits; absent if it does not.
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
}

// A JobChange is one version of a job.
type JobChange struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "job_change"
	Job    string `json:"job"`
	Change
}

// A RestoreRequest names the version to restore.
type RestoreRequest struct {
	Version int64 `json:"version" minimum:"1"`
}

// A JobsPlan is what would be done, or was done, so that the jobs are those of a file.
type JobsPlan struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "jobs_plan"
	// DryRun: nothing was done.
	DryRun bool `json:"dry_run"`
	// Added and Removed are the names of jobs, and Changed what is different of others.
	Added   []string        `json:"added"`
	Changed []PlannedChange `json:"changed"`
	Removed []string        `json:"removed"`
	// Same is how many are right already, and Left those that are not in the file and stay.
	Same int      `json:"same"`
	Left []string `json:"left"`
}

// A PlannedChange is a job that changes.
type PlannedChange struct {
	Job string `json:"job"`
	// Rewritten: the old one cannot be read, so that the differences are unknown.
	Rewritten bool `json:"rewritten,omitempty"`
	// Differences has a line for each key that is different.
	Differences []string `json:"differences"`
}

// A JobsFile is jobs.yaml as JSON.
type JobsFile struct {
	Jobs map[string]json.RawMessage `json:"jobs"`
}
