package api

import (
	"tutti/api/event"
	"tutti/store"
)

// A PendingNotification is a message about a firing that one receiver has not got yet.
type PendingNotification struct {
	Schema       int    `json:"schema"` // 1
	Type         string `json:"type"`   // "notification"
	Notification int64  `json:"notification"`
	Job          string `json:"job"`
	Firing       int64  `json:"firing"`
	// Occasion, Kind and Target are those of a Notification.
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
	// Delivering: an attempt is under way.
	Delivering bool `json:"delivering"`
}

// NewPendingNotification is the form of m.
func NewPendingNotification(m *store.PendingMessage) PendingNotification {
	return PendingNotification{
		Schema: 1, Type: "notification", Notification: m.ID, Job: m.Job, Firing: m.Firing, Occasion: m.Event, Kind: m.Kind, Target: m.Target,
		At: TimeOf(m.At), DueAt: event.Time(m.Due), Attempts: m.Attempts, Error: m.Error, Delivering: m.Delivering,
	}
}
