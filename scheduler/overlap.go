package scheduler

import (
	"errors"

	"tutti/fanout"
)

// An Overlap is the policy for a firing while an earlier one of the job still runs.
type Overlap int

const (
	// OverlapSkip skips it.
	OverlapSkip Overlap = iota
	// OverlapQueue lets one firing wait until the earlier one has ended.
	OverlapQueue
	// OverlapAllow runs it alongside the others, up to MaxRunning.
	OverlapAllow
	// OverlapReplace stops the earlier one, waits for proof that its command has
	// stopped on every host, and runs the new one.
	OverlapReplace
)

var overlapWords = []string{"skip", "queue", "allow", "replace"}

// String returns the policy's word in files and flags.
func (o Overlap) String() string { return wordOf(overlapWords, int(o)) }

// A Decision says whether a firing runs, and if not, why not.
type Decision int

const (
	// Run starts it.
	Run Decision = iota
	// Queued lets it wait until an earlier firing has ended.
	Queued
	// Skipped does not run it, because of an earlier firing, a pause, a removal,
	// maintenance or a stop.
	Skipped
	// Missed does not run it, because it is too late.
	Missed
	// Failed could not start it, for instance because its hosts are not known.
	Failed
	// Refused may not start it: it would run on hosts outside the scopes of the job.
	// This counts as a failure of the job.
	Refused
)

// Errors of Daemon.Execute that close a firing as something else than [Failed]: as
// [Refused], and as [Skipped] if all its hosts are in maintenance.
var (
	ErrRefused     = errors.New("refused")
	ErrMaintenance = errors.New("maintenance")
)

// NotStarted returns the decision that closes a firing that did not become a run
// because of err.
func NotStarted(err error) Decision {
	switch {
	case errors.Is(err, fanout.ErrSignal):
		return Skipped // the process was stopped, which is no failure of the job
	case errors.Is(err, ErrMaintenance):
		return Skipped
	case errors.Is(err, ErrRefused):
		return Refused
	}
	return Failed
}

// failed reports whether the decision counts as a failure of the job.
func (d Decision) failed() bool { return d == Failed || d == Refused }

var decisionWords = []string{"run", "queued", "skipped", "missed", "failed", "refused"}

// String returns the decision's word in the history.
func (d Decision) String() string { return wordOf(decisionWords, int(d)) }

// A Verdict is a Decision with its reason.
type Verdict struct {
	Decision Decision
	// Reason is why the decision is not Run; empty if it is.
	Reason string
	// End: the running firings have to be stopped first.
	End bool
}

// Decide applies the policy to a firing of a job of which running other firings run and
// waiting ones wait. Only OverlapAllow uses maxRunning.
func (o Overlap) Decide(running, waiting, maxRunning int) Verdict {
	if o == OverlapAllow {
		// Waiting firings are older, and start first.
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

// Room reports whether one more firing may run while running others run.
func (o Overlap) Room(running, maxRunning int) bool {
	return running == 0 || o == OverlapAllow && running < maxRunning
}

// CatchUp is Decide for one of several late firings that all run: it waits for those
// before it, and stops none.
func (o Overlap) CatchUp(running, waiting, maxRunning int) Verdict {
	if waiting == 0 && o.Room(running, maxRunning) {
		return Verdict{Decision: Run}
	}
	return Verdict{Decision: Queued, Reason: "caught up after an earlier one"}
}

// Replace decides about a firing that waited for an earlier one to be stopped: it runs
// if the stop is proved on every host.
func Replace(proved bool) Verdict {
	if proved {
		return Verdict{Decision: Run}
	}
	return Verdict{Decision: Skipped, Reason: "the end of the earlier firing is not confirmed"}
}

// wordOf returns the i-th word, or "unknown".
func wordOf(words []string, i int) string {
	if i < 0 || i >= len(words) {
		return "unknown"
	}
	return words[i]
}
