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
)

// Decide decides instants against the open firings and moves the cursor. Overlap
// is decided here; what has to end is to be stopped. Instants that were decided
// before are left as they are. It is [ErrConflict] if the state is not that of
// d.Job any more, and a [*StateError] if that is not known. The tickets say what became of CaughtUp and Firings, in their
// order.
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
		decided = append(decided, r.decide(FiringRecord{At: f.At, Due: f.Due, Moved: f.Moved, CaughtUp: i < len(d.CaughtUp)}))
	}
	known := s.knownIn(d.Missed)
	for _, i := range decided {
		r.Assignments = append(r.Assignments, r.Next.ticket(&r.Next.Open[i]))
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

// moveCursor moves the cursor. What is decided and lies ahead of it, since the clock
// was put back, is kept until the cursor has passed it.
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

// decidedSpans are the times whose instants are decided.
func (s *JobState) decidedSpans() []Span {
	return append(slices.Clone(s.Ahead), Span{s.Since, s.Cursor})
}

// known reports whether the instant was decided before.
func (s *JobState) known(at time.Time) bool {
	return slices.ContainsFunc(s.decidedSpans(), func(x Span) bool { return x.contains(at) })
}

// knownIn is how many instants of a gap were decided before, because the clock was
// put back and forward again.
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
			continue // the job was decided, so that this cannot be
		}
		if part, err := timing.Gap(from, to); err == nil {
			known += part.Count
		}
	}
	return known
}

// decided reports whether one of the firings at those places is of the instant.
func (r *ruling) decided(places []int, at time.Time) bool {
	return slices.ContainsFunc(places, func(i int) bool { return r.Next.Open[i].At.Equal(at) })
}

func within(at time.Time, g Gap) bool { return !at.Before(g.First) && !at.After(g.Last) }

// decide decides the firing by the job's overlap, and returns its place.
func (r *ruling) decide(f FiringRecord) int {
	k := &r.Next.StoredJob
	judge := k.Overlap.Decide
	if f.CaughtUp {
		judge = k.Overlap.CatchUp
	}
	a := r.Next.activity()
	v := judge(a.busy, a.waiting, k.MaxRunning)
	if v.End && a.busy > a.begun {
		// What has not begun ends by not being begun, which needs no other proof.
		r.closeUnbegun(ReasonReplaced)
		v = k.Overlap.Decide(a.begun, a.waiting, k.MaxRunning)
	}
	f.Decision, f.Reason = v.Decision, v.Reason
	place := r.add(f)
	if v.End {
		r.stop(0, replacementActor(k.Name), &r.Next.Open[place])
	}
	return place
}

// replacementActor is who stops the runs that later firings of a job replace.
func replacementActor(job string) string { return "job " + job }

// miss adds the instants that are not run, without those that are known, and
// returns their firing; nil: there are none.
func (r *ruling) miss(gap Gap, reason string, known int) *FiringRecord {
	if gap.Count <= known {
		return nil
	}
	gap.Count -= known
	return &r.Next.Open[r.add(FiringRecord{Decision: Missed, Reason: reason, Gap: gap})]
}

// Request decides a firing that by starts manually: for the process daemon, which
// waits for it, to begin, or for the next that claims it if that is 0.
func (s JobState) Request(by string, daemon int64, at Moment) Transition {
	r := s.rule(at)
	place := r.decide(FiringRecord{Due: at.Now, RequestedBy: by, Daemon: daemon, Attached: daemon != 0})
	r.Assignments = []Assignment{r.Next.ticket(&r.Next.Open[place])}
	return r.done()
}
