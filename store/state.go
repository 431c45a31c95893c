package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"tutti/scheduler"
)

// loadState reads a job and what its firings have come to, for the rules of
// [scheduler.JobState]; name is that of the job if it was removed.
func (s *Store) loadState(ctx context.Context, q queryer, job int64, name string) (state scheduler.JobState, err error) {
	if state.Kept, state.Removed, err = s.jobOrRemoved(ctx, q, job, name); err != nil {
		return state, err
	}
	return state, s.loadFirings(ctx, q, &state)
}

// loadFirings reads the open firings of a job.
func (s *Store) loadFirings(ctx context.Context, q queryer, state *scheduler.JobState) (err error) {
	if state.Open, err = selectFirings(ctx, q, "job_id = ? AND "+openFirings+" ORDER BY id", state.ID); err != nil {
		return err
	}
	var runs, queued []int64
	for i := range state.Open {
		f := &state.Open[i]
		if f.Run != 0 {
			runs = append(runs, f.Run)
		}
		if f.Repeats != 0 {
			runs = append(runs, f.Repeats)
		}
		if f.Decision == scheduler.Queued {
			queued = append(queued, f.ID)
		}
	}
	state.Runs, err = s.jobRuns(ctx, q, runs, queued)
	return err
}

// runsOfState are the runs of these numbers, and those that firings of these
// numbers replace. Of a run that is replaced and has ended it is looked up
// whether that is proved on every host.
const runsOfState = "SELECT " + runColumns + `, replaced_by,
		(SELECT coalesce(scheduled_at, decided_at) FROM firings WHERE firings.id = replaced_by),
		replaced_by IS NOT NULL AND state <> 'running' AND EXISTS (
			SELECT 1 FROM results WHERE run_id = runs.id AND (outcome = 'lost' OR remote_state = 'unknown'))
	FROM runs WHERE id IN (
		SELECT value FROM json_each(?) UNION SELECT id FROM runs WHERE replaced_by IN (SELECT value FROM json_each(?)))`

func (s *Store) jobRuns(ctx context.Context, q queryer, ids, replacedBy []int64) (runs []scheduler.JobRun, err error) {
	if ids == nil && replacedBy == nil {
		return nil, nil
	}
	args := make([]any, 2)
	for i, list := range [][]int64{ids, replacedBy} {
		text, err := json.Marshal(append([]int64{}, list...)) // nil would be no JSON list
		if err != nil {
			return nil, err
		}
		args[i] = string(text)
	}
	rows, err := q.QueryContext(ctx, runsOfState, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var replaced sql.NullInt64
		var at sql.NullString
		var unproved bool
		run, err := scanRun(rows, &replaced, &at, &unproved)
		if err != nil {
			return nil, err
		}
		x := scheduler.JobRun{
			ID: run.ID, Job: run.Job, At: run.ScheduledAt, State: string(run.State), Selector: run.Selector, Command: run.Command,
			ExitCode: run.ExitCode, KillBy: run.KillBy, ReplacedBy: replaced.Int64, Unproved: unproved, Summary: run.Summary,
		}
		if x.ReplacedAt, err = parseTime(at); err != nil {
			return nil, err
		}
		runs = append(runs, x)
	}
	return runs, rows.Err()
}

// momentOf is now, with the number of the next firing. Nobody else takes it while
// the transaction has the write lock.
func momentOf(ctx context.Context, tx *sql.Tx, now time.Time) (scheduler.Moment, error) {
	at := scheduler.Moment{Now: now}
	err := tx.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'firings'").Scan(&at.NextID)
	return at, err
}

// follow writes down what follows from a rule that was applied to a state.
func (s *Store) follow(ctx context.Context, tx *sql.Tx, before *scheduler.JobState, t *scheduler.Transition, at scheduler.Moment) error {
	for i := range t.Firings {
		write := updateFiring
		if t.Firings[i].ID >= at.NextID {
			write = insertFiring
		}
		if err := write(ctx, tx, &t.Firings[i]); err != nil {
			return err
		}
	}
	for _, x := range t.Stops {
		_, err := tx.ExecContext(ctx, `
			UPDATE runs SET kill_at = coalesce(kill_at, ?), kill_by = coalesce(kill_by, ?), replaced_by = coalesce(?, replaced_by)
			WHERE id = ? AND state = 'running'`, timeText(x.At), x.By, number(x.ReplacedBy), x.Run)
		if err != nil {
			return err
		}
	}
	for i := range t.Messages {
		if err := enqueueMessage(ctx, tx, &t.Next.Notify, &t.Messages[i], at.Now); err != nil {
			return err
		}
	}
	was, is := &before.Kept, &t.Next.Kept
	if t.Next.Removed || timeText(was.Cursor) == timeText(is.Cursor) && was.Streak == is.Streak && was.Alarm == is.Alarm {
		return nil
	}
	_, err := tx.ExecContext(ctx, "UPDATE jobs SET cursor = ?, failures = ?, failing_since = ?, alarm = ? WHERE id = ?",
		timeText(is.Cursor), is.Streak.Failures, timeText(is.Streak.Since), text(is.Alarm), is.ID)
	return err
}

// applyTo applies a rule to the state of a job, and writes down what follows.
func (s *Store) applyTo(ctx context.Context, tx *sql.Tx, state *scheduler.JobState, now time.Time,
	rule func(scheduler.JobState, scheduler.Moment) (scheduler.Transition, error),
) (t scheduler.Transition, err error) {
	at, err := momentOf(ctx, tx, now)
	if err != nil {
		return t, err
	}
	if t, err = rule(*state, at); err != nil {
		return t, err
	}
	return t, s.follow(ctx, tx, state, &t, at)
}

// apply is applyTo for the job of that number.
func (s *Store) apply(ctx context.Context, tx *sql.Tx, job int64, name string, now time.Time,
	rule func(scheduler.JobState, scheduler.Moment) (scheduler.Transition, error),
) (t scheduler.Transition, err error) {
	state, err := s.loadState(ctx, tx, job, name)
	if err != nil {
		return t, err
	}
	return s.applyTo(ctx, tx, &state, now, rule)
}

// A jobRef is a job that may have been removed.
type jobRef struct {
	id   int64
	name string
}

// jobsWith are the jobs with firings that fit, in the order of the oldest of
// those.
func jobsWith(firings []scheduler.FiringRecord) (refs []jobRef) {
	seen := make(map[int64]bool)
	for _, f := range firings {
		if !seen[f.JobID] {
			seen[f.JobID] = true
			refs = append(refs, jobRef{f.JobID, f.Job})
		}
	}
	return refs
}
