package api

import (
	"cmp"

	"tutti/api/event"
	"tutti/store"
)

// A PendingNotification is a message about a firing that one receiver has not got yet, or
// the callback of a run.
type PendingNotification struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "notification"
	// Notification, Job and Firing are those of a message, and Run is that of a callback.
	Notification int64  `json:"notification,omitempty"`
	Job          string `json:"job,omitempty"`
	Firing       int64  `json:"firing,omitempty"`
	Run          int64  `json:"run,omitempty"`
	// Occasion, Kind and Target are those of a Notification; of a callback the kind is
	// "callback", and the occasion "failure" or "always", or "end" if it gets every end.
	Occasion string `json:"occasion"`
	Kind     string `json:"kind"`
	Target   string `json:"target"`
	// At is when the event happened, and DueAt when the next attempt may start; At is
	// absent if the message cannot be read.
	At    *event.Time `json:"at,omitempty"`
	DueAt event.Time  `json:"due_at"`
	// Attempts is how many have started, and Error why the last one failed; absent if none
	// has.
	Attempts int    `json:"attempts"`
	Error    string `json:"error,omitempty"`
	// Delivering: an attempt of a message is under way. Of a callback that is not known.
	Delivering bool `json:"delivering"`
}

// NewPendingCallback is the form of c.
func NewPendingCallback(c *store.PendingCallback) PendingNotification {
	return PendingNotification{
		Schema: 1, Type: "notification", Run: c.Run, Occasion: cmp.Or(c.On, "end"), Kind: "callback", Target: c.Target,
		At: TimeOf(c.Ended), DueAt: event.Time(c.Due), Attempts: c.Attempts, Error: c.Error,
	}
}

// NewPendingNotification is the form of m.
func NewPendingNotification(m *store.PendingMessage) PendingNotification {
	return PendingNotification{
		Schema: 1, Type: "notification", Notification: m.ID, Job: m.Job, Firing: m.Firing, Occasion: m.Event, Kind: m.Kind, Target: m.Target,
		At: TimeOf(m.At), DueAt: event.Time(m.Due), Attempts: m.Attempts, Error: m.Error, Delivering: m.Delivering,
	}
}
