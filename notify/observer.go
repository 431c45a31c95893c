package notify

import (
	"time"

	"tutti/scheduler"
)

// An Observer gets the result of every attempt to deliver a message. Its method
// is called by one goroutine, that of Notifier.Run.
type Observer interface {
	Attempted(Kind, Result)
}

// A Kind is a way to deliver a message.
type Kind string

// The kinds.
const (
	Webhook  Kind = "webhook"
	Command  Kind = "command"
	Callback Kind = "callback" // a webhook with the result of a submitted run
)

// Kinds are all kinds.
func Kinds() []Kind { return []Kind{Webhook, Command, Callback} }

// kind is the way that a delivery takes.
func kind(d scheduler.Delivery) Kind {
	switch {
	case d.Body != nil:
		return Callback
	case d.Notify.Webhook != "":
		return Webhook
	}
	return Command
}

// A Result is the result of an attempt.
type Result string

// The results.
const (
	Sent    Result = "sent"     // the receiver has taken the message
	Failed  Result = "failed"   // another attempt will follow
	GivenUp Result = "given_up" // no attempt will follow
)

// Results are all results.
func Results() []Result { return []Result{Sent, Failed, GivenUp} }

// result is the result of an attempt; again is when another is made, zero: never.
func result(s sending, again time.Time) Result {
	switch {
	case s.err == nil:
		return Sent
	case again.IsZero():
		return GivenUp
	}
	return Failed
}
