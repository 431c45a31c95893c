package scheduler

import (
	"slices"
	"time"
)

// Kill makes the request x of all of the job's runs, and closes firings that have not
// started. Its Run and At are not used.
func (s JobState) Kill(x Stop, at Moment) Transition {
	r := s.rule(at)
	r.closeUnstarted("killed by " + x.By)
	x.Run = 0
	r.stop(x, nil)
	return r.done()
}

// KillRun makes the request x of one run of the job; if its Run is 0, of all its runs. Firings
// that have not started stay. Its At is not used. The error is [ErrConflict] if the run has
// ended.
func (s JobState) KillRun(x Stop, at Moment) (Transition, error) {
	r := s.rule(at)
	if r.stop(x, nil); len(r.Stops) == 0 {
		return Transition{}, ErrConflict
	}
	return r.done(), nil
}

// Leave returns the decisions about the scheduled times before now that are still
// undecided when next replaces the job: they are missed if the job was paused, or if
// next fires at other times. A job that cannot be read has none. Counting many of them
// takes time, so that callers do it before they open a transaction.
func (k *StoredJob) Leave(next *Job, now time.Time) Decisions {
	d := Decisions{Job: *k, Cursor: k.Cursor, MissedReason: ReasonChanged}
	if k.Cursor.IsZero() { // it cannot be read
		d.Cursor = now
		return d
	}
	if k.SameTimes(next) && (!k.Paused || next.Paused) || !now.After(k.Cursor) {
		return d
	}
	if k.Paused {
		d.MissedReason = ReasonPaused
	}
	d.Cursor = now
	timing, err := k.Timing(k.Cursor)
	if err == nil {
		d.Missed, err = timing.Gap(k.Cursor, now)
	}
	if err != nil {
		d.Missed = Gap{}
	}
	return d
}

// SameTimes reports whether j and next have the same scheduled times, paused or not.
func (j *Job) SameTimes(next *Job) bool {
	return slices.Equal(j.Schedules, next.Schedules) && j.Seconds == next.Seconds && j.Zone == next.Zone && j.Jitter == next.Jitter
}

// Edit replaces the job for the user by; left is what [StoredJob.Leave] returned. The
// error is [ErrConflict] if the state is not that of left.Job any more.
func (s JobState) Edit(job Job, left Decisions, by string, at Moment) (Transition, error) {
	if s.Removed || s.Version != left.Job.Version || !s.Cursor.Equal(left.Job.Cursor) {
		return Transition{}, ErrConflict
	}
	r := s.rule(at)
	r.miss(left.Missed, left.MissedReason, s.knownIn(left.Missed))
	k, sameTimes := &r.Next.StoredJob, s.SameTimes(&job)
	r.moveCursor(left.Cursor)
	if !sameTimes { // no time of the new schedule is decided
		r.Next.Since, r.Next.Ahead = left.Cursor, nil
	}
	job.Name, job.Version = k.Name, k.Version+1
	k.Pause = s.pauseAfter(&job, by, at.Now)
	k.Job, k.Broken, k.UpdatedAt, k.UpdatedBy = job, nil, at.Now, by
	if k.Count > 0 && k.Since.IsZero() { // it may be unreadable
		k.Since = at.Now
	}
	k.Alarm = "" // the user who edits a job has seen its alarm
	return r.done(), nil
}

// Remove removes the job for the user by. Its runs go on; firings that have not started
// are closed.
func (s JobState) Remove(by string, at Moment) Transition {
	r := s.rule(at)
	r.closeUnstarted(ReasonRemoved)
	k := &r.Next.StoredJob
	k.Version++
	k.UpdatedAt, k.UpdatedBy = at.Now, by
	r.Next.Removed = true
	return r.done()
}
