package store

import (
	"fmt"
	"time"

	"tutti/fanout"
)

// A ResultQuery chooses hosts of a run, and a page of them.
type ResultQuery struct {
	Run int64
	// From is the lowest position in the plan, from 0.
	From int
	// Limit is how many hosts are returned at most; 0: DefaultPage.
	Limit int
	// Phases, and Outcomes of those that have ended: one of either; both nil: any.
	Phases   []Phase
	Outcomes []fanout.Outcome
	// Hosts by name; nil: any.
	Hosts []string
	// Name is a part of the name; "": any.
	Name string
	// Started: only those on which the command was sent, or was not; nil: any.
	Started *bool
	// Visible are the hosts that may be told of; nil: all.
	Visible Visible
}

// Limited is the limit of a page.
func (q *ResultQuery) Limited() int {
	if q.Limit > 0 {
		return q.Limit
	}
	return DefaultPage
}

// Sees reports whether the host may be told of.
func (q *ResultQuery) Sees(host string) bool { return q.Visible.sees(host) }

// A ResultPage is some of the hosts that fit a [ResultQuery].
type ResultPage struct {
	Hosts []HostRow
	// Next is the From of the query for the next page; 0: there is none.
	Next int
}

// A HostRow is a host of a run. Of one that has not ended only Target, Attempts,
// StartedAt, the sizes, and of the report Address and Started are known.
type HostRow struct {
	Phase Phase
	HostResult
}

// A HostRun is what became of a host in a run.
type HostRun struct {
	Run Run
	HostRow
}

// A HostHealth is what runs have found out about whether a host can be reached. A
// result says so if its command was sent, or it ended as ok, failed, or unreachable
// for a reason that is not on our side; any other says nothing.
type HostHealth struct {
	Host string
	// LastRun is the newest run that it had a part in; 0: none.
	LastRun int64
	// Reached is the newest contact, and Failed the newest failure to reach it after
	// that.
	Reached, Failed Contact
	// Since is when it was first unreachable after it was last reached; zero if it is
	// not. It is the oldest that is on record.
	Since time.Time
	// Op and Error are about Failed.
	Op    fanout.Op
	Error string
}

// A Contact is a run that reached a host, or tried to. The zero value is none.
type Contact struct {
	Run int64
	At  time.Time
}

// The healths of a host.
const (
	HealthReachable   = "reachable"
	HealthUnreachable = "unreachable"
	HealthUnknown     = "unknown"
)

// State says whether the host can be reached, now: HealthUnknown if there was no
// contact within quiet; 0: ever.
func (h *HostHealth) State(now time.Time, quiet time.Duration) string {
	last, state := h.Reached, HealthReachable
	if h.Failed.Run > h.Reached.Run {
		last, state = h.Failed, HealthUnreachable
	}
	if last.Run == 0 || quiet > 0 && now.Sub(last.At) > quiet {
		return HealthUnknown
	}
	return state
}

// A NoHostError says that a host had no part in a run.
type NoHostError struct {
	noAdvice
	Run  int64
	Host string
}

func (e *NoHostError) Error() string {
	return fmt.Sprintf("host %s had no part in run %d", e.Host, e.Run)
}
