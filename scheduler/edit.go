package scheduler

import (
	"slices"
	"time"
)

// Kill stops what runs of the job, which by wants, and closes what has not begun.
func (s JobState) Kill(by string, at Moment) Transition {
	r := s.rule(at)
	r.closeUnbegun("killed by " + by)
	r.stop(0, by, nil)
	return r.done()
}

// KillRun stops one run of the job, which by wants. It is [ErrConflict] if it has
// ended.
func (s JobState) KillRun(run int64, by string, at Moment) (Transition, error) {
	r := s.rule(at)
	if r.stop(run, by, nil); len(r.Stops) == 0 {
		return Transition{}, ErrConflict
	}
	return r.done(), nil
}

// Leave is what becomes of the instants before now that have not been decided,
// once the job is replaced by next: they are missed if the job was paused, or is
// to fire at other times from now on. A job that cannot be read had none. Many
// instants may have passed, and counting them takes its time.
func (k *StoredJob) Leave(next *Job, now time.Time) Decisions {
	d := Decisions{Job: *k, Cursor: k.Cursor, MissedReason: ReasonChanged}
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

// Edit replaces the job, which by wants; left is what [StoredJob.Leave] said. It is
// [ErrConflict] if the state is not that of left.Job any more.
func (s JobState) Edit(job Job, left Decisions, by string, at Moment) (Transition, error) {
	if s.Removed || s.Version != left.Job.Version || !s.Cursor.Equal(left.Job.Cursor) {
		return Transition{}, ErrConflict
	}
	r := s.rule(at)
	r.miss(left.Missed, left.MissedReason, s.knownIn(left.Missed))
	k, sameTimes := &r.Next.StoredJob, s.SameTimes(&job)
	r.moveCursor(left.Cursor)
	if !sameTimes { // its instants are others, of which none is decided
		r.Next.Since, r.Next.Ahead = left.Cursor, nil
	}
	job.Name, job.Version = k.Name, k.Version+1
	k.Job, k.Broken, k.UpdatedAt, k.UpdatedBy = job, nil, at.Now, by
	k.Alarm = "" // the person who changes a job has seen what was wrong with it
	return r.done(), nil
}

// Remove removes the job, which by wants. What runs goes on, and what has not
// begun is closed.
func (s JobState) Remove(by string, at Moment) Transition {
	r := s.rule(at)
	r.closeUnbegun(ReasonRemoved)
	k := &r.Next.StoredJob
	k.Version++
	k.UpdatedAt, k.UpdatedBy = at.Now, by
	r.Next.Removed = true
	return r.done()
}
