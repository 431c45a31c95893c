package store

import (
	"context"

	"tutti/scheduler"
)

// CountEnded brings the streaks of jobs up to what has ended and no daemon has
// settled yet, as where none is running. Nothing is written.
func (s *Store) CountEnded(ctx context.Context, jobs []scheduler.Kept) error {
	return s.fault("read", s.countEnded(ctx, jobs))
}

func (s *Store) countEnded(ctx context.Context, jobs []scheduler.Kept) error {
	byID := make(map[int64]*scheduler.Kept, len(jobs))
	for i := range jobs {
		byID[jobs[i].ID] = &jobs[i]
	}
	firings, err := selectFirings(ctx, s.r, endedFirings+asTheyEnded)
	if err != nil {
		return err
	}
	for i := range firings {
		f := &firings[i]
		k := byID[f.jobID]
		if k == nil {
			continue
		}
		at := f.decided
		var run *Run
		if f.run != 0 {
			runs, err := s.selectRuns(ctx, s.r, "SELECT "+runColumns+" FROM runs WHERE id = ?", f.run)
			if err != nil {
				return err
			}
			if len(runs) == 0 {
				continue // how it ended nobody can know
			}
			run = &runs[0]
			if f.reason, err = s.endedBy(ctx, s.r, f, run, k.Zone); err != nil {
				return err
			}
			if !run.Summary.Ended.IsZero() {
				at = run.Summary.Ended
			}
		}
		k.Streak, _, _ = streakAfter(k, f, run, at)
	}
	return nil
}
