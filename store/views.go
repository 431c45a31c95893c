package store

import (
	"context"

	"tutti/fanout"
)

// Visible reports whether somebody may see a host; nil: all may be seen. What is
// hidden is neither told nor counted.
type Visible func(host string) bool

// sees is v, which may be nil.
func (v Visible) sees(host string) bool { return v == nil || v(host) }

// Views are the reads that a page or an answer of a program is made of: each costs
// about as much as it returns, however large the history is. Their methods may be
// called by many goroutines at once. A run that does not exist has no hosts. Errors
// are of type *Error unless they say something else.
type Views interface {
	// RunsPage are the first q.Limit runs that fit q, newest first; 0: DefaultPage.
	RunsPage(ctx context.Context, q Query) (RunPage, error)
	// Counts are those of the visible hosts of runs, by their numbers. A run without any
	// is not in it. Its time is that of reading all hosts of the runs: without a Visible,
	// the Summary of a run has the same.
	Counts(ctx context.Context, runs []int64, visible Visible) (map[int64]HostCounts, error)
	// Groups are the hosts of a run that answered the same, the smallest group first.
	Groups(ctx context.Context, run int64, visible Visible) ([]Group, error)
	// ResultsPage are the first hosts of a run that fit q, in the order of its plan.
	ResultsPage(ctx context.Context, q ResultQuery) (ResultPage, error)
	// Attempts are those of a host of a run before its last one. It is a *NoHostError
	// if the host had no part in the run.
	Attempts(ctx context.Context, run int64, host string) ([]RecordedAttempt, error)
	// OutputRange is a part of what a host said, and no more of it in memory than was
	// asked for and a piece of 256 KiB. It is a *NoHostError if the host had no part
	// in the run.
	OutputRange(ctx context.Context, q OutputQuery) (OutputRange, error)
	// SearchOutput looks for a text in what a host said. When the deadline of ctx is
	// over it returns what it has found so far, and where it has stopped. It is a
	// *NoHostError if the host had no part in the run.
	SearchOutput(ctx context.Context, q SearchQuery) (SearchResult, error)
	// Compare are the hosts of two runs, those with the same answers in both together,
	// fewest hosts first.
	Compare(ctx context.Context, before, after int64, visible Visible) ([]Change, error)
	// HealthOf is what is known of whether hosts can be reached, in their order; of
	// all that had a part in a run, by name, if hosts is nil. A host that is in no run
	// has nothing but its name.
	HealthOf(ctx context.Context, hosts []string) ([]HostHealth, error)
	// HostRuns are what became of a host in the newest runs it had a part in, at most
	// as many as most.
	HostRuns(ctx context.Context, host string, most int) ([]HostRun, error)
}

// DefaultPage is how many rows a page has of which the limit is 0.
const DefaultPage = 100

// A RunPage is some of the runs that fit a [Query].
type RunPage struct {
	Runs []Run
	// Next is the Before of the query for the next page; 0: there is none.
	Next int64
}

// HostCounts are how many hosts of a run are visible.
type HostCounts struct {
	// Hosts is how many are, and Hidden how many are not.
	Hosts, Hidden int
	// Outcomes are those of the visible ones that have ended, by their outcome.
	Outcomes [7]int
}

// PageOfRuns makes a page of at most limit runs out of those that were read: one more
// than that, if there are.
func PageOfRuns(runs []Run, limit int) RunPage {
	p := RunPage{Runs: runs}
	if len(runs) > limit {
		p.Runs = runs[:limit]
		p.Next = p.Runs[limit-1].ID
	}
	return p
}

// A Phase says in a word how far a host of a run is, as far as that is on record.
type Phase string

// The phases of a host.
const (
	// HostWaiting: its command has not been sent. It may be about to connect.
	HostWaiting Phase = "waiting"
	// HostRunning: its command has been sent.
	HostRunning Phase = "running"
	// HostRetrying: it is between two attempts.
	HostRetrying Phase = "retrying"
	// HostEnded: it has a result.
	HostEnded Phase = "ended"
)

// Phase is the word for the state.
func (s *HostState) Phase() Phase { return PhaseOf(s.Ended, s.Started, s.Attempts) }

// PhaseOf is the phase of a host, by whether it has a result, whether the command of
// its last attempt was sent, and how many attempts there were.
func PhaseOf(ended, started bool, attempts int) Phase {
	switch {
	case ended:
		return HostEnded
	case started:
		return HostRunning
	case attempts > 0:
		return HostRetrying
	}
	return HostWaiting
}

// CutOff is the outcome of a host without a result in a run that nobody records any
// more, by whether its command was sent.
func CutOff(started bool) fanout.Outcome {
	if started {
		return fanout.Lost
	}
	return fanout.Skipped
}
