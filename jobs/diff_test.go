package jobs

import (
	"maps"
	"slices"
	"testing"
	"time"

	"tutti/scheduler"
)

// testJob is a job with these options.
func testJob(options map[string][]string) scheduler.Job {
	job := scheduler.NewJob("sweep", "UTC")
	job.Schedules = []string{"@hourly"}
	job.Selector = "web"
	job.Command = "uptime"
	maps.Copy(job.Options, options)
	return job
}

func TestDiff(t *testing.T) {
	before := testJob(map[string][]string{"timeout": {"2h"}, "env": {"A=1"}})
	now := testJob(map[string][]string{"env": {"A=1", "B=\x1b[31m"}})
	now.Paused = true
	now.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnMissed}, Command: "tell <me>"}
	got, err := Diff(&before, &now)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`env: "A=1" → ["A=1", "B=\x1b[31m"]`,
		`notify: none → {command: "tell <me>", on: ["missed"]}`,
		`paused: false → true`,
		`timeout: "2h" → none`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if same, err := Diff(&now, &now); err != nil || same != nil {
		t.Errorf("the same job: got %q, %v", same, err)
	}
}

// The keys that can be unset are those that a new job has.
func TestUnset(t *testing.T) {
	job := testJob(map[string][]string{"timeout": {"2h"}, "deadline": {"1h"}})
	job.Seconds, job.Paused, job.TuttiEnv, job.Idempotent = true, true, true, true
	job.Overlap, job.MaxRunning, job.Grace, job.CatchUp, job.Jitter = scheduler.OverlapAllow, 7, time.Hour, scheduler.CatchUpAll, time.Second
	job.Inventory = []string{"/etc/hosts.yaml"}
	job.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnMissed}, Command: "tell"}
	job.Keep = scheduler.Keep{Age: time.Hour}
	given := job.Options
	for _, key := range []string{
		"timeout", "deadline", "seconds", "paused", "tutti_env", "idempotent", "overlap", "max_running",
		"grace", "catch_up", "jitter", "inventory", "notify", "keep",
	} {
		if err := Unset(&job, key); err != nil {
			t.Error(err)
		}
	}
	fresh := testJob(nil)
	if left, err := Diff(&fresh, &job); err != nil || left != nil {
		t.Errorf("left over: %q, %v", left, err)
	}
	if _, stored := given["timeout"]; !stored {
		t.Error("the options of the job that was read were changed")
	}
	if err := Unset(&job, "schedule"); err == nil {
		t.Error("a job did without a schedule")
	}
}
