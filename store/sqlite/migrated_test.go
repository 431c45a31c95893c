package sqlite

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/store"
)

// A history as the program wrote it before the rules of firings were pure: at
// schema 5, by a daemon that was killed at work. Its jobs have firings in every
// state.
//
//go:embed testdata/history-5.sql
var history5 string

// A history as the program wrote it before it kept a ledger: at schema 6, copied while
// its daemon and two processes at terminals were at work. There is an open firing in
// every state, and a run in every one.
//
//go:embed testdata/history-6.sql
var history6 string

// openText opens a history that text describes, as one that earlier daemons left.
func openText(tb testing.TB, text string) *Store {
	tb.Helper()
	return openTest(tb, writeText(tb, text))
}

// writeText makes the file of it, and returns its name.
func writeText(tb testing.TB, text string) string {
	tb.Helper()
	path := tempPath(tb)
	if err := makeFile(path); err != nil {
		tb.Fatal(err)
	}
	db := openDB(source(path, "_auto_vacuum=incremental", "_journal_mode=WAL"))
	if _, err := db.Exec(text); err != nil {
		tb.Fatal(err)
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// TestHistoryOfSchema6: nothing that was open is lost, and it goes on.
func TestHistoryOfSchema6(t *testing.T) {
	s := openText(t, history6)
	d := joinTest(t, s)
	checkLines(t, "jobs", jobLines(t, s), `
		attached version 1 cursor 0 failures 0 paused false
		backup version 1 cursor 6 failures 1 paused false
		broken version 1 cursor 1 failures 0 paused false
		clock version 1 cursor 6 failures 0 paused false the clock was put back
		paused version 1 cursor 0 failures 0 paused true
		purge version 1 cursor 6 failures 1 paused false
		repeats version 1 cursor 5 failures 1 paused false
		report version 1 cursor 4 failures 0 paused false
		sweep version 1 cursor 6 failures 0 paused false
	`)
	checkLines(t, "runs", runLines(t, s), `
		13 interrupted
		12 finished
		11 interrupted purge job purge
		10 interrupted repeats
		9 interrupted sweep job sweep
		8 finished attached
		7 interrupted gone
		6 finished report ann
		5 finished report
		4 interrupted backup
		3 finished backup
		2 finished backup
		1 finished clock
	`)
	checkLines(t, "firings", firingLines(t, s), `
		20 repeats run repeats 10
		19 report run by bob
		18 report run of 4
		17 purge queued of 6: an earlier firing is being stopped
		16 purge run of 5 run 11
		15 report run of 3
		14 repeats run of 5 run 10
		13 sweep queued of 6: an earlier firing is being stopped
		12 sweep run of 5 run 9
		11 attached run run 8 by bob
		10 paused run by bob
		9 gone run of 1 run 7
		8 broken failed of 1: no host matches web
		7 report run of 2 run 6
		6 report run of 1 run 5
		5 backup run of 6 run 4
		4 backup missed missed 3: late
		3 backup run of 2 run 3 (webhook failure false) (command failure true)
		2 backup run of 1 run 2
		1 clock run of 300 run 1
	`)
	repair(t, d)
	checkLines(t, "settled", settle(t, d, minute(7)), `
		run 5 ok=false streak=1
		run 6 ok=false streak=1 killed by ann
		run 8 ok=false streak=0 interrupted by bob
		run 0 ok=false streak=1 failed: no host matches web
		run 4 ok=false streak=2 interrupted
		run 7 ok=false streak=0 interrupted
		run 9 ok=false streak=1 interrupted
	`)
	checkLines(t, "claimed", claimLines(t, d, minute(7)), `
		10 paused skipped repeats 0 the process that requested it is gone
		13 sweep run repeats 0
		15 report run repeats 0
		17 purge skipped repeats 0 the end of the earlier firing is not confirmed
		18 report run repeats 0
		19 report run repeats 0
		20 repeats run repeats 10
		21 backup run repeats 4
	`)
	_, messages := deliver(t, d, minute(7))
	checkLines(t, "messages", messages, `
		https://example.com/hook: failure, run 3, failures 1, attempt 2
		https://example.com/hook: missed, run 0, failures 1, attempt 1
		mail: missed, run 0, failures 1, attempt 1
		https://example.com/hook: failure, run 5, failures 1, attempt 1
		mail: failure, run 5, failures 1, attempt 1
		https://example.com/hook: failure, run 9, failures 1, attempt 1
		mail: failure, run 9, failures 1, attempt 1
	`)
	checkStrings(t, "what the clock had decided", decide(t, d, "clock", 300, 301), "301 run")
	checkLines(t, "firings afterwards", firingLines(t, s), `
		22 clock run of 301
		21 backup run repeats 4
		20 repeats run repeats 10
		19 report run by bob
		18 report run of 4
		17 purge skipped of 6: the end of the earlier firing is not confirmed
		16 purge run of 5 run 11
		15 report run of 3
		14 repeats run of 5 run 10
		13 sweep run of 6
		12 sweep run of 5 run 9
		11 attached run run 8 by bob: interrupted by bob
		10 paused skipped by bob: the process that requested it is gone
		9 gone run of 1 run 7
		8 broken failed of 1: no host matches web
		7 report run of 2 run 6: killed by ann
		6 report run of 1 run 5
		5 backup run of 6 run 4
		4 backup missed missed 3: late
		3 backup run of 2 run 3 (webhook failure false) (command failure true)
		2 backup run of 1 run 2
		1 clock run of 300 run 1
	`)
}

// TestHistoryOfSchema5: what an earlier version left open is found, and goes on
// as it would have there.
func TestHistoryOfSchema5(t *testing.T) {
	s := openText(t, history5)
	d := joinTest(t, s)
	checkLines(t, "jobs", jobLines(t, s), `
		backup version 1 cursor 6 failures 1 paused false the clock was put back
		broken version 1 cursor 1 failures 0 paused false
		paused version 2 cursor 1 failures 0 paused true
		report version 1 cursor 4 failures 0 paused false
		sweep version 1 cursor 6 failures 0 paused false
	`)
	checkLines(t, "runs", runLines(t, s), `
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
		6 sweep queued of 6: an earlier firing is being stopped
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
	checkLines(t, "claimed", claimLines(t, d, minute(7)), `
		6 sweep skipped repeats 0 the end of the earlier firing is not confirmed
		9 report run repeats 0
		12 paused skipped repeats 0 the process that requested it is gone
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
		12 paused skipped by bob: the process that requested it is gone
		11 paused run of 1 run 7
		10 broken failed of 1: no host matches web
		9 report run of 3
		8 report run of 2 run 6: killed by ann
		7 report run of 1 run 5
		6 sweep skipped of 6: the end of the earlier firing is not confirmed
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

// jobLines are all jobs, by name.
func jobLines(tb testing.TB, s *Store) (lines []string) {
	tb.Helper()
	jobs, err := s.ListJobs(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	for _, k := range jobs {
		lines = append(lines, fmt.Sprintf("%s version %d cursor %.0f failures %d paused %t %s", k.Name, k.Version, k.Cursor.Sub(noon).Minutes(), k.ConsecutiveFailures.Count, k.Paused, k.Alarm))
	}
	return lines
}

// runLines are all runs, the newest first.
func runLines(tb testing.TB, s *Store) (lines []string) {
	tb.Helper()
	runs, err := s.Runs(tb.Context(), store.Query{})
	if err != nil {
		tb.Fatal(err)
	}
	for _, r := range runs {
		lines = append(lines, fmt.Sprintf("%d %s %s %s", r.ID, r.State, r.Job, r.KillBy))
	}
	return lines
}

// claimLines claims, and says what.
func claimLines(tb testing.TB, d *seat, now time.Time) (lines []string) {
	tb.Helper()
	for _, x := range claim(tb, d, now) {
		lines = append(lines, fmt.Sprintf("%d %s %s repeats %d %s", x.ID, x.Job.Name, x.Decision, x.Repeats, x.Reason))
	}
	return lines
}

// firingLines are all firings, the newest first.
func firingLines(tb testing.TB, s *Store) (lines []string) {
	tb.Helper()
	rows, err := s.Firings(tb.Context(), store.FiringQuery{})
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
			line += fmt.Sprintf(" (%s %s %t)", n.Kind, n.Event, n.Error == "")
		}
		lines = append(lines, line)
	}
	return lines
}

// TestOlderDaemonAtWork: a daemon that has the history of an older version open would not
// see what is agreed on now, so that the history is not changed under it.
func TestOlderDaemonAtWork(t *testing.T) {
	for name, history := range map[string]string{
		"before the ledger": history6, "before the queue": history9, "before halting": migratedText(t, history9, 9, haltVersion-1),
	} {
		t.Run(name, func(t *testing.T) { checkOlderDaemon(t, history) })
	}
}

// migratedText is text, which makes a history of version from, followed by the steps to
// another version.
func migratedText(tb testing.TB, text string, from, to int) string {
	tb.Helper()
	for _, step := range embedded(tb)[from:to] {
		text += "\n" + step.sql + "\n;"
	}
	return text + fmt.Sprintf("PRAGMA user_version = %d;", to)
}

func checkOlderDaemon(t *testing.T, history string) {
	t.Helper()
	path := writeText(t, history)
	locks := runLocks{path: path + ".lock", uid: os.Getuid(), gid: os.Getgid()}
	lock, err := locks.acquire(daemonLocks + 1) // that of its daemon
	if err != nil || lock == nil {
		t.Fatalf("got %v, %v, want a lock", lock, err)
	}
	_, err = Open(t.Context(), path, store.Options{})
	if err == nil || !strings.Contains(err.Error(), "a daemon of an older version serves it (process ") {
		t.Errorf("got %v, want a refusal", err)
	}
	if err := lock.release(); err != nil {
		t.Fatal(err)
	}
	_ = openTest(t, path)
}

// TestEndsOfAnOlderVersion: what had ended and was not settled when the history was
// migrated has ended for who looks without a daemon, too.
func TestEndsOfAnOlderVersion(t *testing.T) {
	s := openText(t, history6)
	untold, err := column[int64](t.Context(), s.r, untoldEnds)
	if err != nil || len(untold) > 0 {
		t.Errorf("got %v, %v, want no end that the ledger does not know", untold, err)
	}
	subjects, err := s.Find(t.Context(), "report")
	if err != nil {
		t.Fatal(err)
	}
	for i := range subjects {
		if got := subjects[i].State.Running(); len(got) > 0 {
			t.Errorf("got runs %v that run, want none", got)
		}
	}
}
