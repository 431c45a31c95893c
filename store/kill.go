package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
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
// numbers. Whoever carries them out ends them soon. Of a job
// what has not begun is not begun any more. The error is a *NoJobError, a
// *NoRunError, or a *KillError if the run cannot be ended.
func (s *Store) KillRuns(ctx context.Context, ref KillRef, by string, now time.Time) ([]int64, error) {
	if err := s.changeable(); err != nil {
		return nil, err
	}
	if ref.Job != "" {
		return s.killJob(ctx, ref.Job, by, now)
	}
	run, err := s.Run(ctx, strconv.FormatInt(ref.Run, 10), "")
	switch {
	case err != nil:
		return nil, err
	case run.JobID == 0:
		return nil, &KillError{Run: ref.Run, Reason: "it is not of a job", advice: AdviceKillElsewhere}
	case run.State != Running:
		return nil, endedError(ref.Run)
	}
	_, err = scheduler.NewDesk(s).Apply(ctx, run.JobID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		return s.KillRun(ref.Run, by, at)
	})
	if errors.Is(err, scheduler.ErrConflict) {
		err = endedError(ref.Run)
	}
	if err != nil {
		return nil, err
	}
	return []int64{ref.Run}, nil
}

func endedError(run int64) error {
	return &KillError{Run: run, Reason: "it has ended", advice: AdviceRunEnded}
}

func (s *Store) killJob(ctx context.Context, name, by string, now time.Time) ([]int64, error) {
	subjects, err := s.Find(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(subjects) == 0 {
		return nil, s.fault("read", s.noJob(ctx, s.r, name))
	}
	var runs []int64
	for _, x := range subjects {
		t, err := scheduler.NewDesk(s).Apply(ctx, x.State.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Kill(by, at), nil
		})
		if err != nil {
			return nil, err
		}
		for _, stop := range t.Stops {
			runs = append(runs, stop.Run)
		}
	}
	slices.Sort(runs)
	return runs, nil
}

// Stop asks for the end of a run that is of no job; see [scheduler.Ledger].
func (s *Store) Stop(ctx context.Context, x scheduler.Stop) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		runs, err := exists(ctx, tx, "SELECT 1 FROM runs WHERE id = ? AND state = 'running'", x.Run)
		if err != nil || !runs {
			return cmp.Or(err, scheduler.ErrConflict)
		}
		return writeStop(ctx, tx, &x)
	})
}

// Stops are the requests to stop those of the runs of which there is one; see
// [scheduler.Ledger].
func (s *Store) Stops(ctx context.Context, runs []int64) ([]scheduler.Stop, error) {
	stops, err := s.stops(ctx, runs)
	return stops, s.fault("read", err)
}

func (s *Store) stops(ctx context.Context, runs []int64) (stops []scheduler.Stop, err error) {
	list, err := json.Marshal(runs)
	if err != nil {
		return nil, err
	}
	rows, err := s.r.QueryContext(ctx, `
		SELECT id, kill_by, kill_at, replaced_by FROM runs
		WHERE id IN (SELECT value FROM json_each(?)) AND kill_at IS NOT NULL ORDER BY id`, string(list))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var x scheduler.Stop
		var at sql.NullString
		var replacedBy sql.NullInt64
		if err := rows.Scan(&x.Run, &x.By, &at, &replacedBy); err != nil {
			return nil, err
		}
		x.ReplacedBy = replacedBy.Int64
		if x.At, err = parseTime(at); err != nil {
			return nil, err
		}
		stops = append(stops, x)
	}
	return stops, rows.Err()
}
