package scheduler

import (
	"cmp"
	"slices"
	"time"

	"tutti/fanout"
)

// Settle settles the firings that have ended, in the order in which they did: it
// counts failures, says what is notified, and lets an idempotent job repeat what
// was cut off; see [Jobs.Settle]. member is what is known of the processes that
// carried out firings.
func (s JobState) Settle(member func(daemon int64) Member, at Moment) Transition {
	r := s.rule(at)
	for _, place := range s.ended() {
		r.settle(place, member)
	}
	return r.done()
}

// ended are the places of the open firings that have come to their end, in the
// order in which they did.
func (s *JobState) ended() []int {
	var places []int
	for i := range s.Open {
		f := &s.Open[i]
		run := s.run(f.Run)
		if f.Settled.IsZero() && (f.Decision == Failed || f.Run != 0 && (run == nil || !run.running())) {
			places = append(places, i)
		}
	}
	slices.SortFunc(places, func(i, j int) int {
		a, b := &s.Open[i], &s.Open[j]
		return cmp.Or(s.endOf(a).Compare(s.endOf(b)), cmp.Compare(a.ID, b.ID))
	})
	return places
}

// endOf is when the run of a firing ended, or when the firing was decided if that
// is not known.
func (s *JobState) endOf(f *FiringRecord) time.Time {
	if run := s.run(f.Run); run != nil && !run.Summary.Ended.IsZero() {
		return run.Summary.Ended
	}
	return f.Decided
}

// settle settles one firing. How a run ended that was deleted cannot be known, and
// there is no ending of it.
func (r *ruling) settle(place int, member func(int64) Member) {
	f := &r.Next.Open[place]
	f.Settled = r.at.Now
	r.changed[f.ID] = true
	run := r.Next.run(f.Run)
	if f.Run != 0 && run == nil {
		return
	}
	var e Ending
	if run != nil {
		f.Reason = r.Next.stopReason(f, run, member)
		e.Run, e.OK, e.Interrupted, e.Summary = run.ID, run.ok(), run.State == runInterrupted, run.Summary
		e.OnRequest = f.Reason != ""
	}
	e.Ticket = r.Next.ticket(f)
	if !r.Next.Removed {
		e.Streak = r.count(*f, run)
		e.Job.Streak = e.Streak
		if e.Interrupted {
			r.repeat(*f, run)
		}
	}
	r.Endings = append(r.Endings, e)
}

// count gives the job its consecutive failures after the end of a firing, and
// notifies.
func (r *ruling) count(f FiringRecord, run *JobRun) Streak {
	k, at := &r.Next.Kept, r.at.Now
	if run != nil && !run.Summary.Ended.IsZero() {
		at = run.Summary.Ended
	}
	before := k.Streak
	after, occasion, told := k.after(&f, run, at)
	k.Streak = after
	if !told {
		return after
	}
	failures := after.Failures
	if occasion == OnRecovery {
		failures = before.Failures
	}
	f.At = r.Next.instant(&f)
	r.notify(&f, run, Message{Type: occasion.String(), Time: at, Failures: failures})
	return after
}

// after are the consecutive failures of a job once a firing has ended at that
// time, and what is notified of it.
func (k *Kept) after(f *FiringRecord, run *JobRun, at time.Time) (after Streak, o Occasion, told bool) {
	judge := k.Notify.Failed
	switch {
	case run != nil && run.ok():
		judge = k.Notify.Succeeded
	case run != nil && f.Reason != "":
		judge = k.Notify.Ended
	}
	after, o, told = judge(k.Streak)
	if after.Failures > 0 && k.Streak.Failures == 0 {
		after.Since = at
	}
	return after, o, told
}

// CountEnded are the consecutive failures with what has ended and is not settled
// yet.
func (s JobState) CountEnded(member func(daemon int64) Member) Streak {
	for _, place := range s.ended() {
		f := s.Open[place]
		run := s.run(f.Run)
		switch {
		case run != nil:
			f.Reason = s.stopReason(&f, run, member)
		case f.Run != 0:
			continue // how it ended cannot be known
		}
		s.Streak, _, _ = s.after(&f, run, s.endOf(&f))
	}
	return s.Streak
}

// repeat lets the hosts of a run that was cut off and whose end is not known have
// the command again, if the job's command is made for that, the run was not to be
// stopped, and it is not too late.
func (r *ruling) repeat(f FiringRecord, run *JobRun) {
	k, now := &r.Next.Kept, r.at.Now
	if !k.Idempotent || k.Broken != nil || k.Paused || run.KillBy != "" || run.Summary.Counts[fanout.Lost]+run.Summary.Counts[fanout.Skipped] == 0 {
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
	r.add(FiringRecord{Due: f.Due, Decision: v.Decision, Reason: v.Reason, RequestedBy: f.RequestedBy, Repeats: run.ID})
}

// stopReason says who stopped the run of a firing before it was through; empty:
// nobody did, or it is ok nevertheless. Its deadline and its budget are the job's
// own. Of a run that was cut off it is not known what would have become of it.
func (s *JobState) stopReason(f *FiringRecord, run *JobRun, member func(int64) Member) string {
	if run.State != runFinished || run.ok() {
		return ""
	}
	stopped := run.Summary.Stopped
	switch stopped {
	case fanout.StoppedKill:
		if later := s.replacement(run); later != "" {
			return later
		}
		if run.KillBy != "" {
			return "killed by " + run.KillBy
		}
	case fanout.StoppedSignal, fanout.StoppedSink:
		switch attached := f.RequestedBy != "" && !member(f.Daemon).Serves; {
		case attached:
			return "interrupted by " + f.RequestedBy
		case stopped == fanout.StoppedSignal:
			return ReasonStopped
		}
	}
	return ""
}

// replacement says which firing took the place of a run that was stopped for its
// sake; empty if that was done for another reason.
func (s *JobState) replacement(run *JobRun) string {
	if run.KillBy != replacementActor(run.Job) {
		return ""
	}
	if run.ReplacedAt.IsZero() {
		return ReasonReplaced
	}
	at := run.ReplacedAt
	if zone, err := LoadZone(s.Zone); err == nil {
		at = at.In(zone) // a job without a zone has UTC
	}
	return "replaced by the firing of " + at.Format("15:04:05 MST")
}
