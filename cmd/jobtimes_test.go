package cmd

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/scheduler"
)

// The night of 2027-03-28 has no 02:30 in Berlin.
func TestTimesSayWhatAChangeOfTheClockMoves(t *testing.T) {
	job := testJob(nil)
	job.Schedules, job.Zone, job.Jitter = []string{"30 2 * * *"}, "Europe/Berlin", time.Hour
	now := time.Date(2027, 3, 26, 12, 0, 0, 0, time.UTC)
	timing, err := job.Timing(now)
	if err != nil {
		t.Fatal(err)
	}
	next, err := coming(timing, now, 3)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := writeFirings(&b, "", next, 0); err != nil {
		t.Fatal(err)
	}
	want := `Sat 2027-03-27 02:30:00 CET   2027-03-27T01:30:00Z
Sun 2027-03-28 03:00:00 CEST  2027-03-28T01:00:00Z  moved: 2027-03-28 02:30 is left out when the clock is put forward
Mon 2027-03-29 02:30:00 CEST  2027-03-29T00:30:00Z
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}

	text, err := timesText(timing, now)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(text, "  due 2027-03-2"); got != shownFirings {
		t.Errorf("got %d due times, want %d:\n%s", got, shownFirings, text)
	}
	warnings, err := timesWarnings(timing, now)
	if err != nil {
		t.Fatal(err)
	}
	wantWarning := []string{"2027-03-28 02:30 is left out when the clock is put forward, and it fires at Sun 2027-03-28 03:00:00 CEST"}
	if !slices.Equal(warnings, wantWarning) {
		t.Errorf("got %q, want %q", warnings, wantWarning)
	}
}

func TestTimesOfAJobThatHasRunOut(t *testing.T) {
	job := testJob(nil)
	job.Schedules = []string{"@at 2027-01-31T18:00:00Z"}
	now := time.Date(2027, 3, 26, 12, 0, 0, 0, time.UTC)
	timing, err := job.Timing(now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := timesText(timing, now)
	if err != nil || !strings.Contains(text, "never again") {
		t.Errorf("got %q, %v", text, err)
	}
	v := jobView{Kept: scheduler.Kept{Job: job}}
	if v.find(now); v.state != jobOver {
		t.Errorf("state: got %s, want %s", v.state, jobOver)
	}
}

func TestDiffJobs(t *testing.T) {
	before := testJob(map[string][]string{"timeout": {"2h"}, "env": {"A=1"}})
	now := testJob(map[string][]string{"env": {"A=1", "B=\x1b[31m"}})
	now.Paused = true
	now.Notify = scheduler.Notify{On: []scheduler.Occasion{scheduler.OnMissed}, Command: "tell <me>"}
	got, err := diffJobs(&before, &now)
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
	if same, err := diffJobs(&now, &now); err != nil || same != nil {
		t.Errorf("the same job: got %q, %v", same, err)
	}
}

// What can be unset is what a new job has.
func TestUnsetKeys(t *testing.T) {
	job := testJob(map[string][]string{"timeout": {"2h"}, "deadline": {"1h"}})
	job.Seconds, job.Paused, job.TuttiEnv, job.Idempotent = true, true, true, true
	job.Overlap, job.MaxRunning, job.Grace, job.CatchUp, job.Jitter = scheduler.OverlapAllow, 7, time.Hour, scheduler.CatchUpAll, time.Second
	job.Inventory = []string{"/etc/hosts.yaml"}
	job.Notify = scheduler.Notify{On: []scheduler.Occasion{scheduler.OnMissed}, Command: "tell"}
	job.Keep = scheduler.Keep{Age: time.Hour}
	given := job.Options
	for _, key := range []string{
		"timeout", "deadline", "seconds", "paused", "tutti_env", "idempotent", "overlap", "max_running",
		"grace", "catch_up", "jitter", "inventory", "notify", "keep",
	} {
		if err := unsetKey(&job, key); err != nil {
			t.Error(err)
		}
	}
	fresh := testJob(nil)
	if left, err := diffJobs(&fresh, &job); err != nil || left != nil {
		t.Errorf("left over: %q, %v", left, err)
	}
	if _, kept := given["timeout"]; !kept {
		t.Error("the options of the job that was read were changed")
	}
	if err := unsetKey(&job, "schedule"); err == nil {
		t.Error("a job did without a schedule")
	}
}
