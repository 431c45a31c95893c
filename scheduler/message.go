package scheduler

import (
	"context"
	"time"
)

// A Message tells somebody about a job. Its JSON is what a webhook gets as its
// body and a command on its standard input; a script may rely on the names.
type Message struct {
	// ID is the message's own; the same for every attempt, so that a receiver
	// can tell a repeated one.
	ID int64 `json:"id"`
	// Schema is 1.
	Schema int `json:"schema"`
	// Type is the word of an [NotifyEvent].
	Type string `json:"type"`
	// Time is when it happened.
	Time time.Time `json:"time"`
	Job  string    `json:"job"`
	// Machine is the name of the machine that tells.
	Machine  string `json:"machine"`
	Firing   int64  `json:"firing"`
	Decision string `json:"decision"`
	// Reason says why a firing was not run.
	Reason      string     `json:"reason,omitempty"`
	ScheduledAt *time.Time `json:"scheduled_at,omitempty"`
	DueAt       *time.Time `json:"due_at,omitempty"`

	// Run and what follows are of the firing's run, and absent without one.
	Run         int64          `json:"run,omitempty"`
	State       string         `json:"state,omitempty"`
	Stopped     string         `json:"stopped,omitempty"`
	ExitCode    *int           `json:"exit_code,omitempty"`
	StartedAt   *time.Time     `json:"started_at,omitempty"`
	EndedAt     *time.Time     `json:"ended_at,omitempty"`
	DurationMS  int64          `json:"duration_ms,omitempty"`
	Selector    string         `json:"selector,omitempty"`
	Command     string         `json:"command,omitempty"`
	Hosts       int            `json:"hosts,omitempty"`
	Counts      map[string]int `json:"counts,omitempty"`
	HostsFailed []MessageHost  `json:"hosts_failed,omitempty"`

	// Failures is how many ends in a row were not ok; of a recovery, how many
	// there were before it.
	Failures int `json:"failures"`

	// Missed instants, and the first and last of them.
	Missed      int        `json:"missed,omitempty"`
	MissedFirst *time.Time `json:"missed_first,omitempty"`
	MissedLast  *time.Time `json:"missed_last,omitempty"`
}

// MaxMessageHosts is how many hosts a message names.
const MaxMessageHosts = 20

// A MessageHost is a host that is not ok; a message names the first of them.
type MessageHost struct {
	Host     string `json:"host"`
	Outcome  string `json:"outcome"`
	ExitCode *int   `json:"exit_code,omitempty"`
	Error    string `json:"error,omitempty"`
}

// A Delivery is a message on its way to one receiver.
type Delivery struct {
	// ID is the delivery's number in the outbox.
	ID int64
	// Attempt counts from 1.
	Attempt int
	// Notify is how the job said it is to be told when it happened, with a
	// Webhook or a Command, not both.
	Notify  Notify
	Message Message
}

// An Outbox keeps messages until they have arrived, or are given up, through
// crashes. Each method is one transaction.
type Outbox interface {
	// Lease takes those that are due, the oldest first and at most most of
	// them, so that nobody else gets them before until.
	Lease(ctx context.Context, now, until time.Time, most int) ([]Delivery, error)
	// Delivered records an attempt at now: that it arrived if err is nil, else what
	// was wrong, and when to try again; a zero again gives it up.
	Delivered(ctx context.Context, d Delivery, now time.Time, err error, again time.Time) error
	// Release gives back what was taken and not tried, to be taken again when it
	// is due. It is no attempt. What somebody else has taken by now is left.
	Release(ctx context.Context, ds []Delivery, due time.Time) error
}
