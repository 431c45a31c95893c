package scheduler

import (
	"cmp"
	"slices"
	"time"

	"tutti/fanout"
)

// End takes down how the run of a firing ended. It is [ErrConflict] if there is no
// such run that has not ended: another was faster.
func (s JobState) End(e Ended, at Moment) (Transition, error) {
	r := s.rule(at)
	f := r.Next.firingOf(e.Run)
	if f == nil || !f.running() {
		return Transition{}, ErrConflict
	}
	f.Ended = &e
	r.changed[f.ID] = true
	if waiting := r.Next.open(f.Stop.ReplacedBy); waiting != nil && e.Unproved {
		waiting.Unproved = true
		r.changed[waiting.ID] = true
	}
	return r.done(), nil
}

// Settle settles the firings that have ended, in the order in which they did: it
// counts failures, says what is notified, and lets an idempotent job repeat what
// was cut off.
func (s JobState) Settle(at Moment) Transition {
	r := s.rule(at)
	for _, place := range s.ended() {
		r.settle(place)
	}
	return r.done()
}

// ended are the places of the open firings that have come to their end, in the
// order in which they did.
func (s *JobState) ended() []int {
	var places []int
	for i := range s.Open {
		if s.Open[i].ended() {
			places = append(places, i)
		}
	}
	slices.SortFunc(places, func(i, j int) int { return compareEnds(&s.Open[i], &s.Open[j]) })
	return places
}

// compareEnds orders firings as they ended.
func compareEnds(a, b *FiringRecord) int {
	return cmp.Or(a.endedAt().Compare(b.endedAt()), cmp.Compare(a.ID, b.ID))
}

// endedAt is when the run of a firing ended, or when the firing was decided if that
// is not known.
func (f *FiringRecord) endedAt() time.Time {
	if f.Ended != nil && !f.Ended.Summary.Ended.IsZero() {
		return f.Ended.Summary.Ended
	}
	return f.Decided
}

// settle settles one firing. How a run ended that was deleted cannot be known, and
// there is no ending of it.
func (r *ruling) settle(place int) {
	f := &r.Next.Open[place]
	f.Settled = r.at.Now
	r.changed[f.ID] = true
	run := f.Ended
	if run != nil && !run.Known() {
		return
	}
	var e Completion
	if run != nil {
		f.Reason = r.Next.stopReason(f)
		e.Run, e.OK, e.Interrupted, e.Summary = run.Run, run.ok(), run.interrupted(), run.Summary
		e.OnRequest = f.Reason != ""
	}
	e.Assignment = r.Next.ticket(f)
	if !r.Next.Removed {
		e.ConsecutiveFailures = r.count(*f)
		e.Job.ConsecutiveFailures = e.ConsecutiveFailures
		if e.Interrupted {
			r.repeat(*f)
		}
	}
	r.Completions = append(r.Completions, e)
}

// count gives the job its consecutive failures after the end of a firing, and
// notifies.
func (r *ruling) count(f FiringRecord) ConsecutiveFailures {
	k, at := &r.Next.StoredJob, r.at.Now
	if f.Ended != nil && !f.Ended.Summary.Ended.IsZero() {
		at = f.Ended.Summary.Ended
	}
	before := k.ConsecutiveFailures
	after, occasion, told := k.after(&f, at)
	k.ConsecutiveFailures = after
	if !told {
		return after
	}
	failures := after.Count
	if occasion == OnRecovery {
		failures = before.Count
	}
	f.At = f.instant()
	r.notify(&f, Message{Type: occasion.String(), Time: at, Failures: failures})
	return after
}

// after are the consecutive failures of a job once a firing has ended at that
// time, and what is notified of it.
func (k *StoredJob) after(f *FiringRecord, at time.Time) (after ConsecutiveFailures, o NotifyEvent, told bool) {
	judge := k.Notify.Failed
	switch {
	case f.Ended != nil && f.Ended.ok():
		judge = k.Notify.Succeeded
	case f.Ended != nil && f.Reason != "":
		judge = k.Notify.Ended
	}
	after, o, told = judge(k.ConsecutiveFailures)
	if after.Count > 0 && k.ConsecutiveFailures.Count == 0 {
		after.Since = at
	}
	return after, o, told
}

// CountEnded are the consecutive failures with what has ended and is not settled
// yet.
func (s JobState) CountEnded() ConsecutiveFailures {
	for _, place := range s.ended() {
		f := s.Open[place]
		if f.Ended != nil {
			if !f.Ended.Known() {
				continue
			}
			f.Reason = s.stopReason(&f)
		}
		s.ConsecutiveFailures, _, _ = s.after(&f, f.endedAt())
	}
	return s.ConsecutiveFailures
}

// repeat lets the hosts of a run that was cut off and whose end is not known have
// the command again, if the job's command is made for that, the run was not to be
// stopped, and it is not too late.
func (r *ruling) repeat(f FiringRecord) {
	k, run, now := &r.Next.StoredJob, f.Ended, r.at.Now
	if !k.Idempotent || k.Broken != nil || k.Paused || f.Stop.By != "" || run.Summary.Counts[fanout.Lost]+run.Summary.Counts[fanout.Skipped] == 0 {
		return
	}
	timing, err := k.Timing(now)
	if err != nil || now.Sub(f.Due) > max(timing.window(), k.Grace) {
		return // a job without a time any more has no window either
	}
	a := r.Next.activity()
	v := k.Overlap.Decide(a.busy, a.waiting, k.MaxRunning)
	if v.End {
		return // what is newer is not stopped for the sake of what is older
	}
	r.add(FiringRecord{Due: f.Due, Decision: v.Decision, Reason: v.Reason, RequestedBy: f.RequestedBy, Repeats: run.Run, RepeatsAt: f.instant()})
}

// stopReason says who stopped the run of a firing before it was through; empty:
// nobody did, or it is ok nevertheless. Its deadline and its budget are the job's
// own. Of a run that was cut off it is not known what would have become of it.
func (s *JobState) stopReason(f *FiringRecord) string {
	run := f.Ended
	if run.State != runFinished || run.ok() {
		return ""
	}
	stopped := run.Summary.Stopped
	switch stopped {
	case fanout.StoppedKill:
		if later := f.replacement(s.Zone); later != "" {
			return later
		}
		if f.Stop.By != "" {
			return "killed by " + f.Stop.By
		}
	case fanout.StoppedSignal, fanout.StoppedSink:
		switch {
		case f.RequestedBy != "" && f.Attached:
			return "interrupted by " + f.RequestedBy
		case stopped == fanout.StoppedSignal:
			return ReasonStopped
		}
	}
	return ""
}

// replacement says, in the job's zone, which firing took the place of one whose run
// was stopped for its sake; empty if that was done for another reason.
func (f *FiringRecord) replacement(zone string) string {
	if f.Stop.By != replacementActor(f.Job) {
		return ""
	}
	if f.Stop.ReplacedAt.IsZero() {
		return ReasonReplaced
	}
	at := f.Stop.ReplacedAt
	if zone, err := LoadZone(zone); err == nil {
		at = at.In(zone) // a job without a zone has UTC
	}
	return "replaced by the firing of " + at.Format("15:04:05 MST")
}
