package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// Stored is the run that j is the form of; what the form lacks is zero.
func (j *Run) Stored() (store.Run, error) {
	r := store.Run{
		ID: j.Run, Source: j.Source, Command: j.Command, Selector: j.Selector, Inventory: j.Inventory, Note: j.Note, User: j.User,
		State: j.State, ExitCode: j.ExitCode, RerunOf: j.RerunOf, Job: j.Job,
	}
	r.Summary.Started, r.Summary.Ended, r.Summary.Hosts = time.Time(j.StartedAt), AtOf(j.EndedAt), j.Hosts
	return r, summarize(&r.Summary, j.Counts, j.Stopped)
}

// summarize puts counts and what stopped a run into s.
func summarize(s *fanout.Summary, counts map[string]int, stopped string) error {
	for word, n := range counts {
		o, err := fanout.ParseOutcome(word)
		if err != nil {
			return err
		}
		s.Counts[o] = n
	}
	var err error
	s.Stopped, err = fanout.ParseStopped(stopped)
	return err
}

// Stored is the firing that j is the form of; what the form lacks is zero.
func (j *Firing) Stored() (store.FiringRow, error) {
	f := store.FiringRow{
		ID: j.Firing, Job: j.Job, JobID: j.JobID, Reason: j.Reason, RunID: j.Run, RequestedBy: j.RequestedBy, Repeats: j.Repeats,
		ScheduledAt: AtOf(j.ScheduledAt), DueAt: AtOf(j.DueAt), DecidedAt: AtOf(j.DecidedAt),
		Missed: scheduler.Gap{Count: j.Missed, More: j.MissedMore, First: AtOf(j.FirstAt), Last: AtOf(j.LastAt)},
	}
	var err error
	if f.Decision, err = DecisionOf(j.Decision); err != nil {
		return f, err
	}
	for _, n := range j.Notifications {
		f.Notifications = append(f.Notifications, store.NotificationRow{
			At: time.Time(n.At), Event: n.Occasion, Kind: n.Kind, Target: n.Target, Attempt: n.Attempt, Error: n.Error, Waiting: n.Waiting,
		})
	}
	if j.State == "" { // there is no run, or it was deleted
		return f, nil
	}
	f.Run = &store.Run{ID: j.Run, State: j.State, Job: j.Job, JobID: j.JobID, ExitCode: j.ExitCode}
	s := &f.Run.Summary
	s.Started, s.Ended, s.Hosts = AtOf(j.StartedAt), AtOf(j.EndedAt), j.Hosts
	return f, summarize(s, j.Counts, j.Stopped)
}

// DecisionOf is the decision of that word.
func DecisionOf(word string) (scheduler.Decision, error) {
	for d := scheduler.Run; d <= scheduler.Refused; d++ {
		if d.String() == word {
			return d, nil
		}
	}
	return 0, fmt.Errorf("unknown decision %q", word)
}

// Stored is the firing that is to come of which j is the form, in the location in.
func (j *Next) Stored(in *time.Location) scheduler.Firing {
	return scheduler.Firing{ScheduledTime: scheduler.ScheduledTime{At: time.Time(j.ScheduledAt).In(in), Shifted: j.Moved}, Due: time.Time(j.DueAt).In(in)}
}

// Stored is the version that j is the form of, of the job of that number.
func (j *Change) Stored(id int64) (store.JobChange, error) {
	c := store.JobChange{JobID: id, Version: j.Version, At: time.Time(j.At), User: j.User, What: j.What}
	if j.Spec == nil {
		return c, nil
	}
	data, err := json.Marshal(j.Spec)
	if err != nil {
		return c, err
	}
	c.Spec, c.Job = data, new(scheduler.Job)
	return c, json.Unmarshal(data, c.Job)
}

// Stored is the job that j is the form of; what the form lacks is zero.
func (j *Job) Stored() (scheduler.StoredJob, error) {
	k := scheduler.StoredJob{
		ID: j.JobID, Cursor: time.Time(j.Cursor), Alarm: j.Alarm, UpdatedAt: time.Time(j.UpdatedAt), UpdatedBy: j.UpdatedBy,
		ConsecutiveFailures: scheduler.ConsecutiveFailures{Count: j.Failures, Since: AtOf(j.FailingSince)},
	}
	var err error
	if j.Spec != nil {
		err = json.Unmarshal(j.Spec, &k.Job)
	} else {
		k.Broken = errors.New(j.Broken)
	}
	k.Name, k.Version, k.Paused = j.Job, j.Version, j.Paused
	k.Pause = scheduler.Pause{By: j.PausedBy, At: AtOf(j.PausedAt), Until: AtOf(j.PausedUntil), Note: j.PausedNote}
	return k, err
}

// AtOf is the time that t is the form of; zero if that is nil.
func AtOf(t *event.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Time(*t)
}
