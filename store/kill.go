package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tutti/scheduler"
)

// A KillRef names what is to be ended: all that runs of the job of a name, or
// one run. One of the two is set.
type KillRef struct {
	Job string
	Run int64
}

// KillRuns asks for the end of runs of jobs, which by wants, and returns their
// numbers. Whoever carries them out ends them soon, see [Daemon.Killed]. Of a job
// what has not begun is not begun any more. The error is a *NoJobError, a
// *NoRunError, or a *KillError if the run cannot be ended.
func (s *Store) KillRuns(ctx context.Context, ref KillRef, by string, now time.Time) (runs []int64, err error) {
	err = s.change(ctx, func(tx *sql.Tx) error {
		if ref.Job != "" {
			runs, err = s.killJob(ctx, tx, ref.Job, by, now)
			return err
		}
		if err := s.killable(ctx, tx, ref.Run); err != nil {
			return err
		}
		runs = []int64{ref.Run}
		return markKilled(ctx, tx, ref.Run, by, now)
	})
	if err != nil {
		return nil, err
	}
	return runs, nil
}

func (s *Store) killJob(ctx context.Context, tx *sql.Tx, name, by string, now time.Time) ([]int64, error) {
	ids, err := column[int64](ctx, tx, "SELECT id FROM jobs WHERE name = ? UNION SELECT job_id FROM firings WHERE job = ? AND "+openFirings, name, name)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, s.noJob(ctx, tx, name)
	}
	var runs []int64
	for _, id := range ids {
		t, err := s.apply(ctx, tx, id, name, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Kill(by, at), nil
		})
		if err != nil {
			return nil, err
		}
		for _, x := range t.Stops {
			runs = append(runs, x.Run)
		}
	}
	slices.Sort(runs)
	return runs, nil
}

// killable says why the run cannot be ended, or nil.
func (s *Store) killable(ctx context.Context, tx *sql.Tx, id int64) error {
	var state State
	var job sql.NullInt64
	err := tx.QueryRowContext(ctx, "SELECT state, job_id FROM runs WHERE id = ?", id).Scan(&state, &job)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return s.noRun(ctx, fmt.Sprint(id))
	case err != nil:
		return err
	case !job.Valid:
		return &KillError{Run: id, Reason: "it is not of a job", hint: "end it where it was started, with Ctrl-C or the signal TERM"}
	case state != Running:
		return &KillError{Run: id, Reason: "it has ended", hint: fmt.Sprintf("see `tutti show %d`", id)}
	}
	return nil
}

// markKilled asks for the end of a run. Who was first is kept.
func markKilled(ctx context.Context, tx *sql.Tx, id int64, by string, now time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE runs SET kill_at = ?, kill_by = ? WHERE id = ? AND state = 'running' AND kill_at IS NULL",
		timeText(now), by, id)
	return err
}
