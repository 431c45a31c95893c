package scheduler

import (
	"errors"
	"fmt"
	"time"

	"tutti/internal/quantity"
)

// A Timing is when a job fires, made by [Job.Timing]. It does not change.
type Timing struct {
	// Schedule has the instants.
	Schedule *Schedule
	// Job is the job's name; jitter depends on it.
	Job string
	// Jitter is how much later than its instant a firing may be due; it is less
	// than Period.
	Jitter time.Duration
	// Period is the shortest time between two instants; 0: there are not two.
	Period time.Duration
	// Grace is how long after it was due a firing still counts as on time.
	Grace time.Duration
	// CatchUp is what becomes of those that are later.
	CatchUp CatchUp
}

// A Firing is one instant of a job.
type Firing struct {
	ScheduledTime
	// Due is when it has to start: jitter after the instant.
	Due time.Time
}

// Next is the first firing of an instant after the given one, strictly, or
// [ErrNoMore].
func (t *Timing) Next(after time.Time) (Firing, error) {
	in, err := t.Schedule.Next(after)
	if err != nil {
		return Firing{}, err
	}
	return Firing{ScheduledTime: in, Due: in.At.Add(jitter(t.Job, in.At, t.Jitter))}, nil
}

// jitter is a part of most that is the same for a job and an instant on every
// machine, in whole milliseconds.
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

// latest is the newest firing of an instant after the given one that is due at
// until or before; ok is false if there is none. It takes as long whether there
// are few between or many.
func (t *Timing) latest(after, until time.Time) (newest Firing, ok bool, err error) {
	// Firings are due in the order of their instants, so whether the next after
	// a second is due is true up to some second, and false from there.
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

// lastDue halves the way from low to high until it knows a second after which
// the next firing is due, and one right behind it after which it is not; if the
// next after low is not due, it is low.
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
