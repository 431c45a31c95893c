package scheduler

import (
	"slices"
	"time"

	"tutti/fanout"
)

// Why a firing is not run.
const (
	ReasonReplaced      = "replaced by a later firing"
	ReasonRequesterGone = "the process that requested it is gone"
	ReasonStale         = "not started within a day"
	ReasonStopped       = "the daemon was stopped"
	ReasonPaused        = "the job was paused"
	ReasonChanged       = "the job was changed"
	ReasonRemoved       = "the job was removed"
	ReasonUnreadable    = "its record in the history cannot be read"
)

// Decide applies the job's overlap policy to the firings of d, given the open ones, and
// moves the cursor. It requests a stop of runs that are to be replaced, and leaves
// alone what was decided before. The assignments are of CaughtUp and Firings, in their
// order. The error is [ErrConflict] if the job or its cursor is not d.Job's any more,
// and a [*StateError] if the state is damaged.
func (s JobState) Decide(d Decisions, at Moment) (Transition, error) {
	if s.Removed || s.Version != d.Job.Version || fanout.FormatTime(s.Cursor) != fanout.FormatTime(d.Job.Cursor) {
		return Transition{}, ErrConflict
	}
	if s.Damaged() {
		return Transition{}, s.Broken
	}
	r := s.rule(at)
	var decided []int
	for i, f := range slices.Concat(d.CaughtUp, d.Firings) {
		if s.known(f.At) || r.decided(decided, f.At) {
			continue
		}
		decided = append(decided, r.decide(FiringRecord{At: f.At, Due: f.Due, Shifted: f.Shifted, CaughtUp: i < len(d.CaughtUp)}))
	}
	known := s.knownIn(d.Missed)
	for _, i := range decided {
		r.Assignments = append(r.Assignments, r.Next.Assignment(&r.Next.Open[i]))
		if f := &r.Next.Open[i]; within(f.At, d.Missed) {
			known++
		}
	}
	if f := r.miss(d.Missed, d.MissedReason, known); f != nil {
		r.notifyMissed(f)
	}
	r.moveCursor(d.Cursor)
	if d.Alarm != "" {
		r.Next.Alarm = d.Alarm
	}
	return r.done(), nil
}

// moveCursor moves the cursor. If the clock was set back, the decided span ahead of the
// cursor stays known until the cursor has passed it.
func (r *ruling) moveCursor(to time.Time) {
	s := &r.Next
	if to.Before(s.Cursor) {
		s.Ahead = append(s.Ahead, Span{From: s.Since, To: s.Cursor})
		s.Since = to
	}
	s.Cursor = to
	s.Ahead = slices.DeleteFunc(s.Ahead, func(ahead Span) bool {
		if ahead.To.After(to) {
			return false
		}
		if ahead.From.Before(s.Since) {
			s.Since = ahead.From
		}
		return true
	})
}

// decidedSpans returns the spans in which every scheduled time is decided.
func (s *JobState) decidedSpans() []Span {
	return append(slices.Clone(s.Ahead), Span{s.Since, s.Cursor})
}

// known reports whether a scheduled time was decided before.
func (s *JobState) known(at time.Time) bool {
	return slices.ContainsFunc(s.decidedSpans(), func(x Span) bool { return x.contains(at) })
}

// knownIn counts the scheduled times of a gap that were decided before, which is so
// after the clock was set back and forward again.
func (s *JobState) knownIn(gap Gap) (known int) {
	if gap.Count == 0 {
		return 0
	}
	for _, x := range s.decidedSpans() {
		from, to := gap.First.Add(-time.Nanosecond), gap.Last
		if x.From.After(from) {
			from = x.From
		}
		if x.To.Before(to) {
			to = x.To
		}
		if !from.Before(to) {
			continue
		}
		timing, err := s.Timing(to)
		if err != nil {
			continue // unreachable: the same schedule made the gap
		}
		if part, err := timing.Gap(from, to); err == nil {
			known += part.Count
		}
	}
	return known
}

// decided reports whether one of the firings at those places has the scheduled time.
func (r *ruling) decided(places []int, at time.Time) bool {
	return slices.ContainsFunc(places, func(i int) bool { return r.Next.Open[i].At.Equal(at) })
}

func within(at time.Time, g Gap) bool { return !at.Before(g.First) && !at.After(g.Last) }

// decide applies the job's overlap policy to the firing, adds it, and returns its
// place.
func (r *ruling) decide(f FiringRecord) int {
	k := &r.Next.StoredJob
	overlap := k.Overlap.Decide
	if f.CaughtUp {
		overlap = k.Overlap.CatchUp
	}
	a := r.Next.activity()
	v := overlap(a.busy, a.waiting, k.MaxRunning)
	if v.End && a.busy > a.running {
		// A firing that has not started is closed, and needs no proof that it stopped.
		r.closeUnstarted(ReasonReplaced)
		v = k.Overlap.Decide(a.running, a.waiting, k.MaxRunning)
	}
	f.Decision, f.Reason = v.Decision, v.Reason
	place := r.add(f)
	if v.End {
		r.stop(Stop{By: replacementActor(k.Name)}, &r.Next.Open[place])
	}
	return place
}

// replacementActor names, as who stopped a run, the job whose later firing replaced it.
func replacementActor(job string) string { return "job " + job }

// miss adds a firing for the scheduled times of a gap, less those already known, and
// returns it; nil: none are left.
func (r *ruling) miss(gap Gap, reason string, known int) *FiringRecord {
	if gap.Count <= known {
		return nil
	}
	gap.Count -= known
	return &r.Next.Open[r.add(FiringRecord{Decision: Missed, Reason: reason, Gap: gap})]
}

// Request decides a firing that the user by starts manually. The process daemon starts
// it and waits for it; 0: the next daemon that claims it does.
func (s JobState) Request(by string, daemon int64, at Moment) Transition {
	r := s.rule(at)
	place := r.decide(FiringRecord{Due: at.Now, RequestedBy: by, Daemon: daemon, Attached: daemon != 0})
	r.Assignments = []Assignment{r.Next.Assignment(&r.Next.Open[place])}
	return r.done()
}
