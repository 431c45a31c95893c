package scheduler

import "time"

const (
	// proofTime is how long a firing waits for proof that the earlier one it
	// replaces has ended.
	proofTime = time.Minute
	// freshTime is how long a firing that is late by right may wait to be begun:
	// one that waited for another, was requested, or is a repetition.
	freshTime = 24 * time.Hour
)

// A Claimant is a daemon that claims firings.
type Claimant struct {
	// ID is its own registration.
	ID int64
	// Has reports whether it knows of a firing that is its own. One that it does
	// not know of was claimed in a write whose success it was not told of.
	Has func(firing int64) bool
	// Alive reports whether another registration goes on.
	Alive func(daemon int64) bool
}

// inherits reports whether the firing is free to be claimed: no process that is
// alive has it. left is true if the process that requested it is gone.
func (c *Claimant) inherits(f *FiringRecord) (left, free bool) {
	switch f.Daemon {
	case 0:
		return false, true
	case c.ID:
		return false, !c.Has(f.ID)
	}
	alive := c.Alive(f.Daemon)
	return f.Attached && !alive, !alive
}

// Claim gives the claimant the firings that may begin now and belong to no process
// that is alive: new ones, ones that waited and now may, ones that were started
// manually, and those of a daemon that ended before it began them. A ticket with a
// Decision other than Run was closed instead.
func (s JobState) Claim(by Claimant, at Moment) Transition {
	r := s.rule(at)
	for i := range r.Next.Open {
		f := &r.Next.Open[i]
		if !f.Unbegun() {
			continue
		}
		left, free := by.inherits(f)
		if free && r.take(f, by.ID, left) {
			f.Attached = f.Attached && left
			r.Assignments = append(r.Assignments, r.Next.ticket(f))
		}
	}
	return r.done()
}

// Take gives a firing to the process daemon, which waits for it, even if another was
// to begin it.
// The ticket says what became of it, and that it is queued if it still has to
// wait. The error is [ErrTaken] if it has begun, or is settled.
func (s JobState) Take(firing, daemon int64, at Moment) (Transition, error) {
	r := s.rule(at)
	f := r.Next.open(firing)
	if f == nil || f.Run != 0 {
		return Transition{}, ErrTaken
	}
	if f.Unbegun() {
		if f.Daemon != daemon || !f.Attached { // who asks again changes nothing, and wakes nobody
			f.Daemon, f.Attached = daemon, true
			r.changed[f.ID] = true
		}
		r.take(f, daemon, false)
	}
	r.Assignments = []Assignment{r.Next.ticket(f)}
	return r.done(), nil
}

// take makes the firing the process's, or closes it; it is false if the firing
// still has to wait.
func (r *ruling) take(f *FiringRecord, daemon int64, left bool) bool {
	v, decided := r.judge(f, left)
	switch {
	case !decided:
		return false
	case v.Decision != Run:
		r.close(f, v.Decision, v.Reason)
	default:
		f.Decision, f.Reason, f.Daemon = Run, "", daemon
		r.changed[f.ID] = true
	}
	return true
}

// judge says what becomes of a firing that has not begun, if that is known by
// now.
func (r *ruling) judge(f *FiringRecord, left bool) (v Verdict, decided bool) {
	k := &r.Next.StoredJob
	switch {
	case r.Next.Removed:
		return Verdict{Decision: Skipped, Reason: ReasonRemoved}, true
	case left:
		return Verdict{Decision: Skipped, Reason: ReasonRequesterGone}, true
	case k.Broken != nil:
		return Verdict{Decision: Failed, Reason: k.Broken.Error()}, true
	case k.Paused && f.RequestedBy == "":
		return Verdict{Decision: Skipped, Reason: ReasonPaused}, true
	case (f.Waited || f.RequestedBy != "" || f.Repeats != 0) && r.at.Now.Sub(f.Decided) > freshTime:
		return Verdict{Decision: Missed, Reason: ReasonStale}, true
	case f.Decision == Queued:
		return r.wait(f)
	}
	return Verdict{Decision: Run}, true
}

// wait says what becomes of a queued firing, if that is known by now.
func (r *ruling) wait(f *FiringRecord) (v Verdict, decided bool) {
	running, unproved := false, f.Unproved
	for i := range r.Next.Open {
		earlier := &r.Next.Open[i]
		if earlier.Stop.ReplacedBy != f.ID || !earlier.Settled.IsZero() {
			continue
		}
		running = running || earlier.running()
		unproved = unproved || earlier.Ended != nil && earlier.Ended.Unproved
	}
	switch {
	case running:
		return Replace(false), r.at.Now.Sub(f.Decided) > proofTime
	case unproved:
		return Replace(false), true
	}
	k := &r.Next.StoredJob
	return Verdict{Decision: Run}, k.Overlap.Room(r.Next.activity().busy, k.MaxRunning)
}

// Begin makes run the run of a firing, which the process daemon has claimed. The
// error is [ErrTaken] if it has not, or not any more.
func (s JobState) Begin(firing, run, daemon int64, at Moment) (Transition, error) {
	r := s.rule(at)
	f := r.Next.open(firing)
	if f == nil || f.Daemon != daemon || f.Decision != Run || f.Run != 0 {
		return Transition{}, ErrTaken
	}
	f.Run = run
	r.changed[f.ID] = true
	return r.done(), nil
}

// Fail closes a firing that the process daemon has claimed and did not begin:
// decision is Failed, Refused, Missed for one that came too late, or Skipped if it is not
// wanted any more, which is no failure of the job. It is [ErrConflict] if it was
// closed already, or is another's.
func (s JobState) Fail(firing, daemon int64, decision Decision, reason string, at Moment) (Transition, error) {
	r := s.rule(at)
	f := r.Next.open(firing)
	if f == nil || f.Daemon != daemon || !f.Unbegun() {
		return Transition{}, ErrConflict
	}
	r.close(f, decision, reason)
	return r.done(), nil
}
