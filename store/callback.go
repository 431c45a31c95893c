package store

import (
	"context"
	"time"
)

// A Callback is a URL that gets the end of a run.
type Callback struct {
	// Run is the run, and Task what who submitted it calls it; empty: it has no name.
	Run  int64
	Task string
	// On is which ends it gets, and then as a message about a run: "failure" or "always".
	// Empty: all, in the form of an answer.
	On string
	// URL was given with the submission, and By is whose secret signs what is sent
	// there; see [access.Principal.Subject].
	URL, By string
	// Ended is when the run ended.
	Ended time.Time
	// Attempt counts the attempts from 1.
	Attempt int
}

// Callbacks keeps the callbacks of submitted runs until they have arrived, or are given
// up, through crashes: what writes down the end of a run makes its callback due, in the
// same transaction. Runs whose callback is due are not pruned. Its methods may be called by
// many goroutines at once, and each is one transaction.
type Callbacks interface {
	// Lease takes those that are due, the oldest runs first and at most most of them, so
	// that no other daemon gets them before until.
	Lease(ctx context.Context, now, until time.Time, most int) ([]Callback, error)
	// Delivered records an attempt at now: that it arrived if err is nil, else what was
	// wrong, and when to try again; a zero again gives it up. An attempt after which
	// another was begun changes nothing.
	Delivered(ctx context.Context, c Callback, now time.Time, err error, again time.Time) error
	// Release gives back what was taken and not tried, to be taken again when it is due.
	Release(ctx context.Context, cs []Callback, due time.Time) error
	// Pending are those of runs after that one that have ended, which have not arrived and
	// are not given up: the oldest runs first, at most limit.
	Pending(ctx context.Context, after int64, limit int) ([]PendingCallback, error)
	// Callback is the state of that of a run; ok is false if it has none.
	Callback(ctx context.Context, run int64) (s CallbackState, ok bool, err error)
}

// A PendingCallback is a callback that its receiver has not got yet.
type PendingCallback struct {
	// Run has ended, at Ended. On is that of a [Callback].
	Run   int64
	On    string
	Ended time.Time
	// Target is the URL without what may be secret of it.
	Target string
	// Due is when the next attempt may start, or, of one that is under way, when it is given
	// up as lost.
	Due time.Time
	// Attempts is how many have started, and Error why the last one that has ended failed;
	// empty: there was none.
	Attempts int
	Error    string
}

// A CallbackState is what has become of a callback.
type CallbackState struct {
	Attempts int
	// Error is that of the last attempt; empty: it arrived, or there was none.
	Error string
	// Done is when it arrived or was given up; zero: neither.
	Done time.Time
}
