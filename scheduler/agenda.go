package scheduler

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// MissedDeadline is the reason of instants that are not run because of [Timing.Late]
// or because whoever was to run them ended before.
const MissedDeadline = "later than grace and catch_up allow"

// An agenda is all jobs, and when each of them is due next.
type agenda struct {
	log *slog.Logger
	// now reads the wall clock.
	now func() time.Time
	// stale: the desk has more than is here.
	stale   bool
	entries []*entry
	byID    map[int64]*entry
	// next is when the first of them is due, zero if none is, and last is the
	// latest of their cursors: a turn in which nothing is due looks no further.
	next, last time.Time
}

// An entry is a job on the agenda.
type entry struct {
	kept StoredJob
	// timing is nil if the job does not fire: it is paused, or broken.
	timing *Timing
	// due is when the next instant is; zero: there is none.
	due time.Time
}

// load makes the agenda of the jobs as they are now.
func (a *agenda) load(jobs []StoredJob) {
	if !a.stale {
		return
	}
	byID, entries := make(map[int64]*entry, len(jobs)), make([]*entry, 0, len(jobs))
	for _, k := range jobs {
		e := a.renew(a.byID[k.ID], k)
		byID[k.ID], entries = e, append(entries, e)
	}
	a.byID, a.entries, a.stale = byID, entries, false
	a.recompute()
}

// recompute finds the first that is due, and the latest cursor.
func (a *agenda) recompute() {
	a.next, a.last = time.Time{}, time.Time{}
	for _, e := range a.entries {
		if e.timing == nil {
			continue
		}
		if !e.due.IsZero() && (a.next.IsZero() || e.due.Before(a.next)) {
			a.next = e.due
		}
		if e.kept.Cursor.After(a.last) {
			a.last = e.kept.Cursor
		}
	}
}

// idle is how long it is from now until something is due, and at most until it
// is time for another turn; 0: something is due, or the clock was put back.
func (a *agenda) idle(now time.Time) time.Duration {
	if Clock(a.last, now).Alarm {
		return 0
	}
	if a.next.IsZero() {
		return pollEvery
	}
	return min(pollEvery, max(0, a.next.Sub(now)))
}

// renew is the entry of a job that had the given one before; nil: none. A
// schedule is read once for each version of the job.
func (a *agenda) renew(before *entry, k StoredJob) *entry {
	if before == nil || before.kept.Version != k.Version || before.kept.Paused != k.Paused || (before.kept.Broken == nil) != (k.Broken == nil) {
		e := &entry{kept: k}
		a.read(e)
		return e
	}
	moved := !before.kept.Cursor.Equal(k.Cursor)
	before.kept = k
	if moved {
		a.plan(before)
	}
	return before
}

// read reads the schedule of a job that may fire.
func (a *agenda) read(e *entry) {
	if e.kept.Broken != nil {
		a.broken(e, e.kept.Broken)
		return
	}
	if e.kept.Paused {
		return
	}
	timing, err := e.kept.Timing(a.now())
	if err != nil {
		a.broken(e, err)
		return
	}
	e.timing = timing
	a.plan(e)
}

// plan finds out when the job is due next.
func (a *agenda) plan(e *entry) {
	e.due = time.Time{}
	if e.timing == nil {
		return
	}
	f, err := e.timing.Next(e.kept.Cursor)
	switch {
	case errors.Is(err, ErrNoMore):
		a.log.Info("schedule has ended", "job", e.kept.Name)
	case err != nil:
		a.broken(e, err)
	default:
		e.due = f.Due
	}
}

// broken takes a job off the agenda until it is changed.
func (a *agenda) broken(e *entry, err error) {
	e.timing, e.due = nil, time.Time{}
	a.log.Error("job is broken and does not fire", "job", e.kept.Name, "version", e.kept.Version, "error", err)
}

// wants reports whether something is to be decided: an instant is due, or the
// clock was put back.
func (e *entry) wants(now time.Time) bool {
	if e.timing == nil {
		return false
	}
	return !e.due.IsZero() && !e.due.After(now) || Clock(e.kept.Cursor, now).Alarm
}

// late is what becomes of the oldest instants of a job that are due. Not ok: its
// schedule is wrong, and it is off the agenda.
func (a *agenda) late(e *entry, now time.Time) (d Decisions, ok bool) {
	d.Job = e.kept
	if step := Clock(e.kept.Cursor, now); step.Alarm {
		d.Cursor = step.Cursor.UTC()
		d.Alarm = fmt.Sprintf("the clock was set back by %s, to %s", step.Back.Round(time.Second), d.Cursor.Format(time.RFC3339))
		return d, true
	}
	late, err := e.timing.Late(e.kept.Cursor, now)
	if err != nil {
		a.broken(e, err)
		return d, false
	}
	d.CaughtUp, d.Firings = late.CaughtUp, late.OnTime
	if e.kept.CatchUp == CatchUpLatest {
		// There is one at most, for which nothing has to wait.
		d.CaughtUp, d.Firings = nil, append(late.CaughtUp, late.OnTime...)
	}
	d.Cursor = late.Cursor.UTC()
	if d.Missed = late.Missed; d.Missed.Count > 0 {
		d.MissedReason = MissedDeadline
	}
	return d, true
}

// decided takes in what was decided of a job.
func (a *agenda) decided(e *entry, d *Decisions) {
	e.kept.Cursor = d.Cursor
	if d.Alarm != "" {
		e.kept.Alarm = d.Alarm
	}
	a.plan(e)
}
