package store

import (
	"context"
	"fmt"
	"time"

	"tutti/access"
)

// A PendingMessage is a message about a firing that one receiver has not got yet.
type PendingMessage struct {
	// ID is its number in the outbox.
	ID int64
	// Firing is what it is about, of Job, whose number is JobID.
	Firing int64
	Job    string
	JobID  int64
	// Event, Kind and Target are those of a NotificationRow.
	Event, Kind, Target string
	// At is when the event happened, and Due when the next attempt may start.
	At, Due time.Time
	// Attempts is how many have started, and Error why the last one that is recorded
	// failed; empty: there was none.
	Attempts int
	Error    string
	// Delivering: an attempt is under way.
	Delivering bool
}

// Messages are what the outbox of the jobs has. Its methods may be called by many
// goroutines, and several processes, at once.
type Messages interface {
	// Pending are the messages with numbers after that one, the oldest first, at most
	// limit.
	Pending(ctx context.Context, after int64, limit int, now time.Time) ([]PendingMessage, error)
	// Message is the one of that number, or the error is a *NoMessageError.
	Message(ctx context.Context, id int64, now time.Time) (PendingMessage, error)
	// Hasten makes the next attempt of a message due now, unless one is under way. It is
	// written together with its line of the audit. The error is a *NoMessageError if
	// there is none: it has been delivered, or given up.
	Hasten(ctx context.Context, id int64, by access.By) (PendingMessage, error)
}

// A NoMessageError says that the outbox has no message of a number.
type NoMessageError struct {
	noAdvice
	ID int64
}

func (e *NoMessageError) Error() string {
	return fmt.Sprintf("notification %d is not waiting: it was delivered or given up, or there was none", e.ID)
}
