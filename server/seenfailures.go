package server

import (
	"context"
	"time"

	"tutti/fanout"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/store"
)

// mostSeenFailures bounds how many consecutive failures are told to who sees some of the
// hosts: they are counted for that one.
const mostSeenFailures = 100

// seenView is a job for who asks: whether it runs, and how often it has failed, by the hosts
// that it may see.
func (a jobOps) seenView(ctx context.Context, v jobs.View) (jobs.View, error) {
	visible, err := a.visible(ctx)
	if err != nil || visible == nil || v.ConsecutiveFailures.Count == 0 && len(v.Running) == 0 {
		return v, err
	}
	counts, err := a.Runs.Counts(ctx, v.Running, visible)
	if err != nil {
		return v, err
	}
	var running []int64
	for _, run := range v.Running {
		if _, sees := counts[run]; sees {
			running = append(running, run)
		}
	}
	failures, err := a.seenFailures(ctx, &v, visible)
	return v.Seen(failures, running), err
}

// seenFailures are the consecutive failures of a job by the hosts that may be seen. They
// are among its failures: a run that was ok is so on each of its hosts.
func (a jobOps) seenFailures(ctx context.Context, v *jobs.View, visible store.Visible) (seen scheduler.ConsecutiveFailures, err error) {
	if v.ConsecutiveFailures.Count == 0 {
		return seen, nil
	}
	rows, err := a.Jobs.Log(ctx, store.FiringQuery{Job: v.Name, Limit: mostSeenFailures})
	if err != nil {
		return seen, err
	}
	var ids []int64
	for i := range rows {
		if rows[i].Run != nil {
			ids = append(ids, rows[i].RunID)
		}
	}
	counts, err := a.Runs.Counts(ctx, ids, visible)
	if err != nil {
		return seen, err
	}
	for i := range rows {
		row := &rows[i]
		if row.JobID != v.ID {
			break
		}
		switch ended, fate := seenFate(row, counts); fate {
		case seenOK:
			return seen, nil
		case seenFailed:
			seen.Count++
			seen.Since = ended
		}
	}
	return seen, nil
}

// A fate is what a firing means for the consecutive failures of its job.
type fate int

const (
	seenNothing fate = iota // it goes on, was stopped, is not for who asks, or is not on record
	seenOK
	seenFailed
)

// seenFate is the fate of a firing by the hosts that may be seen, and when it ended.
func seenFate(row *store.FiringRow, counts map[int64]store.HostCounts) (ended time.Time, f fate) {
	switch {
	case row.Decision == scheduler.Failed || row.Decision == scheduler.Refused:
		return row.DecidedAt, seenFailed
	case row.Run == nil || !row.Run.State.Ended() || row.Reason != "":
		return ended, seenNothing
	}
	hosts, sees := counts[row.RunID]
	switch {
	case !sees:
		return ended, seenNothing
	case hosts.Outcomes[fanout.OK] == hosts.Hosts:
		return ended, seenOK
	}
	return row.Run.Summary.Ended, seenFailed
}
