package scheduler

import (
	"errors"
	"fmt"
	"time"

	"tutti/internal/quantity"
)

// A Timing is when a job fires, made by [Job.Timing]. It is immutable.
type Timing struct {
	// Schedule has the scheduled times.
	Schedule *Schedule
	// Job is the job's name; jitter depends on it.
	Job string
	// Jitter bounds how much later than its scheduled time a firing is due; it is less
	// than Period.
	Jitter time.Duration
	// Period is the shortest time between two scheduled times; 0: fewer than two
	// follow.
	Period time.Duration
	// Grace is how long after its due time a firing still counts as on time.
	Grace time.Duration
	// CatchUp is the policy for later ones.
	CatchUp CatchUp
}

// A Firing is one scheduled time of a job, and when it is due.
type Firing struct {
	ScheduledTime
	// Due is when it has to start: At plus jitter.
	Due time.Time
}

// Next returns the first firing whose scheduled time is after after, or [ErrNoMore].
func (t *Timing) Next(after time.Time) (Firing, error) {
	in, err := t.Schedule.Next(after)
	if err != nil {
		return Firing{}, err
	}
	return Firing{ScheduledTime: in, Due: in.At.Add(jitter(t.Job, in.At, t.Jitter))}, nil
}

// jitter returns a duration below most, in whole milliseconds, that depends on the job
// and the scheduled time only, so that every machine has the same.
func jitter(job string, at time.Time, most time.Duration) time.Duration {
	if most < time.Millisecond {
		return 0
	}
	return time.Duration(hash(job, at)%uint64(most/time.Millisecond)) * time.Millisecond
}

// checkJitter refuses jitter that could change the order of firings.
func checkJitter(jitter, period time.Duration) error {
	if period == 0 {
		period = day
	}
	if jitter >= period {
		return fmt.Errorf("%s must be shorter than %s, the shortest interval between firings", quantity.FormatDuration(jitter), quantity.FormatDuration(period))
	}
	return nil
}

// latest returns the newest firing with a scheduled time after after that is due by
// until; ok is false if there is none. Its cost does not grow with the number of
// firings in between.
func (t *Timing) latest(after, until time.Time) (newest Firing, ok bool, err error) {
	// Firings are due in the order of their scheduled times, so that "the next firing
	// after this second is due" is true up to some second, and false from there:
	// bisect.
	low, high := after.Unix(), until.Unix()+1
	for {
		f, err := t.Next(time.Unix(low, 0))
		switch {
		case errors.Is(err, ErrNoMore) || err == nil && f.Due.After(until):
			return newest, ok, nil
		case err != nil:
			return Firing{}, false, err
		}
		newest, ok = f, true
		if low, err = t.lastDue(f.At.Unix(), high, until); err != nil {
			return Firing{}, false, err
		}
	}
}

// lastDue bisects (low, high) for the last second after which the next firing is due by
// until; if there is none, it returns low.
func (t *Timing) lastDue(low, high int64, until time.Time) (int64, error) {
	for low+1 < high {
		middle := low + (high-low)/2
		f, err := t.Next(time.Unix(middle, 0))
		switch {
		case errors.Is(err, ErrNoMore) || err == nil && f.Due.After(until):
			high = middle
		case err != nil:
			return 0, err
		default:
			low = middle
		}
	}
	return low, nil
}
