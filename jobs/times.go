package jobs

import (
	"context"
	"errors"
	"time"

	"tutti/scheduler"
)

// Coming are the first n firings of scheduled times after the given time; fewer,
// if no more are to come.
func Coming(t *scheduler.Timing, after time.Time, n int) ([]scheduler.Firing, error) {
	var all []scheduler.Firing
	for len(all) < n {
		f, err := t.Next(after)
		if errors.Is(err, scheduler.ErrNoMore) {
			break
		}
		if err != nil {
			return nil, err
		}
		all, after = append(all, f), f.At
	}
	return all, nil
}

// movedAhead is how far ahead a change of the clock is of interest.
const movedAhead = 365 * 24 * time.Hour

// Doubts are what the author of a schedule may not have meant.
type Doubts struct {
	// Warnings are sentences about the expressions.
	Warnings []string
	// Shifted are the scheduled times within a year that a change of the clock moves.
	Shifted []scheduler.ScheduledTime
}

// DoubtsOf are the doubts about a schedule, as it is at now.
func DoubtsOf(t *scheduler.Timing, now time.Time) (Doubts, error) {
	moved, err := t.Schedule.Shifted(now, now.Add(movedAhead))
	return Doubts{t.Schedule.Warnings(), moved}, err
}

// MostNext bounds how many scheduled times are worked out for a reader.
const MostNext = 100_000

// Times are when a job fires.
type Times struct {
	*scheduler.Timing
	// Paused: it does not, until it is resumed.
	Paused bool
	// Next are the next firings, as many as were asked for or are to come.
	Next []scheduler.Firing
}

// Next is when the job of that name fires, at most n times.
func (s *Service) Next(ctx context.Context, name string, n int) (*Times, error) {
	kept, err := s.readable(ctx, name)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	timing, err := kept.Timing(now)
	if err != nil {
		return nil, err
	}
	next, err := Coming(timing, now, min(n, MostNext))
	if err != nil {
		return nil, err
	}
	return &Times{timing, kept.Paused, next}, nil
}
