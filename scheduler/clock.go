package scheduler

import "time"

// A reading is what a zone's clock shows: a time in UTC that has the year, day and time
// of day of the zone. This file turns readings into times, and not time.Date, which
// takes the one side of a clock change in some zones and the other side in others.

// A span is a time during which the zone's clock runs evenly.
type span struct {
	end    time.Time     // the first time after it; zero: it never ends
	offset time.Duration // how far the reading is ahead of UTC
}

// spanAt is the span that t is in.
func spanAt(zone *time.Location, t time.Time) span {
	t = t.In(zone)
	_, seconds := t.Zone()
	_, end := t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		// Beyond the last change on record the library ends spans at the year's
		// 365th day, which is one too early in a leap year.
		end = time.Date(t.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return span{end: end, offset: time.Duration(seconds) * time.Second}
}

// contains reports whether t, which is not before the span, is in it.
func (s span) contains(t time.Time) bool { return s.end.IsZero() || t.Before(s.end) }

// read is what a clock shows at t.
func (s span) read(t time.Time) time.Time { return t.UTC().Add(s.offset) }

// at is when a clock that always ran as it does in the span shows reading.
func (s span) at(reading time.Time) time.Time { return reading.Add(-s.offset) }

// farthest is more than any two zones' readings at one time differ: clocks have been at
// most 16 hours from UTC.
const farthest = 32 * time.Hour

// firstAt returns the time at which the zone's clock first shows reading or anything
// later. If the clock leaps over reading, that is the end of the leap, and leapt is
// true; if the clock shows it twice, it is the first time.
func firstAt(zone *time.Location, reading time.Time) (at time.Time, leapt bool) {
	for from := reading.Add(-farthest); ; {
		s := spanAt(zone, from)
		at := s.at(reading)
		if at.Before(from) {
			at, leapt = from, true
		}
		if s.contains(at) {
			return at, leapt
		}
		from, leapt = s.end, false
	}
}

// shown is the latest reading that the zone's clock has shown at t or before: later
// than the reading at t if the clock was set back shortly before. A reading that the
// clock was about to show when it was set back counts as shown a nanosecond earlier.
func shown(zone *time.Location, t time.Time) time.Time {
	latest := spanAt(zone, t).read(t)
	for from := t.Add(-farthest); ; {
		s := spanAt(zone, from)
		if s.contains(t) {
			return latest
		}
		if last := s.read(s.end).Add(-time.Nanosecond); last.After(latest) {
			latest = last
		}
		from = s.end
	}
}
