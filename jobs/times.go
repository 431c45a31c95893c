package jobs

import (
	"context"
	"errors"
	"time"

	"tutti/scheduler"
)

// Coming returns the first n firings whose scheduled times are after after; fewer, if
// the schedule ends.
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

// shiftedAhead is how far ahead DoubtsOf looks for changes of the clock.
const shiftedAhead = 365 * 24 * time.Hour

// Doubts are properties of a schedule that its author may not have meant.
type Doubts struct {
	// Warnings are sentences about the expressions.
	Warnings []string
	// Shifted are the scheduled times within a year that a change of the clock moves.
	Shifted []scheduler.ScheduledTime
}

// DoubtsOf returns the doubts about a schedule from now on.
func DoubtsOf(t *scheduler.Timing, now time.Time) (Doubts, error) {
	shifted, err := t.Schedule.Shifted(now, now.Add(shiftedAhead))
	return Doubts{t.Schedule.Warnings(), shifted}, err
}

// MostNext bounds how many firings Next returns.
const MostNext = 100_000

// Times are the next firings of a job.
type Times struct {
	*scheduler.Timing
	// Paused: the job does not fire until it is resumed.
	Paused bool
	// Next are the next firings; fewer than requested, if the schedule ends.
	Next []scheduler.Firing
}

// Next returns at most n next firings of the job of that name.
func (s *Service) Next(ctx context.Context, name string, n int) (*Times, error) {
	stored, err := s.readable(ctx, name)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	timing, err := stored.Timing(now)
	if err != nil {
		return nil, err
	}
	next, err := Coming(timing, now, min(n, MostNext))
	if err != nil {
		return nil, err
	}
	return &Times{timing, stored.Paused, next}, nil
}
