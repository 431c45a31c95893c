package tables

import (
	"context"

	"tutti/scheduler"
	"tutti/store"
)

// EndOf is the end of a run for the ledger; ended is false if it has not ended. A nil run
// does not exist any more.
func EndOf(ctx context.Context, c Reader, id int64, run *store.Run) (e scheduler.Ended, ended bool, err error) {
	e.Run = id
	switch {
	case run == nil:
		return e, true, nil
	case !run.State.Ended():
		return e, false, nil
	}
	e.State, e.Selector, e.Command, e.ExitCode, e.Summary = string(run.State), run.Selector, run.Command, run.ExitCode, run.Summary
	e.Unproved, err = Exists(ctx, c, "SELECT 1 FROM results WHERE run_id = ? AND (outcome = 'lost' OR remote_state = 'unknown')", id)
	if err == nil {
		e.HostsFailed, err = HostsNotOK(ctx, c, id)
	}
	return e, true, err
}

// CountEnded updates, in jobs, the consecutive failures of the subjects by the ends of
// their runs.
func CountEnded(jobs []scheduler.StoredJob, subjects []scheduler.Subject, endsOf func(runs []int64) ([]scheduler.Ended, error)) error {
	streaks := make(map[int64]scheduler.ConsecutiveFailures)
	for i := range subjects {
		state := subjects[i].State
		ends, err := endsOf(state.Running())
		if err != nil {
			return err
		}
		for _, e := range ends {
			t, err := state.End(e, scheduler.Moment{})
			if err != nil {
				return err
			}
			state = t.Next
		}
		streaks[state.ID] = state.CountEnded()
	}
	for i := range jobs {
		if streak, ended := streaks[jobs[i].ID]; ended {
			jobs[i].ConsecutiveFailures = streak
		}
	}
	return nil
}
