package scheduler

import (
	"context"
	"time"
)

// A Message is a notification about a job. A webhook gets its JSON as the body, a
// command on its standard input; the names are promises.
type Message struct {
	// ID is the same for every attempt, so that a receiver can recognise a repeated
	// message.
	ID int64 `json:"id"`
	// Schema is 1.
	Schema int `json:"schema"`
	// Type is the word of a [NotifyEvent].
	Type string `json:"type"`
	// Time is when the event happened.
	Time time.Time `json:"time"`
	Job  string    `json:"job"`
	// Machine is the name of the machine that sends the message.
	Machine  string `json:"machine"`
	Firing   int64  `json:"firing"`
	Decision string `json:"decision"`
	// Reason is why a firing was not run.
	Reason      string     `json:"reason,omitempty"`
	ScheduledAt *time.Time `json:"scheduled_at,omitempty"`
	DueAt       *time.Time `json:"due_at,omitempty"`

	// Run and the following fields describe the firing's run, and are absent without
	// one.
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

	// Failures is the number of consecutive failures; of a recovery, the number before
	// it.
	Failures int `json:"failures"`

	// Missed is the number of missed scheduled times, with the first and the last of
	// them.
	Missed      int        `json:"missed,omitempty"`
	MissedFirst *time.Time `json:"missed_first,omitempty"`
	MissedLast  *time.Time `json:"missed_last,omitempty"`
}

// MaxMessageHosts bounds how many hosts a message names.
const MaxMessageHosts = 20

// A MessageHost is a host that failed.
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
	// Notify is the job's setting at the time of the event, with either the Webhook or
	// the Command.
	Notify  Notify
	Message Message
	// Body is what is sent in place of the message, of which the Type, the Time and the
	// Run count only; nil: the message.
	Body []byte
}

// An Outbox stores messages, through crashes, until they have been delivered or given
// up. Each method is one transaction.
type Outbox interface {
	// Lease returns due deliveries, the oldest first and at most most, which no other
	// process gets before until.
	Lease(ctx context.Context, now, until time.Time, most int) ([]Delivery, error)
	// Delivered records an attempt at now: the message was delivered if err is nil;
	// else err is why not, and again is when to try next. A zero again gives the
	// delivery up. If another process has leased it by now, only that it was delivered
	// counts; the attempt is recorded in any case.
	Delivered(ctx context.Context, d Delivery, now time.Time, err error, again time.Time) error
	// Release returns leased deliveries that were not attempted, to be leased again at
	// due. Those that another process has leased by now are left alone.
	Release(ctx context.Context, ds []Delivery, due time.Time) error
}
