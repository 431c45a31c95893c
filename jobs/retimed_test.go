package jobs

import (
	"testing"
	"time"

	"tutti/scheduler"
)

// TestRetimed: a change of its scheduled times retimes a job, and so does a pause,
// which changes none of them.
func TestRetimed(t *testing.T) {
	for _, tt := range []struct {
		name               string
		change             func(*scheduler.Job)
		sameTimes, retimed bool
	}{
		{"as it is", func(*scheduler.Job) {}, true, false},
		{"another command", func(j *scheduler.Job) { j.Command = "w" }, true, false},
		{"paused", func(j *scheduler.Job) { j.Paused = true }, true, true},
		{"another schedule", func(j *scheduler.Job) { j.Schedules = []string{"@daily"} }, false, true},
		{"with seconds", func(j *scheduler.Job) { j.Seconds = true }, false, true},
		{"in another zone", func(j *scheduler.Job) { j.Zone = "Europe/Berlin" }, false, true},
		{"with jitter", func(j *scheduler.Job) { j.Jitter = time.Minute }, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := scheduler.NewJob("sweep", "UTC")
			old.Schedules = []string{"@hourly"}
			job := old
			tt.change(&job)
			if got := old.SameTimes(&job); got != tt.sameTimes {
				t.Errorf("got the same times %t, want %t", got, tt.sameTimes)
			}
			e := Edited{Old: old, Job: scheduler.StoredJob{Job: job}}
			if got := e.Retimed(); got != tt.retimed {
				t.Errorf("got retimed %t, want %t", got, tt.retimed)
			}
		})
	}
}
