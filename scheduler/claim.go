package scheduler

import "time"

const (
	// proofTime bounds how long a firing waits for proof that the command it replaces
	// has stopped.
	proofTime = time.Minute
	// freshTime bounds how long a firing may wait to be started whose due time does not
	// count: one that was queued, requested manually, or repeats an interrupted run.
	freshTime = 24 * time.Hour
)

// A Claimant is a daemon that claims firings.
type Claimant struct {
	// ID is the daemon's registration.
	ID int64
	// Has reports whether the daemon is working on a firing that it has claimed. If
	// not, it claimed the firing in a write whose success it never learned.
	Has func(firing int64) bool
	// Alive reports whether another registration is still valid.
	Alive func(daemon int64) bool
}

// claimable reports whether no live process owns the firing, so that the claimant may
// have it (free), and whether the process that requested it and waited for it is gone
// (left).
func (c *Claimant) claimable(f *FiringRecord) (left, free bool) {
	switch f.Daemon {
	case 0:
		return false, true
	case c.ID:
		return false, !c.Has(f.ID)
	}
	alive := c.Alive(f.Daemon)
	return f.Attached && !alive, !alive
}

// Claim gives the claimant the firings that may start now and that no live process
// owns: new ones, queued ones whose turn has come, manual ones, and those of a daemon
// that ended before it started them. An assignment with a Decision other than Run was
// closed instead.
func (s JobState) Claim(by Claimant, at Moment) Transition {
	r := s.rule(at)
	for i := range r.Next.Open {
		f := &r.Next.Open[i]
		if !f.Unstarted() {
			continue
		}
		left, free := by.claimable(f)
		if free && r.take(f, by.ID, left) {
			f.Attached = f.Attached && left
			r.Assignments = append(r.Assignments, r.Next.Assignment(f))
		}
	}
	return r.done()
}

// Take assigns a firing to the process daemon, which waits for it, even if another
// daemon was to start it. The assignment holds the decision: Queued if the firing still
// has to wait. The error is [ErrTaken] if the firing has started, or is settled.
func (s JobState) Take(firing, daemon int64, at Moment) (Transition, error) {
	r := s.rule(at)
	f := r.Next.open(firing)
	if f == nil || f.Run != 0 {
		return Transition{}, ErrTaken
	}
	if f.Unstarted() {
		if f.Daemon != daemon || !f.Attached { // a second call changes nothing and wakes no other process
			f.Daemon, f.Attached = daemon, true
			r.changed[f.ID] = true
		}
		r.take(f, daemon, false)
	}
	r.Assignments = []Assignment{r.Next.Assignment(f)}
	return r.done(), nil
}

// take assigns the firing to the process, or closes it; it returns false if the firing
// still has to wait.
func (r *ruling) take(f *FiringRecord, daemon int64, left bool) bool {
	v, decided := r.verdict(f, left)
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

// verdict decides what to do with a firing that has not started; decided is false if it
// has to wait.
func (r *ruling) verdict(f *FiringRecord, left bool) (v Verdict, decided bool) {
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

// wait is verdict for a queued firing.
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

// Begin ties run to a firing that the process daemon has claimed. The error is
// [ErrTaken] if the claim is another's by now.
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

// Fail closes a firing that the process daemon has claimed and not started: decision is
// Failed, Refused, Missed if it came too late, or Skipped for a reason that is no
// failure of the job. The error is [ErrConflict] if the firing is closed already, or
// another process's.
func (s JobState) Fail(firing, daemon int64, decision Decision, reason string, at Moment) (Transition, error) {
	r := s.rule(at)
	f := r.Next.open(firing)
	if f == nil || f.Daemon != daemon || !f.Unstarted() {
		return Transition{}, ErrConflict
	}
	r.close(f, decision, reason)
	return r.done(), nil
}
