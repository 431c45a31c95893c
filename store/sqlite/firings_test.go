package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

func joinOnce(tb testing.TB, s *Store) *seat {
	tb.Helper()
	d, err := s.JoinOnce(tb.Context(), minute(5))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = d.Close() }) // some tests have
	return seatOf(s, d.(*Daemon))
}

// A job that is started manually is run by a daemon, or by the process that asks and
// claims it.
func TestRequestFiring(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	j := testJob("backup")
	j.Paused = true
	addJob(t, s, j)
	detached, err := s.RequestFiring(t.Context(), "backup", "bob", minute(5))
	if err != nil || detached.Decision != scheduler.Run {
		t.Fatalf("got %+v, %v, want one that is to be run", detached, err)
	}
	assignments := claim(t, d, minute(5))
	if len(assignments) != 1 || assignments[0].ID != detached.ID || assignments[0].RequestedBy != "bob" || !assignments[0].Firing.Due.IsZero() {
		t.Fatalf("got %+v, want the firing that bob asked for", assignments)
	}
	// The process that requested it may have it as long as it has not started.
	asker := joinOnce(t, s)
	assignment, err := s.ClaimFiring(t.Context(), asker.Daemon, detached.ID, minute(5))
	if err != nil || assignment.Decision != scheduler.Run {
		t.Fatalf("got %+v, %v, want one to begin", assignment, err)
	}
	if _, err := s.Begin(t.Context(), jobPlan("a"), runInfoOf(d, assignments[0])); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the daemon begins it: got %v, want %v", err, store.ErrTaken)
	}
	r := beginAssigned(t, asker, assignment)
	if _, err := s.ClaimFiring(t.Context(), asker.Daemon, detached.ID, minute(5)); !errors.Is(err, store.ErrTaken) {
		t.Errorf("begun already: got %v, want %v", err, store.ErrTaken)
	}
	again, err := asker.Request(t.Context(), "backup", "bob", minute(6))
	if err != nil || again.Decision != scheduler.Skipped || again.Reason == "" {
		t.Errorf("while it runs: got %+v, %v, want it skipped, with a reason", again, err)
	}
	if detached, err = s.RequestFiring(t.Context(), "backup", "bob", minute(6)); err != nil || detached.Decision != scheduler.Skipped || detached.Reason == "" {
		t.Errorf("detached, while it runs: got %+v, %v, want it skipped, with a reason", detached, err)
	}
	finish(t, r, 0, 0)
	checkStrings(t, "ended", settle(t, asker, minute(6)), "run 1 ok=true streak=0")
	if _, err := s.RequestFiring(t.Context(), "bakcup", "bob", minute(5)); !errors.As(err, new(*store.NoJobError)) {
		t.Errorf("no such job: got %v, want a *NoJobError", err)
	}
}

// A requested firing that waits is not run once its requester is gone.
func TestRequestEndsWithAsker(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	j := testJob("backup")
	j.Overlap = scheduler.OverlapQueue
	addJob(t, s, j)
	r := runMinute(t, d, "backup", 1)
	asker := joinOnce(t, s)
	assignment, err := asker.Request(t.Context(), "backup", "bob", minute(2))
	if err != nil || assignment.Decision != scheduler.Queued {
		t.Fatalf("got %+v, %v, want it queued", assignment, err)
	}
	if assignment, err = s.ClaimFiring(t.Context(), asker.Daemon, assignment.ID, minute(2)); err != nil || assignment.Decision != scheduler.Queued {
		t.Errorf("asked again: got %+v, %v, want it queued", assignment, err)
	}
	finish(t, r, 0, 0)
	checkStrings(t, "the daemon's, while the asker is alive", told(claim(t, d, minute(2))))
	if err := asker.Close(); err != nil {
		t.Fatal(err)
	}
	assignments := claim(t, d, minute(2))
	if len(assignments) != 1 || assignments[0].ID != assignment.ID || assignments[0].Decision != scheduler.Skipped || assignments[0].Reason != scheduler.ReasonRequesterGone {
		t.Errorf("got %+v, want it skipped because the asker is gone", assignments)
	}
}

// A firing that was not started within a day is missed.
func TestOldRequestIsMissed(t *testing.T) {
	s := openTest(t, tempPath(t))
	addJob(t, s, testJob("backup"))
	if _, err := s.RequestFiring(t.Context(), "backup", "bob", noon); err != nil {
		t.Fatal(err)
	}
	assignments := claim(t, joinTest(t, s), noon.Add(24*time.Hour+1))
	if len(assignments) != 1 || assignments[0].Decision != scheduler.Missed || assignments[0].Reason != scheduler.ReasonStale {
		t.Errorf("got %+v, want it missed", assignments)
	}
}

func TestKillRuns(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	j := testJob("backup")
	j.Overlap = scheduler.OverlapQueue
	addJob(t, s, j)
	r := runMinute(t, d, "backup", 1)
	checkStrings(t, "decided", decide(t, d, "backup", 2), "2 queued")
	own := record(t, s, store.RunInfo{}, "x")
	for i := range 2 {
		runs, err := s.KillRuns(t.Context(), store.KillRef{Job: "backup"}, fmt.Sprintf("user%d", i), minute(2))
		if err != nil || len(runs) != 1 || runs[0] != r.RunID() {
			t.Errorf("got %v, %v, want run %d", runs, err, r.RunID())
		}
	}
	killed, err := d.Killed(t.Context(), []int64{own, r.RunID()})
	if err != nil || len(killed) != 1 || killed[0] != r.RunID() {
		t.Errorf("killed: got %v, %v, want run %d", killed, err, r.RunID())
	}
	run, err := s.Run(t.Context(), fmt.Sprint(r.RunID()), "")
	if err != nil || run.KillBy != "user0" {
		t.Errorf("got %q, %v, want who was first", run.KillBy, err)
	}
	finish(t, r, 0, 0)
	checkStrings(t, "what waited", told(claim(t, d, minute(3))))
	rows, err := s.Firings(t.Context(), store.FiringQuery{Decisions: []scheduler.Decision{scheduler.Skipped}})
	if err != nil || len(rows) != 1 || !strings.Contains(rows[0].Reason, "user0") {
		t.Errorf("got %+v, %v, want one that says who killed it", rows, err)
	}
}

func TestKillRefuses(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, testJob("backup"))
	own := record(t, s, store.RunInfo{}, "x")
	r := runMinute(t, d, "backup", 1)
	finish(t, r, 0, 0)
	for _, tt := range []struct {
		ref  store.KillRef
		want any
		text string
	}{
		{store.KillRef{Run: own}, new(*store.KillError), "does not belong to a job"},
		{store.KillRef{Run: r.RunID()}, new(*store.KillError), "has finished"},
		{store.KillRef{Run: 99}, new(*store.NoRunError), "99"},
		{store.KillRef{Job: "bakcup"}, new(*store.NoJobError), "bakcup"},
	} {
		_, err := s.KillRuns(t.Context(), tt.ref, "ann", minute(1))
		if err == nil || !errors.As(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%+v: got %v, want %T that says %q", tt.ref, err, tt.want, tt.text)
		}
	}
	runs, err := s.KillRuns(t.Context(), store.KillRef{Job: "backup"}, "ann", minute(1))
	if err != nil || len(runs) != 0 {
		t.Errorf("nothing runs: got %v, %v, want none", runs, err)
	}
}

func TestFirings(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	k := addJob(t, s, testJob("backup"))
	addJob(t, s, testJob("sweep"))
	gap := scheduler.Gap{Count: 2, More: true, First: minute(1), Last: minute(2)}
	if _, err := d.Decide(t.Context(), scheduler.Decisions{Job: k, Missed: gap, MissedReason: "late", Cursor: minute(2)}); err != nil {
		t.Fatal(err)
	}
	finish(t, runMinute(t, d, "backup", 3), 0, 1)
	decide(t, d, "sweep", 1)
	rows, err := s.Firings(t.Context(), store.FiringQuery{Job: "backup", Limit: 5})
	if err != nil || len(rows) != 2 {
		t.Fatalf("got %d firings, %v, want 2", len(rows), err)
	}
	if x := rows[0]; x.Decision != scheduler.Run || x.Run == nil || x.Run.ID != x.RunID || x.Run.Summary.Hosts != 2 || !x.ScheduledAt.Equal(minute(3)) || x.Missed.Count != 0 {
		t.Errorf("got %+v, want the run at 12:03", x)
	}
	if x := rows[1]; x.Decision != scheduler.Missed || x.Missed != gap || x.Reason != "late" || x.Run != nil || !x.ScheduledAt.IsZero() {
		t.Errorf("got %+v, want two missed and more", x)
	}
	for _, tt := range []struct {
		q    store.FiringQuery
		want int
	}{
		{store.FiringQuery{}, 3},
		{store.FiringQuery{Limit: 2}, 2},
		{store.FiringQuery{Decisions: []scheduler.Decision{scheduler.Missed}}, 1},
		{store.FiringQuery{Since: minute(2)}, 1},
		{store.FiringQuery{Job: "other"}, 0},
	} {
		if rows, err := s.Firings(t.Context(), tt.q); err != nil || len(rows) != tt.want {
			t.Errorf("%+v: got %d, %v, want %d", tt.q, len(rows), err, tt.want)
		}
	}
}

func TestJobCosts(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	k := addJob(t, s, testJob("backup"))
	decide(t, d, "backup", 1)
	info := runInfoOf(d, claim(t, d, minute(1))[0])
	said := string(noise(10_000)) // does not compress
	record(t, s, info, said, said[:100])
	settle(t, d, minute(1))
	record(t, s, store.RunInfo{Job: "backup", JobID: k.ID}, "x")
	record(t, s, store.RunInfo{}, said)
	costs, err := s.JobCosts(t.Context())
	want := store.JobCost{Runs: 2, Bytes: 10_101 + 5*rowBytes}
	if err != nil || len(costs) != 1 || costs[k.ID] != want {
		t.Errorf("got %+v, %v, want %+v", costs, err, want)
	}
}
