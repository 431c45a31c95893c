package scheduler

import (
	"errors"
	"time"
)

// A CatchUp is the policy for firings that are later than their grace.
type CatchUp int

const (
	// CatchUpLatest runs the newest, if it was due within the job's period and
	// within a day, and if no newer one is on time.
	CatchUpLatest CatchUp = iota
	// CatchUpNone runs none.
	CatchUpNone
	// CatchUpAll runs the ten oldest, oldest first: one after the other, or under
	// OverlapAllow up to MaxRunning at once.
	CatchUpAll
)

var catchUpWords = []string{"latest", "none", "all"}

// String returns the policy's word in files and flags.
func (c CatchUp) String() string { return wordOf(catchUpWords, int(c)) }

const (
	// maxCaughtUp bounds how many firings CatchUpAll runs.
	maxCaughtUp = 10
	// maxOnTime bounds how many firings one decision has.
	maxOnTime = 100
	// maxCounted bounds how many missed times are counted: a day of seconds.
	maxCounted = 86_400
)

// A Gap is a range of scheduled times that passed and are not run.
type Gap struct {
	// Count is the number of scheduled times; 0: there is no gap. More: there are
	// others, not counted.
	Count int
	More  bool
	// First and Last are the oldest and the newest.
	First, Last time.Time
}

// A Lateness is the decision about the scheduled times since a job's cursor.
type Lateness struct {
	// CaughtUp are late and run all the same, before those of OnTime.
	CaughtUp []Firing
	// OnTime run, oldest first; at most a hundred. The next call, from the new Cursor,
	// returns the rest.
	OnTime []Firing
	// Missed are recorded and not run.
	Missed Gap
	// Cursor is the last scheduled time that this decides; the old cursor if it decides
	// none.
	Cursor time.Time
}

// Late decides the scheduled times after cursor that are due at now. Those due within
// the grace are on time; CatchUp says which of the others are caught up and which are
// missed.
func (t *Timing) Late(cursor, now time.Time) (Lateness, error) {
	l := Lateness{Cursor: cursor}
	newest, due, err := t.latest(cursor, now)
	if err != nil || !due {
		return l, err
	}
	lastLate, late, err := t.latest(cursor, now.Add(-t.Grace-time.Nanosecond))
	if err != nil {
		return l, err
	}
	from := cursor
	if late {
		from = lastLate.At
		if err := t.catchUp(&l, cursor, lastLate, now, newest); err != nil {
			return l, err
		}
	}
	l.OnTime, err = t.firings(from, newest.At, maxOnTime)
	switch {
	case len(l.OnTime) > 0:
		l.Cursor = l.OnTime[len(l.OnTime)-1].At
	case late:
		l.Cursor = lastLate.At
	}
	return l, err
}

// catchUp decides the scheduled times after cursor up to last, all of them late; newest
// is the newest firing that is due, late or not.
func (t *Timing) catchUp(l *Lateness, cursor time.Time, last Firing, now time.Time, newest Firing) (err error) {
	missedFrom, missedTo := cursor, last.At
	switch t.CatchUp {
	case CatchUpLatest:
		if newest.At.Equal(last.At) && now.Sub(last.Due) <= t.window() {
			l.CaughtUp = []Firing{last}
			missedTo = last.At.Add(-time.Nanosecond)
		}
	case CatchUpAll:
		if l.CaughtUp, err = t.firings(cursor, last.At, maxCaughtUp); err != nil {
			return err
		}
		missedFrom = l.CaughtUp[len(l.CaughtUp)-1].At
	}
	l.Missed, err = t.Gap(missedFrom, missedTo)
	return err
}

// window is the greatest age at which CatchUpLatest runs a firing.
func (t *Timing) window() time.Duration {
	if t.Period == 0 {
		return day
	}
	return min(t.Period, day)
}

// firings returns the first firings in (after, until], at most most.
func (t *Timing) firings(after, until time.Time, most int) ([]Firing, error) {
	var list []Firing
	for len(list) < most {
		f, err := t.Next(after)
		if errors.Is(err, ErrNoMore) || err == nil && f.At.After(until) {
			break
		}
		if err != nil {
			return nil, err
		}
		list = append(list, f)
		after = f.At
	}
	return list, nil
}

// Gap returns the scheduled times in (after, until] as a gap: those that passed while
// an operator had the job paused, or under a schedule that was replaced. The caller
// that records the gap sets the cursor to until, so that neither causes a burst of
// firings.
func (t *Timing) Gap(after, until time.Time) (Gap, error) {
	var g Gap
	for at := after; ; {
		in, err := t.Schedule.Next(at)
		if errors.Is(err, ErrNoMore) || err == nil && in.At.After(until) {
			return g, nil
		}
		if err != nil {
			return Gap{}, err
		}
		if g.Count == maxCounted {
			return g, t.closeGap(&g, until)
		}
		if g.Count == 0 {
			g.First = in.At
		}
		g.Count++
		g.Last, at = in.At, in.At
	}
}

// closeGap sets the last of more scheduled times than are counted.
func (t *Timing) closeGap(g *Gap, until time.Time) error {
	plain := Timing{Schedule: t.Schedule}
	last, _, err := plain.latest(g.Last, until)
	g.Last, g.More = last.At, true
	return err
}

// maxBack is how far the clock may be set back without an alarm.
const maxBack = 3 * time.Hour

// A Step is a job's reaction to a clock that was set back behind its cursor.
type Step struct {
	// Cursor is the job's new cursor.
	Cursor time.Time
	// Back is how far now is behind the old cursor; 0: it is not.
	Back time.Duration
	// Alarm: the step is larger than three hours, which the operator has to know.
	// Cursor is now, so that the job does not stand still until the clock has caught
	// up; scheduled times after it that have firings already must not fire again.
	Alarm bool
}

// Clock compares a job's cursor with the wall clock. Nothing fires behind the cursor,
// so that a small step back fires nothing twice.
func Clock(cursor, now time.Time) Step {
	back := max(0, cursor.Sub(now))
	if back <= maxBack {
		return Step{Cursor: cursor, Back: back}
	}
	return Step{Cursor: now, Back: back, Alarm: true}
}
