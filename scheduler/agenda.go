package scheduler

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// MissedDeadline is why a scheduled time is not run that [Timing.Late] calls missed, or
// whose daemon ended before it started the firing.
const MissedDeadline = "later than grace and catch_up allow"

// An agenda holds all jobs, each with the time at which it is due next.
type agenda struct {
	log *slog.Logger
	// now reads the wall clock.
	now func() time.Time
	// stale: the desk has changes that are not in entries yet.
	stale   bool
	entries []*entry
	byID    map[int64]*entry
	// next is when the first entry is due, or to be resumed, zero if none is; last is the latest cursor.
	// A turn in which nothing is due looks at these two only.
	next, last time.Time
}

// An entry is a job on the agenda.
type entry struct {
	job StoredJob
	// timing is nil if the job does not fire: it is paused, or broken.
	timing *Timing
	// due is when the next firing is due; zero: no scheduled time follows.
	due time.Time
}

// load replaces the entries by the jobs as they are now, if the agenda is stale.
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

// recompute sets next and last.
func (a *agenda) recompute() {
	a.next, a.last = time.Time{}, time.Time{}
	for _, e := range a.entries {
		if until := e.job.Pause.Until; e.job.Paused && e.job.Broken == nil && !until.IsZero() && (a.next.IsZero() || until.Before(a.next)) {
			a.next = until
		}
		if e.timing == nil {
			continue
		}
		if !e.due.IsZero() && (a.next.IsZero() || e.due.Before(a.next)) {
			a.next = e.due
		}
		if e.job.Cursor.After(a.last) {
			a.last = e.job.Cursor
		}
	}
}

// idle is the time from now until a job is due, at most pollEvery; 0: one is due, or
// the clock was set back.
func (a *agenda) idle(now time.Time) time.Duration {
	if Clock(a.last, now).Alarm {
		return 0
	}
	if a.next.IsZero() {
		return pollEvery
	}
	return min(pollEvery, max(0, a.next.Sub(now)))
}

// renew returns the entry of a job whose entry was before; nil: it had none. It parses
// a schedule once for each version of the job.
func (a *agenda) renew(before *entry, k StoredJob) *entry {
	if before == nil || before.job.Version != k.Version || before.job.Paused != k.Paused || (before.job.Broken == nil) != (k.Broken == nil) {
		e := &entry{job: k}
		a.read(e)
		return e
	}
	moved := !before.job.Cursor.Equal(k.Cursor)
	before.job = k
	if moved {
		a.plan(before)
	}
	return before
}

// read parses the schedule of a job that may fire.
func (a *agenda) read(e *entry) {
	if e.job.Broken != nil {
		a.broken(e, e.job.Broken)
		return
	}
	if e.job.Paused {
		return
	}
	timing, err := e.job.Timing(a.now())
	if err != nil {
		a.broken(e, err)
		return
	}
	e.timing = timing
	a.plan(e)
}

// plan sets when the job is due next.
func (a *agenda) plan(e *entry) {
	e.due = time.Time{}
	if e.timing == nil {
		return
	}
	f, err := e.timing.Next(e.job.Cursor)
	switch {
	case errors.Is(err, ErrNoMore):
		a.log.Info("schedule has ended", "job", e.job.Name)
	case err != nil:
		a.broken(e, err)
	default:
		e.due = f.Due
	}
}

// broken takes a job off the agenda until an operator changes it.
func (a *agenda) broken(e *entry, err error) {
	e.timing, e.due = nil, time.Time{}
	a.log.Error("job is broken and does not fire", "job", e.job.Name, "version", e.job.Version, "error", err)
}

// wants reports whether there is something to decide: a firing is due, or the clock was
// set back.
func (e *entry) wants(now time.Time) bool {
	if e.timing == nil {
		return false
	}
	return !e.due.IsZero() && !e.due.After(now) || Clock(e.job.Cursor, now).Alarm
}

// late returns the decisions about the oldest scheduled times of a job that are due. ok
// is false if the schedule is broken, which takes the job off the agenda.
func (a *agenda) late(e *entry, now time.Time) (d Decisions, ok bool) {
	d.Job = e.job
	if step := Clock(e.job.Cursor, now); step.Alarm {
		d.Cursor = step.Cursor.UTC()
		d.Alarm = fmt.Sprintf("the clock was set back by %s, to %s", step.Back.Round(time.Second), d.Cursor.Format(time.RFC3339))
		return d, true
	}
	late, err := e.timing.Late(e.job.Cursor, now)
	if err != nil {
		a.broken(e, err)
		return d, false
	}
	d.CaughtUp, d.Firings = late.CaughtUp, late.OnTime
	if e.job.CatchUp == CatchUpLatest {
		// At most one is caught up, and it need not wait for another.
		d.CaughtUp, d.Firings = nil, append(late.CaughtUp, late.OnTime...)
	}
	d.Cursor = late.Cursor.UTC()
	if d.Missed = late.Missed; d.Missed.Count > 0 {
		d.MissedReason = MissedDeadline
	}
	return d, true
}

// decided moves the entry's cursor past what was decided.
func (a *agenda) decided(e *entry, d *Decisions) {
	e.job.Cursor = d.Cursor
	if d.Alarm != "" {
		e.job.Alarm = d.Alarm
	}
	a.plan(e)
}
