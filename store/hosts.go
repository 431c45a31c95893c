package store

import (
	"fmt"
	"time"

	"tutti/fanout"
)

// A ResultQuery selects hosts of a run, and a page of them.
type ResultQuery struct {
	Run int64
	// From is the lowest position in the plan, from 0.
	From int
	// Limit is how many hosts are returned at most; 0: DefaultPage.
	Limit int
	// Phases and Outcomes select hosts in one of these phases, or ended with one of
	// these outcomes; both nil: any.
	Phases   []Phase
	Outcomes []fanout.Outcome
	// Hosts by name; nil: any.
	Hosts []string
	// Name is a part of the name; "": any.
	Name string
	// Started selects the hosts to which the command was sent, or was not; nil: any.
	Started *bool
	// Visible are the hosts that the caller may see; nil: all.
	Visible Visible
}

// Limited returns the limit of the page.
func (q *ResultQuery) Limited() int {
	if q.Limit > 0 {
		return q.Limit
	}
	return DefaultPage
}

// Sees reports whether the caller may see the host.
func (q *ResultQuery) Sees(host string) bool { return q.Visible.sees(host) }

// A ResultPage is a page of the hosts that match a [ResultQuery].
type ResultPage struct {
	Hosts []HostRow
	// Next is the From of the query for the next page; 0: this is the last.
	Next int
}

// A HostRow is a host of a run. Of one that has not ended only Target, Attempts,
// StartedAt, the sizes, and of the report Address and Started are set.
type HostRow struct {
	Phase Phase
	HostResult
}

// A HostRun is the result of a host in a run.
type HostRun struct {
	Run Run
	HostRow
}

// A HostHealth is whether a host could be reached, from the results of runs and from
// heartbeats. A result counts if its command was sent, or if it is ok, failed, or
// unreachable for a reason other than this machine.
type HostHealth struct {
	Host string
	// LastRun is the newest run with the host; 0: none.
	LastRun int64
	// Reached is the newest contact, and Failed the newest failure to reach the host
	// after that; zero: none.
	Reached, Failed Contact
	// Since is the first recorded failure after the host was last reached; zero if it
	// is reachable.
	Since time.Time
	// Op and Error describe Failed.
	Op    fanout.Op
	Error string
	// Beat: the newest of Reached and Failed is a heartbeat.
	Beat bool
}

// A Contact is an attempt to reach a host. The zero value is none.
type Contact struct {
	// Run made it; 0: a heartbeat did.
	Run int64
	At  time.Time
}

// Last returns the newest contact, or failure to reach the host.
func (h *HostHealth) Last() Contact {
	if h.Unreachable() {
		return h.Failed
	}
	return h.Reached
}

// Unreachable reports whether the newest contact failed.
func (h *HostHealth) Unreachable() bool { return h.Failed != Contact{} }

// The healths of a host.
const (
	HealthReachable   = "reachable"
	HealthUnreachable = "unreachable"
	HealthUnknown     = "unknown"
)

// State returns the health of the host at now: HealthUnknown if there was no contact
// within quiet; 0: if there never was.
func (h *HostHealth) State(now time.Time, quiet time.Duration) string {
	last := h.Last()
	switch {
	case last == Contact{} || quiet > 0 && now.Sub(last.At) > quiet:
		return HealthUnknown
	case h.Unreachable():
		return HealthUnreachable
	}
	return HealthReachable
}

// A NoHostError says that a run did not have the host.
type NoHostError struct {
	noAdvice
	Run  int64
	Host string
}

func (e *NoHostError) Error() string {
	return fmt.Sprintf("host %s had no part in run %d", e.Host, e.Run)
}

// PageOfHosts makes a page of the hosts that match q; read returns the first hosts that
// do, seen or not, at most limit.
func PageOfHosts(q ResultQuery, read func(q *ResultQuery, limit int) ([]HostRow, error)) (page ResultPage, err error) {
	limit := q.Limited()
	for more := true; more && len(page.Hosts) <= limit; {
		rows, err := read(&q, limit+1)
		if err != nil {
			return ResultPage{}, err
		}
		for i := range rows {
			if q.Sees(rows[i].Target.Name) {
				page.Hosts = append(page.Hosts, rows[i])
			}
		}
		if more = len(rows) == limit+1; more {
			q.From = rows[limit].Target.Index + 1
		}
	}
	if len(page.Hosts) > limit {
		page.Next = page.Hosts[limit].Target.Index
		page.Hosts = page.Hosts[:limit]
	}
	return page, nil
}
