package scheduler

import (
	"cmp"
	"slices"
	"time"

	"tutti/fanout"
)

// End records how the run of a firing ended. The error is [ErrConflict] if no open
// firing has that run, or its end is recorded already.
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

// Settle settles the firings that have ended, in the order in which they did: it counts
// failures, adds messages, and repeats interrupted runs of an idempotent job.
func (s JobState) Settle(at Moment) Transition {
	r := s.rule(at)
	for _, place := range s.ended() {
		r.settle(place)
	}
	return r.done()
}

// ended returns the places of the open firings that have ended, in the order in which
// they did.
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

// compareEnds orders firings by the time of their end.
func compareEnds(a, b *FiringRecord) int {
	return cmp.Or(a.endedAt().Compare(b.endedAt()), cmp.Compare(a.ID, b.ID))
}

// endedAt returns when the run of a firing ended; if that is unknown, when the firing
// was decided.
func (f *FiringRecord) endedAt() time.Time {
	if f.Ended != nil && !f.Ended.Summary.Ended.IsZero() {
		return f.Ended.Summary.Ended
	}
	return f.Decided
}

// settle settles one firing. If its run was deleted from the history, the result is
// unknown, and there is no completion.
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
		f.Reason = f.stopReason(r.Next.Zone)
		e.Run, e.OK, e.Interrupted, e.Summary = run.Run, run.ok(), run.interrupted(), run.Summary
		e.OnRequest = f.Reason != ""
	}
	e.Assignment = r.Next.Assignment(f)
	if !r.Next.Removed {
		e.ConsecutiveFailures = r.count(*f)
		e.Job.ConsecutiveFailures = e.ConsecutiveFailures
		if e.Interrupted {
			r.repeat(*f)
		}
	}
	r.Completions = append(r.Completions, e)
}

// count updates the job's consecutive failures after the end of a firing, and notifies.
func (r *ruling) count(f FiringRecord) ConsecutiveFailures {
	k, at := &r.Next.StoredJob, r.at.Now
	if f.Ended != nil && !f.Ended.Summary.Ended.IsZero() {
		at = f.Ended.Summary.Ended
	}
	before := k.ConsecutiveFailures
	after, event, notify := k.after(&f, at)
	k.ConsecutiveFailures = after
	if !notify {
		return after
	}
	failures := after.Count
	if event == OnRecovery {
		failures = before.Count
	}
	f.At = f.scheduledTime()
	r.notify(&f, Message{Type: event.String(), Time: at, Failures: failures})
	return after
}

// after returns the consecutive failures of a job once a firing has ended at that time,
// and the event to send if notify is true.
func (k *StoredJob) after(f *FiringRecord, at time.Time) (after ConsecutiveFailures, o NotifyEvent, notify bool) {
	count := k.Notify.Failed
	switch {
	case f.Ended != nil && f.Ended.ok():
		count = k.Notify.Succeeded
	case f.Ended != nil && f.Reason != "":
		count = k.Notify.Ended
	}
	after, o, notify = count(k.ConsecutiveFailures)
	if after.Count > 0 && k.ConsecutiveFailures.Count == 0 {
		after.Since = at
	}
	return after, o, notify
}

// CountEnded returns the consecutive failures, those of firings included that have
// ended and are not settled yet.
func (s JobState) CountEnded() ConsecutiveFailures {
	for _, place := range s.ended() {
		f := s.Open[place]
		if f.Ended != nil {
			if !f.Ended.Known() {
				continue
			}
			f.Reason = f.stopReason(s.Zone)
		}
		s.ConsecutiveFailures, _, _ = s.after(&f, f.endedAt())
	}
	return s.ConsecutiveFailures
}

// repeat adds a firing that runs the command again on the hosts of an interrupted run
// whose result is unknown, if the job is idempotent, the run was not to be stopped, and
// it is not too late.
func (r *ruling) repeat(f FiringRecord) {
	k, run, now := &r.Next.StoredJob, f.Ended, r.at.Now
	if !k.Idempotent || k.Broken != nil || k.Paused || f.Stop.By != "" || run.Summary.Counts[fanout.Lost]+run.Summary.Counts[fanout.Skipped] == 0 {
		return
	}
	timing, err := k.Timing(now)
	if err != nil || now.Sub(f.Due) > max(timing.window(), k.Grace) {
		return // a schedule that is broken or has ended has no window
	}
	a := r.Next.activity()
	v := k.Overlap.Decide(a.busy, a.waiting, k.MaxRunning)
	if v.End {
		return // a newer firing is not stopped for an older one
	}
	r.add(FiringRecord{Due: f.Due, Decision: v.Decision, Reason: v.Reason, RequestedBy: f.RequestedBy, Repeats: run.Run, RepeatsAt: f.scheduledTime()})
}

// stopReason returns who stopped the run of a firing before it was complete; empty: no
// one did, or it succeeded all the same. A run that ends at its deadline or its failure
// budget is not stopped in this sense, nor is one whose process died.
func (f *FiringRecord) stopReason(zone string) string {
	run := f.Ended
	if run.State != runFinished || run.ok() {
		return ""
	}
	stopped := run.Summary.Stopped
	switch stopped {
	case fanout.StoppedKill:
		if later := f.replacement(zone); later != "" {
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

// replacement says, in the job's zone, which firing the run was stopped for; empty if
// it was stopped for another reason.
func (f *FiringRecord) replacement(zone string) string {
	if f.Stop.By != replacementActor(f.Job) {
		return ""
	}
	if f.Stop.ReplacedAt.IsZero() {
		return ReasonReplaced
	}
	at := f.Stop.ReplacedAt
	if zone, err := LoadZone(zone); err == nil {
		at = at.In(zone) // a broken job has no zone: UTC
	}
	return "replaced by the firing of " + at.Format("15:04:05 MST")
}
