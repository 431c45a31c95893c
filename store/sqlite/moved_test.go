package sqlite

import (
	"context"
	"errors"
	"os"
	"testing"

	"tutti/scheduler"
	"tutti/store"
)

// TestDaemonOfAMovedFile: a daemon whose file is moved away, or replaced, decides
// and claims nothing until it is back.
func TestDaemonOfAMovedFile(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	d := joinTest(t, s)
	addJob(t, s, testJob("backup"))
	k, err := s.Job(t.Context(), "backup")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RequestFiring(t.Context(), "backup", "anna", noon); err != nil {
		t.Fatal(err)
	}
	checks := map[string]func(context.Context) error{
		"Sync":   func(ctx context.Context) error { _, err := d.desk.Sync(ctx, d); return err },
		"Repair": d.Repair,
		"Ready":  d.Ready,
	}
	check := func(when string, want error) {
		t.Helper()
		for name, f := range checks {
			if err := f(t.Context()); !errors.Is(err, want) {
				t.Errorf("%s, %s: got %v, want %v", when, name, err, want)
			}
		}
	}
	refused := func(when string) {
		t.Helper()
		check(when, store.ErrMoved)
		if _, err := d.Decide(t.Context(), scheduler.Decisions{Job: k, Firings: firingsAt(1), Cursor: minute(1)}); !errors.Is(err, store.ErrMoved) {
			t.Errorf("%s, Decide: got %v, want %v", when, err, store.ErrMoved)
		}
		if _, err := d.Claim(t.Context(), minute(1)); !errors.Is(err, store.ErrMoved) {
			t.Errorf("%s, Claim: got %v, want %v", when, err, store.ErrMoved)
		}
	}
	move(t, path, path+".away")
	if _, err := s.Begin(t.Context(), testPlan("a"), store.RunInfo{}); !errors.Is(err, store.ErrMoved) {
		t.Errorf("Begin: got %v, want %v", err, store.ErrMoved)
	}
	refused("gone")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v of the path, want it to be left empty", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("replaced")
	move(t, path+".away", path)
	check("back", nil)
	if assignments := claim(t, d, minute(1)); len(assignments) != 1 {
		t.Errorf("got %d assignments when it is back, want 1", len(assignments))
	}
}

func move(tb testing.TB, from, to string) {
	tb.Helper()
	if err := os.Rename(from, to); err != nil {
		tb.Fatal(err)
	}
}
