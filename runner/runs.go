package runner

import (
	"context"
	"fmt"
	"path"
	"strconv"

	"tutti/internal/yamltree"
	"tutti/inventory"
	"tutti/store"
)

// A RunningError is a run that must have ended, and has not.
type RunningError struct {
	Run int64
	// Queued: it has not even started.
	Queued bool
}

func (e *RunningError) Error() string {
	if e.Queued {
		return fmt.Sprintf("run %d has not started", e.Run)
	}
	return fmt.Sprintf("run %d is still running", e.Run)
}

// Ended is a RunningError if run has not ended.
func Ended(run store.Run) error {
	if run.State.Ended() {
		return nil
	}
	return &RunningError{Run: run.ID, Queued: run.State == store.Queued}
}

// A NoHostError is a host that none of Runs included, or no run at all if Runs is
// empty.
type NoHostError struct {
	Host string
	Runs []int64
	// Near is a host of a similar name; empty: none.
	Near string
}

func (e *NoHostError) Error() string {
	switch len(e.Runs) {
	case 0:
		return fmt.Sprintf("no run included a host %q, and no inventory has a group of that name", e.Host)
	case 1:
		return fmt.Sprintf("run %[2]d did not include host %[1]q", e.Host, e.Runs[0])
	}
	return fmt.Sprintf("runs %[2]d and %[3]d did not include host %[1]q", e.Host, e.Runs[0], e.Runs[1])
}

// noHost is the error for a host that is not among known.
func noHost(host string, known []string, runs ...int64) error {
	return &NoHostError{Host: host, Runs: runs, Near: yamltree.Nearest(host, known)}
}

// EndedRun is the run that ref names; "last" is about the runs of user. The error is a
// [RunningError] if the run has not ended.
func EndedRun(ctx context.Context, s Records, ref, user string) (store.Run, error) {
	run, err := s.Run(ctx, ref, user)
	if err == nil {
		err = Ended(run)
	}
	return run, err
}

// HostsOfRun are the hosts of run that match patterns. The error is a [NoHostError] if
// a pattern matches none.
func HostsOfRun(ctx context.Context, s Records, run store.Run, patterns []string) ([]string, error) {
	names, err := s.HostsOf(ctx, strconv.FormatInt(run.ID, 10), "", nil)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, pattern := range patterns {
		found := matching(pattern, names)
		if found == nil {
			return nil, noHost(pattern, names, run.ID)
		}
		hosts = append(hosts, found...)
	}
	return hosts, nil
}

// HostsInHistory are the hosts of recorded runs that patterns mean: names and
// wildcards, else the hosts of a group or label in the current inventory. The error is
// a [NoHostError] if a pattern means none.
func (env *Env) HostsInHistory(ctx context.Context, s store.Store, patterns []string) ([]string, error) {
	names, err := s.HostNames(ctx)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, pattern := range patterns {
		found := matching(pattern, names)
		if found == nil {
			found = env.membersNow(ctx, pattern)
		}
		if found == nil {
			return nil, noHost(pattern, names)
		}
		hosts = append(hosts, found...)
	}
	return hosts, nil
}

// membersNow are the hosts that item selects in the inventory; nil if it selects
// none, or there is none.
func (env *Env) membersNow(ctx context.Context, item string) []string {
	inv, _, err := env.LoadInventory(ctx, &Request{}, nil)
	if err != nil {
		return nil
	}
	selector, err := inventory.ParseSelector(item)
	if err != nil {
		return nil
	}
	selection, err := inv.Select(ctx, selector, inventory.SelectOptions{Unusable: true})
	if err != nil {
		return nil
	}
	var names []string
	for _, h := range selection.Hosts {
		names = append(names, h.Name)
	}
	return names
}

// matching are the names that match pattern.
func matching(pattern string, names []string) []string {
	var found []string
	for _, name := range names {
		if ok, err := path.Match(pattern, name); name == pattern || err == nil && ok {
			found = append(found, name)
		}
	}
	return found
}
