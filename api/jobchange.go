package api

import "encoding/json"

// A JobRequest is a job that is to be added.
type JobRequest struct {
	Job string `json:"job" maxLength:"256"`
	// Spec has the keys of jobs.yaml.
	Spec json.RawMessage `json:"spec"`
}

// A KillAnswer says which runs are being stopped.
type KillAnswer struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "kill"
	// Runs are empty if nothing was running.
	Runs []int64 `json:"runs"`
}

// A Ticket is a firing that was asked for.
type Ticket struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "ticket"
	Firing int64  `json:"firing"`
	Job    string `json:"job"`
	// Decision is "run" or "queued", and Reason why it waits; absent if it does not.
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
}
