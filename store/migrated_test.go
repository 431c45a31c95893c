package store

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A history as the program wrote it before the rules of firings were pure: at
// schema 5, by a daemon that was killed at work. Its jobs have firings in every
// state.
//
//go:embed testdata/history-5.sql
var history5 string

// TestHistoryOfSchema5: what an earlier version left open is found, and goes on
// as it would have there.
func TestHistoryOfSchema5(t *testing.T) {
	path := tempPath(t)
	if err := makeFile(path); err != nil {
		t.Fatal(err)
	}
	db := openDB(source(path, "_auto_vacuum=incremental", "_journal_mode=WAL"))
	if _, err := db.Exec(history5); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, path)
	d := joinTest(t, s)
	jobs, err := s.Kept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, k := range jobs {
		kept = append(kept, fmt.Sprintf("%s version %d cursor %.0f failures %d paused %t %s", k.Name, k.Version, k.Cursor.Sub(noon).Minutes(), k.Streak.Failures, k.Paused, k.Alarm))
	}
	checkLines(t, "jobs", kept, `
		backup version 1 cursor 6 failures 1 paused false the clock was put back
		broken version 1 cursor 1 failures 0 paused false
		paused version 2 cursor 1 failures 0 paused true
		report version 1 cursor 4 failures 0 paused false
		sweep version 1 cursor 6 failures 0 paused false
	`)
	runs, err := s.Runs(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, r := range runs {
		states = append(states, fmt.Sprintf("%d %s %s %s", r.ID, r.State, r.Job, r.KillBy))
	}
	checkLines(t, "runs", states, `
		10 interrupted
		9 finished
		8 finished gone
		7 finished paused
		6 finished report ann
		5 finished report
		4 interrupted sweep job sweep
		3 interrupted backup
		2 finished backup
		1 finished backup
	`)
	checkLines(t, "firings", firingLines(t, s), `
		15 report run of 4
		14 broken run by bob
		13 gone run of 1 run 8
		12 paused run by bob
		11 paused run of 1 run 7
		10 broken failed of 1: no host matches web
		9 report run of 3
		8 report run of 2 run 6
		7 report run of 1 run 5
		6 sweep queued of 6: an earlier firing is being ended
		5 sweep run of 5 run 4
		4 backup run of 6 run 3
		3 backup missed missed 3: late
		2 backup run of 2 run 2 (webhook failure false) (command failure true)
		1 backup run of 1 run 1
	`)
	repair(t, d)
	checkLines(t, "settled", settle(t, d, minute(7)), `
		run 5 ok=false streak=1
		run 6 ok=false streak=1 killed by ann
		run 7 ok=true streak=0
		run 8 ok=false streak=0
		run 0 ok=false streak=1 failed: no host matches web
		run 3 ok=false streak=2 interrupted
		run 4 ok=false streak=1 interrupted
	`)
	var claimed []string
	for _, x := range claim(t, d, minute(7)) {
		claimed = append(claimed, fmt.Sprintf("%d %s %s repeats %d %s", x.ID, x.Job.Name, x.Decision, x.Repeats, x.Reason))
	}
	checkLines(t, "claimed", claimed, `
		6 sweep skipped repeats 0 there is no proof that the earlier firing has ended
		9 report run repeats 0
		12 paused skipped repeats 0 whoever asked for it is gone
		14 broken run repeats 0
		15 report run repeats 0
		16 backup run repeats 3
	`)
	_, messages := deliver(t, d, minute(7))
	checkLines(t, "messages", messages, `
		https://example.com/hook: failure, run 2, failures 1, attempt 2
		https://example.com/hook: missed, run 0, failures 1, attempt 1
		mail: missed, run 0, failures 1, attempt 1
		https://example.com/hook: failure, run 5, failures 1, attempt 1
		mail: failure, run 5, failures 1, attempt 1
		https://example.com/hook: failure, run 0, failures 1, attempt 1
		mail: failure, run 0, failures 1, attempt 1
		https://example.com/hook: failure, run 4, failures 1, attempt 1
		mail: failure, run 4, failures 1, attempt 1
	`)
	checkLines(t, "firings afterwards", firingLines(t, s), `
		16 backup run repeats 3
		15 report run of 4
		14 broken run by bob
		13 gone run of 1 run 8
		12 paused skipped by bob: whoever asked for it is gone
		11 paused run of 1 run 7
		10 broken failed of 1: no host matches web
		9 report run of 3
		8 report run of 2 run 6: killed by ann
		7 report run of 1 run 5
		6 sweep skipped of 6: there is no proof that the earlier firing has ended
		5 sweep run of 5 run 4
		4 backup run of 6 run 3
		3 backup missed missed 3: late
		2 backup run of 2 run 2 (webhook failure false) (command failure true)
		1 backup run of 1 run 1
	`)
}

// checkLines compares lines; how far they are indented does not matter.
func checkLines(tb testing.TB, what string, got []string, want string) {
	tb.Helper()
	trim := func(lines []string) (trimmed []string) {
		for _, line := range lines {
			if line = strings.TrimSpace(line); line != "" {
				trimmed = append(trimmed, line)
			}
		}
		return trimmed
	}
	if got, want := trim(got), trim(strings.Split(want, "\n")); !slices.Equal(got, want) {
		tb.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// firingLines are all firings, the newest first.
func firingLines(tb testing.TB, s *Store) (lines []string) {
	tb.Helper()
	rows, err := s.Firings(tb.Context(), FiringQuery{})
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range rows {
		line := fmt.Sprintf("%d %s %s", f.ID, f.Job, f.Decision)
		if !f.ScheduledAt.IsZero() {
			line += fmt.Sprintf(" of %.0f", f.ScheduledAt.Sub(noon).Minutes())
		}
		if f.Missed.Count > 0 {
			line += fmt.Sprintf(" missed %d", f.Missed.Count)
		}
		if f.RunID != 0 {
			line += fmt.Sprintf(" run %d", f.RunID)
		}
		if f.RequestedBy != "" {
			line += " by " + f.RequestedBy
		}
		if f.Repeats != 0 {
			line += fmt.Sprintf(" repeats %d", f.Repeats)
		}
		if f.Reason != "" {
			line += ": " + f.Reason
		}
		for _, n := range f.Notifications {
			line += fmt.Sprintf(" (%s %s %t)", n.Kind, n.Occasion, n.Error == "")
		}
		lines = append(lines, line)
	}
	return lines
}
