package scheduler

import (
	"errors"

	"tutti/fanout"
)

// An Overlap says what becomes of a firing while an earlier one still runs.
type Overlap int

const (
	// OverlapSkip leaves it out.
	OverlapSkip Overlap = iota
	// OverlapQueue lets one wait until the earlier one has ended.
	OverlapQueue
	// OverlapAllow runs it beside the others, up to a limit.
	OverlapAllow
	// OverlapReplace ends the earlier one, waits for proof that it has ended,
	// and runs the new one.
	OverlapReplace
)

var overlapWords = []string{"skip", "queue", "allow", "replace"}

// String is the word for it in files and flags.
func (o Overlap) String() string { return wordOf(overlapWords, int(o)) }

// A Decision is what becomes of a firing.
type Decision int

const (
	// Run starts it.
	Run Decision = iota
	// Queued lets it wait for an earlier one to end.
	Queued
	// Skipped leaves it out because of an earlier one.
	Skipped
	// Missed leaves it out because it is too late.
	Missed
	// Failed is one that could not be started: its hosts cannot be found out.
	Failed
	// Refused is one that may not be started: it would run on hosts outside the scopes
	// of the job. For the job that is a failure.
	Refused
)

// Why a firing does not become a run: it is [Refused], or all its hosts are in
// maintenance, and it is [Skipped].
var (
	ErrRefused     = errors.New("refused")
	ErrMaintenance = errors.New("maintenance")
)

// NotStarted is what a firing is closed with that did not become a run because of err.
func NotStarted(err error) Decision {
	switch {
	case errors.Is(err, fanout.ErrSignal):
		return Skipped // whoever runs it was stopped, which is not the job's fault
	case errors.Is(err, ErrMaintenance):
		return Skipped
	case errors.Is(err, ErrRefused):
		return Refused
	}
	return Failed
}

// failed reports whether the decision is a failure of the job.
func (d Decision) failed() bool { return d == Failed || d == Refused }

var decisionWords = []string{"run", "queued", "skipped", "missed", "failed", "refused"}

// String is the word for it in the history.
func (d Decision) String() string { return wordOf(decisionWords, int(d)) }

// A Verdict is a Decision and what else belongs to it.
type Verdict struct {
	Decision Decision
	// Reason says why it is not Run; empty if it is.
	Reason string
	// End: what runs now has to be ended.
	End bool
}

// Decide says what becomes of a firing while running others run and waiting
// others wait. Only OverlapAllow looks at maxRunning.
func (o Overlap) Decide(running, waiting, maxRunning int) Verdict {
	if o == OverlapAllow {
		// What waits is older, and has the next place.
		if o.Room(running+waiting, maxRunning) {
			return Verdict{Decision: Run}
		}
		return Verdict{Decision: Skipped, Reason: "max_running reached"}
	}
	switch {
	case waiting > 0:
		return Verdict{Decision: Skipped, Reason: "another firing is already queued"}
	case running == 0:
		return Verdict{Decision: Run}
	case o == OverlapQueue:
		return Verdict{Decision: Queued, Reason: "an earlier firing is running"}
	case o == OverlapReplace:
		return Verdict{Decision: Queued, Reason: "an earlier firing is being stopped", End: true}
	}
	return Verdict{Decision: Skipped, Reason: "an earlier firing is running"}
}

// Room reports whether one more may run while running others run.
func (o Overlap) Room(running, maxRunning int) bool {
	return running == 0 || o == OverlapAllow && running < maxRunning
}

// CatchUp is Decide for one of several firings that are late and are all to be
// run: it waits for those before it, and ends none.
func (o Overlap) CatchUp(running, waiting, maxRunning int) Verdict {
	if waiting == 0 && o.Room(running, maxRunning) {
		return Verdict{Decision: Run}
	}
	return Verdict{Decision: Queued, Reason: "caught up after an earlier one"}
}

// Replace says what becomes of a firing that waited for an earlier one to be
// ended: it runs if that is proved on every host.
func Replace(proved bool) Verdict {
	if proved {
		return Verdict{Decision: Run}
	}
	return Verdict{Decision: Skipped, Reason: "the end of the earlier firing is not confirmed"}
}

// wordOf is the i-th word.
func wordOf(words []string, i int) string {
	if i < 0 || i >= len(words) {
		return "unknown"
	}
	return words[i]
}
