package scheduler

import (
	"slices"
	"time"
)

// Kill stops what runs of the job, which by wants, and closes what has not begun.
func (s JobState) Kill(by string, at Moment) Transition {
	r := s.rule(at)
	r.closeUnbegun("killed by " + by)
	r.stop(by, 0)
	return r.done()
}

// Leave is what becomes of the instants before now that have not been decided,
// once the job is replaced by next: they are missed if the job was paused, or is
// to fire at other times from now on. A job that cannot be read had none. Many
// instants may have passed, and counting them takes its time.
func (k *Kept) Leave(next *Job, now time.Time) Decisions {
	d := Decisions{Job: *k, Cursor: k.Cursor, MissedReason: ReasonChanged}
	retimed := !slices.Equal(k.Schedules, next.Schedules) || k.Seconds != next.Seconds || k.Zone != next.Zone || k.Jitter != next.Jitter
	if !retimed && (!k.Paused || next.Paused) || !now.After(k.Cursor) {
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

// Edit replaces the job, which by wants; left is what [Kept.Leave] said. It is
// [ErrConflict] if the state is not that of left.Job any more.
func (s JobState) Edit(job Job, left Decisions, past Past, by string, at Moment) (Transition, error) {
	if s.Removed || s.Version != left.Job.Version || !s.Cursor.Equal(left.Job.Cursor) {
		return Transition{}, ErrConflict
	}
	r := s.rule(at)
	r.miss(left.Missed, left.MissedReason, past)
	k := &r.Next.Kept
	job.Name, job.Version = k.Name, k.Version+1
	k.Job, k.Broken, k.Cursor, k.UpdatedAt, k.UpdatedBy = job, nil, left.Cursor, at.Now, by
	k.Alarm = "" // the person who changes a job has seen what was wrong with it
	return r.done(), nil
}

// Remove removes the job, which by wants. What runs goes on, and what has not
// begun is closed.
func (s JobState) Remove(by string, at Moment) Transition {
	r := s.rule(at)
	r.closeUnbegun(ReasonRemoved)
	k := &r.Next.Kept
	k.Version++
	k.UpdatedAt, k.UpdatedBy = at.Now, by
	r.Next.Removed = true
	return r.done()
}
