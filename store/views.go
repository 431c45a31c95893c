package store

import (
	"context"

	"tutti/fanout"
)

// Visible reports whether the caller may see a host; nil: it may see all. Hidden hosts
// are neither returned nor counted.
type Visible func(host string) bool

// sees is v, also for nil.
func (v Visible) sees(host string) bool { return v == nil || v(host) }

// Views are the reads for pages and answers of programs: the cost of each is in
// proportion to what it returns, however large the history is. The methods may be
// called by many goroutines at once. A run that does not exist has no hosts. Errors are
// of type *Error unless a method says otherwise.
type Views interface {
	// RunsPage returns the first q.Limit runs that match q, newest first; 0:
	// DefaultPage.
	RunsPage(ctx context.Context, q Query) (RunPage, error)
	// Submitted is Run of a History where "last" is the newest run that principal
	// submitted.
	Submitted(ctx context.Context, ref, principal string) (Run, error)
	// Counts returns, by run number, how many hosts of runs are visible. A run without
	// any is not in it. It reads all hosts of the runs: without a Visible, use the
	// Summary of a run.
	Counts(ctx context.Context, runs []int64, visible Visible) (map[int64]HostCounts, error)
	// Groups returns the groups of hosts of a run with the same answer, the smallest
	// group first.
	Groups(ctx context.Context, run int64, visible Visible) ([]Group, error)
	// ResultsPage returns the first hosts of a run that match q, in the order of its
	// plan.
	ResultsPage(ctx context.Context, q ResultQuery) (ResultPage, error)
	// Attempts returns the attempts of a host of a run before its last one. The error
	// is a *NoHostError if the run did not have the host.
	Attempts(ctx context.Context, run int64, host string) ([]RecordedAttempt, error)
	// OutputRange returns a part of the output of a host. It holds no more in memory
	// than that and a piece of 256 KiB. The error is a *NoHostError if the run did not
	// have the host.
	OutputRange(ctx context.Context, q OutputQuery) (OutputRange, error)
	// SearchOutput searches the output of a host for a text. When the deadline of ctx
	// has passed, it returns what it has found so far, and where it stopped. The error
	// is a *NoHostError if the run did not have the host.
	SearchOutput(ctx context.Context, q SearchQuery) (SearchResult, error)
	// Compare returns the hosts of two runs, grouped by their answers in both, fewest
	// hosts first.
	Compare(ctx context.Context, before, after int64, visible Visible) ([]Change, error)
	// HealthOf returns the healths of hosts, in their order; if hosts is nil, of all
	// hosts in any run, by name. A host that is in no run has only its name.
	HealthOf(ctx context.Context, hosts []string) ([]HostHealth, error)
	// HostRuns returns the results of a host in its newest runs, at most most.
	HostRuns(ctx context.Context, host string, most int) ([]HostRun, error)
}

// DefaultPage is the number of rows of a page without a limit.
const DefaultPage = 100

// A RunPage is a page of the runs that match a [Query].
type RunPage struct {
	Runs []Run
	// Next is the Before of the query for the next page; 0: this is the last.
	Next int64
}

// HostCounts count the hosts of a run by visibility.
type HostCounts struct {
	// Hosts counts the visible ones, Hidden the others.
	Hosts, Hidden int
	// Outcomes counts the visible ones that have ended, by outcome.
	Outcomes [7]int
}

// PageOfRuns makes a page of at most limit runs; runs has one more if there is a next
// page.
func PageOfRuns(runs []Run, limit int) RunPage {
	p := RunPage{Runs: runs}
	if len(runs) > limit {
		p.Runs = runs[:limit]
		p.Next = p.Runs[limit-1].ID
	}
	return p
}

// A Phase is the recorded phase of a host in a run, in a word.
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

// Phase returns the phase of the state.
func (s *HostState) Phase() Phase { return PhaseOf(s.Ended, s.Started, s.Attempts) }

// PhaseOf returns the phase of a host, from whether it has a result, whether the
// command of its last attempt was sent, and the number of attempts.
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

// CutOff returns the outcome of a host without a result in an interrupted run, by
// whether its command was sent.
func CutOff(started bool) fanout.Outcome {
	if started {
		return fanout.Lost
	}
	return fanout.Skipped
}
