package jobs

import (
	"time"

	"tutti/api"
	"tutti/scheduler"
	"tutti/store"
)

// ViewOf returns the view whose JSON form is j.
func ViewOf(j *api.Job) (View, error) {
	stored, err := j.Stored()
	if err != nil {
		return View{}, err
	}
	v := View{StoredJob: stored, State: State(j.State), Wrong: j.Broken, Running: j.Running, Cost: store.JobCost{Runs: j.Runs, Bytes: j.Bytes}}
	if v.Last, err = firingOf(j.Last); err != nil {
		return v, err
	}
	if v.Ran, err = firingOf(j.Ran); err != nil {
		return v, err
	}
	if v.Ran == nil && v.Last != nil && v.Last.Decision == scheduler.Run {
		v.Ran = v.Last
	}
	if j.ScheduledAt != nil && j.DueAt != nil {
		next := api.Next{ScheduledAt: *j.ScheduledAt, DueAt: *j.DueAt}
		v.Next = next.Stored(v.location())
	}
	return v, nil
}

func firingOf(j *api.Firing) (*store.FiringRow, error) {
	if j == nil {
		return nil, nil
	}
	f, err := j.Stored()
	return &f, err
}

// location returns the time zone of the job's schedule; UTC if it is unknown here.
func (v *View) location() *time.Location {
	if zone, err := scheduler.LoadZone(v.Zone); err == nil {
		return zone
	}
	return time.UTC
}

// DetailsOf returns the details whose JSON form is j.
func DetailsOf(j *api.JobDetails) (*Details, error) {
	view, err := ViewOf(&j.Job)
	if err != nil {
		return nil, err
	}
	d := &Details{View: view}
	for i := range j.Next {
		d.NextFirings = append(d.NextFirings, j.Next[i].Stored(d.location()))
	}
	for i := range j.Firings {
		f, err := j.Firings[i].Stored()
		if err != nil {
			return nil, err
		}
		d.Firings = append(d.Firings, f)
	}
	for i := range j.Changes {
		c, err := j.Changes[i].Stored(d.ID)
		if err != nil {
			return nil, err
		}
		d.Changes = append(d.Changes, c)
	}
	return d, nil
}
