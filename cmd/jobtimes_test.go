package cmd

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/jobs"
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
	next, err := jobs.Coming(timing, now, 3)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := writeFirings(&b, "", next, 0); err != nil {
		t.Fatal(err)
	}
	want := `Sat 2027-03-27 02:30:00 CET   2027-03-27T01:30:00Z
Sun 2027-03-28 03:00:00 CEST  2027-03-28T01:00:00Z  moved: 2027-03-28 02:30 does not exist: the clock skips it for daylight saving time
Mon 2027-03-29 02:30:00 CEST  2027-03-29T00:30:00Z
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}

	text, err := timesText(timing, now)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(text, "  due 2027-03-2"); got != jobs.ShownNext {
		t.Errorf("got %d due times, want %d:\n%s", got, jobs.ShownNext, text)
	}
	warnings, err := timesWarnings(timing, now)
	if err != nil {
		t.Fatal(err)
	}
	wantWarning := []string{"2027-03-28 02:30 does not exist: the clock skips it for daylight saving time, and it fires at Sun 2027-03-28 03:00:00 CEST"}
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
}
