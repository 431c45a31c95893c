package api

import (
	"encoding/json"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// through is v as it arrives where its JSON is read.
func through[T any](tb testing.TB, v T) T {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(data, &out); err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestRunsThatArrive(t *testing.T) {
	whole := finishedRun()
	whole.Note, whole.Inventory, whole.RerunOf = "a note", "hosts.yaml", 3
	whole.Summary.Stopped = fanout.StoppedBudget
	cut := finishedRun()
	cut.State, cut.ExitCode = store.Interrupted, nil
	running := store.Run{ID: 1, State: store.Running}
	running.Summary.Started = noon
	for _, run := range []store.Run{whole, cut, running} {
		form := through(t, NewRun(run))
		got, err := form.Stored()
		if err != nil || line(t, NewRun(got)) != line(t, form) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, run)
		}
	}
	for _, bad := range []Run{{Stopped: "moon"}, {Stopped: "none", Counts: map[string]int{"fine": 1}}} {
		if _, err := bad.Stored(); err == nil {
			t.Errorf("%+v was understood", bad)
		}
	}
}

func TestFiringsThatArrive(t *testing.T) {
	run := finishedRun()
	for _, f := range []store.FiringRow{
		{
			ID: 7, Job: "watch", JobID: 2, Decision: scheduler.Run, ScheduledAt: noon, DueAt: noon, DecidedAt: noon, RunID: 12, Run: &run, RequestedBy: "ann", Repeats: 4,
			Notifications: []store.NotificationRow{{At: noon, Event: "failure", Kind: "webhook", Target: "x.example", Attempt: 1, Error: "late", Waiting: true}},
		},
		{ID: 8, Decision: scheduler.Missed, Reason: "too late", Missed: scheduler.Gap{Count: 3, First: noon, Last: noon.Add(time.Hour), More: true}},
		{ID: 9, Decision: scheduler.Run, RunID: 3}, // the run was deleted
	} {
		form := through(t, NewFiring(&f))
		got, err := form.Stored()
		if err != nil || line(t, NewFiring(&got)) != line(t, form) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, f)
		}
	}
	for d := scheduler.Run; d <= scheduler.Refused; d++ {
		form := NewFiring(&store.FiringRow{Decision: d})
		if got, err := form.Stored(); err != nil || got.Decision != d {
			t.Errorf("%s: got %s, %v", d, got.Decision, err)
		}
	}
	if _, err := (&Firing{Decision: "perhaps"}).Stored(); err == nil {
		t.Error("a decision that there is not was understood")
	}
}

func TestJobsThatArrive(t *testing.T) {
	job := scheduler.NewJob("backup", "Europe/Berlin")
	job.Schedules, job.Selector, job.Command, job.Version, job.Paused = []string{"30 2 * * *"}, "db", "backup", 4, true
	spec, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	form := Job{Job: "backup", JobID: 9, Version: 4, Paused: true, Alarm: "look", Failures: 2, FailingSince: TimeOf(noon), Spec: spec}
	form = through(t, form)
	k, err := form.Stored()
	if err != nil || k.Name != "backup" || k.ID != 9 || k.Version != 4 || !k.Paused || k.Command != "backup" || k.ConsecutiveFailures.Count != 2 || !k.ConsecutiveFailures.Since.Equal(noon) || k.Broken != nil {
		t.Errorf("got %+v, %v", k, err)
	}
	broken := Job{Job: "old", Broken: "no schedule"}
	if k, err = broken.Stored(); err != nil || k.Broken == nil || k.Broken.Error() != "no schedule" {
		t.Errorf("got %+v, %v", k, err)
	}
	change := through(t, Change{Version: 4, What: "changed", User: "ann", Spec: job})
	c, err := change.Stored(9)
	if err != nil || c.Job == nil || c.Job.Command != "backup" || c.JobID != 9 {
		t.Errorf("got %+v, %v", c, err)
	}
	if c, err = (&Change{What: "removed"}).Stored(9); err != nil || c.Job != nil {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err = (&Job{Spec: json.RawMessage(`{"schedule":{}}`)}).Stored(); err == nil {
		t.Error("a job that is none was understood")
	}
}
