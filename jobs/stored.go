package jobs

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tutti/api"
	"tutti/inventory"
	"tutti/runner"
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

// maxHosts bounds how many hosts a form may count.
const maxHosts = 10_000_000

// TrialOf returns the trial of a job, as of now, that j tells of. Its hosts are so many,
// without names.
func TrialOf(j *api.Validation, job *scheduler.Job, now time.Time) (t Trial, err error) {
	var fails []error
	for _, text := range j.Fails {
		fails = append(fails, errors.New(text))
	}
	if n := len(fails); n > 0 && j.Hosts == nil { // the last is about the hosts, any other about the script
		t.Err, fails = fails[n-1], fails[:n-1]
	}
	t.Script = errors.Join(fails...)
	if j.Hosts == nil {
		return t, nil
	}
	if *j.Hosts < 0 || *j.Hosts > maxHosts {
		return t, fmt.Errorf("%d hosts", *j.Hosts)
	}
	t.Hosts = &runner.Selection{Hosts: make([]*inventory.Host, *j.Hosts), Files: j.Inventory}
	timing, err := job.Timing(now)
	if err != nil {
		return t, err
	}
	doubts, err := DoubtsOf(timing, now)
	if err != nil {
		return t, err
	}
	for _, text := range j.Warnings {
		if !slices.Contains(doubts.Warnings, text) { // the others are about the hosts
			t.Hosts.Warnings = append(t.Hosts.Warnings, text)
		}
	}
	return t, nil
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
