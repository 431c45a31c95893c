package sqlite

import (
	"context"
	"strings"
	"sync"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// A contact is what a run says of a host: that it reached the host, and when, or not.
type contact struct {
	host    string
	reached bool
	at      time.Time
}

// keptContacts is how many runs an endedContacts keeps: 10,000 hosts are 1 MB.
const keptContacts = 4

// endedContacts are the contacts of the newest runs that have ended with many hosts: they
// do not change any more, and reading them takes longer than all else. Its methods may be
// called by many goroutines at once.
type endedContacts struct {
	mu   sync.Mutex
	runs map[int64][]contact
}

func (e *endedContacts) of(run int64) (all []contact, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all, ok = e.runs[run]
	return all, ok
}

// keep keeps those of a run, and forgets those of the oldest run if there are too many.
func (e *endedContacts) keep(run int64, all []contact) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.runs == nil {
		e.runs = map[int64][]contact{}
	}
	e.runs[run] = all
	if len(e.runs) <= keptContacts {
		return
	}
	for other := range e.runs {
		run = min(run, other)
	}
	delete(e.runs, run)
}

// read returns the contacts of a run in that state.
func (e *endedContacts) read(ctx context.Context, q queryer, run int64, state store.State) ([]contact, error) {
	if all, ok := e.of(run); ok {
		return all, nil
	}
	lines, err := linesOf(ctx, q, ofRun, run)
	if err != nil {
		return nil, err
	}
	var all []contact
	var times timeReader
	for line := range lines {
		c := contact{host: strings.TrimPrefix(line, "0")}
		if rest, ok := strings.CutPrefix(line, "1"); ok && len(rest) > len(fanout.TimeLayout) {
			c.reached, c.host = true, rest[len(fanout.TimeLayout):]
			if c.at, err = times.read(rest[:len(fanout.TimeLayout)]); err != nil {
				return nil, err
			}
		}
		all = append(all, c)
	}
	if state.Ended() && len(all) > fewHosts {
		e.keep(run, all)
	}
	return all, nil
}
