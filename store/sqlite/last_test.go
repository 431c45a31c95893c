package sqlite

import (
	"errors"
	"path/filepath"
	"testing"

	"tutti/store"
)

// TestLast: the newest run of a user that is over, cut off or not; a job that was
// run by hand counts, a firing of a daemon does not.
func TestLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := openTest(t, path)
	run := func(source string, info store.RunInfo) int64 {
		t.Helper()
		plan := jobPlan("a", "b")
		plan.Source = source
		info.User = "me"
		r := begin(t, s, plan, info)
		finish(t, r, 0)
		return r.RunID()
	}
	last := func(ref string, want int64) {
		t.Helper()
		got, err := s.Run(t.Context(), ref, "me")
		if err != nil || got.ID != want {
			t.Errorf("%s: got %d, %v, want %d", ref, got.ID, err, want)
		}
	}
	first := run("cli", store.RunInfo{})
	run("job", store.RunInfo{Job: "j", JobID: 1})
	last("last", first)
	byHand := run("job", store.RunInfo{Job: "j", JobID: 1, ByHand: true})
	last("last", byHand)
	last("last~1", first)
	again := run("rerun", store.RunInfo{RerunOf: first})
	last("last", again)
	cut := run("cli", store.RunInfo{})
	if _, err := s.w.Exec("UPDATE runs SET state = 'interrupted' WHERE id = ?", cut); err != nil {
		t.Fatal(err)
	}
	last("last", cut)

	plan := jobPlan("a", "b")
	plan.Source = "cli"
	going := begin(t, s, plan, store.RunInfo{User: "me"})
	last("last", cut) // the one that is going on is not over
	finish(t, going, 0)

	// In a history that cannot be repaired, too.
	dead := run("cli", store.RunInfo{})
	if _, err := s.w.Exec("UPDATE runs SET state = 'running' WHERE id = ?", dead); err != nil {
		t.Fatal(err)
	}
	s.runs.dead = map[int64]bool{dead: true, 99: false}
	last("last", dead)
	last("last~2", cut)
}

// TestSubmittedLast: the newest run that a principal submitted and that is over; those of
// others, and of a user of the same name, do not count.
func TestSubmittedLast(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "history.db"))
	run := func(user, principal string) int64 {
		t.Helper()
		plan := jobPlan("a", "b")
		plan.Source = "api"
		r := begin(t, s, plan, store.RunInfo{User: user, Principal: principal, Via: "token"})
		finish(t, r, 0)
		return r.RunID()
	}
	first, second := run("ann", "ann/ci"), run("ann", "ann/ci")
	other := run("ann", "ann")
	for _, tt := range []struct {
		ref, principal string
		want           int64
	}{{"last", "ann/ci", second}, {"last~1", "ann/ci", first}, {"last", "ann", other}, {"1", "ann", first}} {
		got, err := s.Submitted(t.Context(), tt.ref, tt.principal)
		if err != nil || got.ID != tt.want {
			t.Errorf("%s of %s: got %d, %v, want %d", tt.ref, tt.principal, got.ID, err, tt.want)
		}
	}
	for _, tt := range []struct{ ref, principal string }{{"last~2", "ann/ci"}, {"last", "bob"}, {"99", "ann"}} {
		if got, err := s.Submitted(t.Context(), tt.ref, tt.principal); !errors.As(err, new(*store.NoRunError)) {
			t.Errorf("%s of %s: got %d, %v, want none", tt.ref, tt.principal, got.ID, err)
		}
	}
}
