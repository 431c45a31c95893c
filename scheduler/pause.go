package scheduler

import (
	"errors"
	"time"
	"unicode/utf8"
)

// ResumedBy is who resumes a job whose pause has ended.
const ResumedBy = "the daemon"

// maxPauseNote bounds the note of a pause, in characters.
const maxPauseNote = 1000

// A Pause is how a job was paused. It is zero for a job that is not, or that an earlier
// version paused.
type Pause struct {
	// By is the user who paused it, and At when.
	By string
	At time.Time
	// Until is when a daemon resumes it; zero: a user has to.
	Until time.Time
	// Note says why; may be empty.
	Note string
}

// Same reports whether two pauses end at the same time and have the same note.
func (p Pause) Same(other Pause) bool { return p.Until.Equal(other.Until) && p.Note == other.Note }

// Check returns a [*KeyError] if the pause has ended before now, or its note is not one.
func (p Pause) Check(now time.Time) error {
	if !p.Until.IsZero() && !p.Until.After(now) {
		return &KeyError{"until", errors.New("want a time that is to come")}
	}
	if utf8.RuneCountInString(p.Note) > maxPauseNote {
		return &KeyError{"note", errors.New("longer than 1000 characters")}
	}
	if err := checkPrintable(p.Note); err != nil {
		return &KeyError{"note", err}
	}
	return nil
}

// StartPause pauses the job for the user p.By. A job that is paused already ends its pause
// as p says. The error is [ErrConflict] if the job was removed.
func (s JobState) StartPause(p Pause, at Moment) (Transition, error) {
	switch {
	case s.Removed:
		return Transition{}, ErrConflict
	case s.Broken != nil:
		return Transition{}, s.Broken
	}
	r := s.rule(at)
	k := &r.Next.StoredJob
	p.At = at.Now
	k.Paused, k.Pause = true, p
	k.Version++
	k.UpdatedAt, k.UpdatedBy, k.Alarm = at.Now, p.By, ""
	return r.done(), nil
}

// PauseOver reports whether the job is paused and its pause has ended by now.
func (k *StoredJob) PauseOver(now time.Time) bool {
	return k.Paused && k.Broken == nil && !k.Pause.Until.IsZero() && !now.Before(k.Pause.Until)
}

// LeavePause is [StoredJob.Leave] for [JobState.EndPause]: the scheduled times up to the end
// of the pause are missed. Those after it are decided as if the job had not been paused.
func (k *StoredJob) LeavePause() Decisions {
	next := k.Job
	next.Paused = false
	return k.Leave(&next, k.Pause.Until)
}

// EndPause resumes the job, whose pause has ended; left is what [StoredJob.LeavePause]
// returned. The alarm of the job stays. The error is [ErrConflict] if the pause has not
// ended, or the state is not that of left.Job any more.
func (s JobState) EndPause(left Decisions, at Moment) (Transition, error) {
	if s.Removed || !s.PauseOver(at.Now) {
		return Transition{}, ErrConflict
	}
	job := s.Job
	job.Paused = false
	t, err := s.Edit(job, left, ResumedBy, at)
	t.Next.Alarm = s.Alarm
	return t, err
}

// pauseAfter is the pause of the job once it was replaced by next: that of who paused it, or
// that of by if next is what pauses it.
func (k *StoredJob) pauseAfter(next *Job, by string, now time.Time) Pause {
	switch {
	case !next.Paused:
		return Pause{}
	case k.Paused:
		return k.Pause
	}
	return Pause{By: by, At: now}
}
