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
