package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"tutti/fanout"
)

// MissedLate is the reason of instants that are not run because of [Timing.Late]
// or because whoever was to run them ended before.
const MissedLate = "later than grace and catch_up allow"

// maxRefusals is of how many jobs that could not be decided in a turn is told.
const maxRefusals = 3

// An agenda is all jobs, and when each of them is due next.
type agenda struct {
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
	kept Kept
	// timing is nil if the job does not fire: it is paused, or broken.
	timing *Timing
	// due is when the next instant is; zero: there is none.
	due time.Time
}

// load makes the agenda of the jobs as they are now.
func (l *loop) load() {
	a := &l.agenda
	if !a.stale {
		return
	}
	jobs := l.desk.Kept()
	byID, entries := make(map[int64]*entry, len(jobs)), make([]*entry, 0, len(jobs))
	for _, k := range jobs {
		e := l.renew(a.byID[k.ID], k)
		byID[k.ID], entries = e, append(entries, e)
	}
	a.byID, a.entries, a.stale = byID, entries, false
	a.survey()
}

// survey finds the first that is due, and the latest cursor.
func (a *agenda) survey() {
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
func (l *loop) renew(before *entry, k Kept) *entry {
	if before == nil || before.kept.Version != k.Version || before.kept.Paused != k.Paused || (before.kept.Broken == nil) != (k.Broken == nil) {
		e := &entry{kept: k}
		l.read(e)
		return e
	}
	moved := !before.kept.Cursor.Equal(k.Cursor)
	before.kept = k
	if moved {
		l.plan(before)
	}
	return before
}

// read reads the schedule of a job that may fire.
func (l *loop) read(e *entry) {
	if e.kept.Broken != nil {
		l.broken(e, e.kept.Broken)
		return
	}
	if e.kept.Paused {
		return
	}
	timing, err := e.kept.Timing(l.now())
	if err != nil {
		l.broken(e, err)
		return
	}
	e.timing = timing
	l.plan(e)
}

// plan finds out when the job is due next.
func (l *loop) plan(e *entry) {
	e.due = time.Time{}
	if e.timing == nil {
		return
	}
	f, err := e.timing.Next(e.kept.Cursor)
	switch {
	case errors.Is(err, ErrNoMore):
		l.log.Info("schedule has ended", "job", e.kept.Name)
	case err != nil:
		l.broken(e, err)
	default:
		e.due = f.Due
	}
}

// broken takes a job off the agenda until it is changed.
func (l *loop) broken(e *entry, err error) {
	e.timing, e.due = nil, time.Time{}
	l.log.Error("job is broken and does not fire", "job", e.kept.Name, "version", e.kept.Version, "error", err)
}

// decideAll decides and begins what is due, and returns how long nothing more
// is.
func (l *loop) decideAll(ctx context.Context, now time.Time) time.Duration {
	a := &l.agenda
	if idle := a.idle(now); idle > 0 {
		return idle
	}
	pause := pollEvery
	var due []*entry
	var decisions []Decisions
	for _, e := range a.entries {
		if !e.wants(now) {
			continue
		}
		if d, ok := l.late(e, now); ok {
			due, decisions = append(due, e), append(decisions, d)
		}
	}
	tickets, errs, err := l.desk.Decide(ctx, now, decisions)
	if err != nil {
		due, errs = nil, []error{err}
	}
	for i, e := range due {
		switch {
		case errors.Is(errs[i], ErrConflict):
			a.stale, pause, errs[i] = true, min(pause, conflictPause), nil
		case errs[i] != nil:
			errs[i] = fmt.Errorf("job %s: %w", e.kept.Name, errs[i])
		default:
			l.decided(e, decisions[i], tickets[i])
			if e.wants(now) {
				// There is more than is decided at once; the others come first.
				pause = 0
			}
		}
	}
	l.trouble.note("decide", someOf(errs))
	a.survey()
	if !l.halted() {
		l.claim(ctx)
	}
	if idle := a.idle(l.now()); idle > 0 {
		return min(pause, idle)
	}
	return pause
}

// someOf joins the first errors, as many as maxRefusals.
func someOf(errs []error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	return errors.Join(errs[:min(len(errs), maxRefusals)]...)
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
func (l *loop) late(e *entry, now time.Time) (d Decisions, ok bool) {
	d.Job = e.kept
	if step := Clock(e.kept.Cursor, now); step.Alarm {
		d.Cursor = step.Cursor.UTC()
		d.Alarm = fmt.Sprintf("the clock was set back by %s, to %s", step.Back.Round(time.Second), d.Cursor.Format(time.RFC3339))
		return d, true
	}
	late, err := e.timing.Late(e.kept.Cursor, now)
	if err != nil {
		l.broken(e, err)
		return d, false
	}
	d.CaughtUp, d.Firings = late.CaughtUp, late.OnTime
	if e.kept.CatchUp == CatchUpLatest {
		// There is one at most, for which nothing has to wait.
		d.CaughtUp, d.Firings = nil, append(late.CaughtUp, late.OnTime...)
	}
	d.Cursor = late.Cursor.UTC()
	if d.Missed = late.Missed; d.Missed.Count > 0 {
		d.MissedReason = MissedLate
	}
	return d, true
}

// decided takes in what was decided of a job.
func (l *loop) decided(e *entry, d Decisions, tickets []Ticket) {
	e.kept.Cursor = d.Cursor
	l.plan(e)
	l.sayDecided(e, d, tickets)
}

// sayDecided tells what was decided.
func (l *loop) sayDecided(e *entry, d Decisions, tickets []Ticket) {
	name := e.kept.Name
	if d.Alarm != "" {
		e.kept.Alarm = d.Alarm
		l.log.Error("clock was set back", "job", name, "alarm", d.Alarm)
	}
	if m := d.Missed; m.Count > 0 {
		l.log.Warn("scheduled times missed", "job", name, "decision", Missed.String(), "reason", d.MissedReason,
			"count", m.Count, "more", m.More, "first", fanout.FormatTime(m.First), "last", fanout.FormatTime(m.Last))
		l.observer.Decided(name, Missed, d.MissedReason, m.Count)
	}
	for _, t := range tickets {
		l.sayTicket(t)
	}
}

// sayTicket tells what became of a firing.
func (l *loop) sayTicket(t Ticket) {
	level := slog.LevelInfo
	switch t.Decision {
	case Run:
		level = slog.LevelDebug // that it begins is told
	case Skipped, Missed:
		level = slog.LevelWarn
	case Failed:
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, "firing decided", append(ticketAttrs(t), "decision", t.Decision.String(), "reason", t.Reason)...)
	l.observer.Decided(t.Job.Name, t.Decision, t.Reason, 1)
}

// ticketAttrs says in a log which firing it is.
func ticketAttrs(t Ticket) []any {
	attrs := []any{"job", t.Job.Name, "firing", t.ID}
	if !t.Firing.At.IsZero() {
		attrs = append(attrs, "scheduled_at", fanout.FormatTime(t.Firing.At), "due_at", fanout.FormatTime(t.Firing.Due))
	}
	if t.RequestedBy != "" {
		attrs = append(attrs, "requested_by", t.RequestedBy)
	}
	if t.Repeats != 0 {
		attrs = append(attrs, "repeats", t.Repeats)
	}
	return attrs
}
