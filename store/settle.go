package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"tutti/scheduler"
)

// endedFirings are those that have come to their end and are not settled.
const endedFirings = openFirings + ` AND (decision = 'failed'
	OR run_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id AND state = 'running'))`

// asTheyEnded is the order in which they did.
const asTheyEnded = " ORDER BY coalesce((SELECT ended_at FROM runs WHERE runs.id = run_id), decided_at), id"

// Settle returns the firings that have ended and nobody was told of; see
// [scheduler.Jobs].
func (d *Daemon) Settle(ctx context.Context, now time.Time) (endings []scheduler.Ending, err error) {
	d.tick(now)
	some, err := exists(ctx, d.store.r, "SELECT 1 FROM firings WHERE "+endedFirings)
	if err != nil || !some {
		return nil, d.store.fault("read", err)
	}
	err = d.store.change(ctx, func(tx *sql.Tx) error {
		endings, err = d.store.settle(ctx, tx, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return endings, nil
}

func (s *Store) settle(ctx context.Context, tx *sql.Tx, now time.Time) (endings []scheduler.Ending, err error) {
	firings, err := selectFirings(ctx, tx, endedFirings+asTheyEnded)
	if err != nil {
		return nil, err
	}
	member, err := s.carriers(ctx, tx, firings)
	if err != nil {
		return nil, err
	}
	for _, job := range jobsWith(firings) {
		t, err := s.apply(ctx, tx, job.id, job.name, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Settle(member, at), nil
		})
		if err != nil {
			return nil, err
		}
		endings = append(endings, t.Endings...)
	}
	place := make(map[int64]int, len(firings))
	for i, f := range firings {
		place[f.ID] = i
	}
	slices.SortStableFunc(endings, func(a, b scheduler.Ending) int { return cmp.Compare(place[a.ID], place[b.ID]) })
	return endings, nil
}

// carriers are the processes that carried out the firings, as far as they say
// whether those who asked for firings carried them out themselves.
func (s *Store) carriers(ctx context.Context, q queryer, firings []scheduler.FiringRecord) (func(int64) scheduler.Member, error) {
	members := make(map[int64]scheduler.Member)
	for _, f := range firings {
		if _, known := members[f.Daemon]; known || f.RequestedBy == "" {
			continue
		}
		serves, err := s.serves(ctx, q, f.Daemon)
		if err != nil {
			return nil, err
		}
		members[f.Daemon] = scheduler.Member{Serves: serves}
	}
	return func(id int64) scheduler.Member { return members[id] }, nil
}

// CountEnded brings the streaks of jobs up to what has ended and no daemon has
// settled yet, as where none is running. Nothing is written.
func (s *Store) CountEnded(ctx context.Context, jobs []scheduler.Kept) error {
	return s.fault("read", s.countEnded(ctx, jobs))
}

func (s *Store) countEnded(ctx context.Context, jobs []scheduler.Kept) error {
	firings, err := selectFirings(ctx, s.r, endedFirings)
	if err != nil || len(firings) == 0 {
		return err
	}
	member, err := s.carriers(ctx, s.r, firings)
	if err != nil {
		return err
	}
	ended := make(map[int64]bool)
	for _, f := range firings {
		ended[f.JobID] = true
	}
	for i := range jobs {
		k := &jobs[i]
		if !ended[k.ID] {
			continue
		}
		state := scheduler.JobState{Kept: *k}
		if err := s.loadFirings(ctx, s.r, &state); err != nil {
			return err
		}
		k.Streak = state.CountEnded(member)
	}
	return nil
}

// SetExitCode puts the exit code of the process that carried a run out in the
// place of the one that was known at the end of the run.
func (s *Store) SetExitCode(ctx context.Context, run int64, code int) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE runs SET exit_code = ? WHERE id = ?", code, run)
		return err
	})
}
