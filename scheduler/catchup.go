package scheduler

import (
	"errors"
	"time"
)

// A CatchUp says what becomes of firings that are later than their grace.
type CatchUp int

const (
	// CatchUpLatest runs the newest, if it was due within the job's period and
	// within a day, and if no newer one is on time.
	CatchUpLatest CatchUp = iota
	// CatchUpNone runs none.
	CatchUpNone
	// CatchUpAll runs the ten oldest, oldest first: one after the other, or under
	// OverlapAllow as many at once as may.
	CatchUpAll
)

var catchUpWords = []string{"latest", "none", "all"}

// String is the word for it in files and flags.
func (c CatchUp) String() string { return wordOf(catchUpWords, int(c)) }

const (
	// maxCaughtUp is how many CatchUpAll runs.
	maxCaughtUp = 10
	// maxOnTime is how many are handed out at once.
	maxOnTime = 100
	// maxCounted is how many missed ones are counted: a day of seconds.
	maxCounted = 86_400
)

// A Gap is a row of instants that passed and are not run.
type Gap struct {
	// Count is how many; 0: there is no gap. More says that there are more than
	// that, uncounted.
	Count int
	More  bool
	// First and Last are the oldest and the newest.
	First, Last time.Time
}

// A Lateness says what becomes of the instants since a job's cursor.
type Lateness struct {
	// CaughtUp are to be run although they are late; before those of OnTime.
	CaughtUp []Firing
	// OnTime are to be run, oldest first; at most a hundred, and those that are
	// left are seen from the new cursor at once.
	OnTime []Firing
	// Missed are to be recorded.
	Missed Gap
	// Cursor is the last instant that this decides; the old one if it decides
	// none.
	Cursor time.Time
}

// Late decides the instants after cursor that are due at now. Those due within
// the grace are on time, the others are caught up or missed.
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

// catchUp decides the instants after cursor up to last, which are late; newest
// is the newest that is due at all.
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

// window is how old the newest may be to be caught up.
func (t *Timing) window() time.Duration {
	if t.Period == 0 {
		return day
	}
	return min(t.Period, day)
}

// firings are the first of the instants in (after, until], as many as most.
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

// Gap is all instants in (after, until], none of which is to be run: what passed
// while an operator had the job paused, or under a schedule that was replaced.
// Whoever records it sets the cursor to until, so that neither causes a burst.
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

// closeGap finds the last of more instants than are counted.
func (t *Timing) closeGap(g *Gap, until time.Time) error {
	plain := Timing{Schedule: t.Schedule}
	last, _, err := plain.latest(g.Last, until)
	g.Last, g.More = last.At, true
	return err
}

// maxBack is how far the clock may be put back without anybody being told.
const maxBack = 3 * time.Hour

// A Step is what a job does about a clock that was put back behind its cursor.
type Step struct {
	// Cursor is the cursor to go on from.
	Cursor time.Time
	// Back is how far now is behind the old cursor; 0: it is not.
	Back time.Duration
	// Alarm: it is so far that somebody has to be told. The cursor is now, so
	// that the job does not stand still until the clock has caught up; what the
	// history has of the time from there on must not be fired again.
	Alarm bool
}

// Clock compares a job's cursor with the time. Behind the cursor nothing fires,
// so that a clock put back by a little fires nothing twice.
func Clock(cursor, now time.Time) Step {
	back := max(0, cursor.Sub(now))
	if back <= maxBack {
		return Step{Cursor: cursor, Back: back}
	}
	return Step{Cursor: now, Back: back, Alarm: true}
}
