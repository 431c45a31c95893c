package sqlite

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// TestExamineChangesNothing: neither a history that is being recorded, nor one
// with a run that was cut off, nor one of an older program.
func TestExamineChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	if _, err := Examine(t.Context(), path); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("got %v, want %v", err, store.ErrNotExist)
	}
	s := openTest(t, path)
	r := begin(t, s, testPlan("a"), store.RunInfo{User: "u"})
	checkCondition(t, path, 1) // with a log, and a run that goes on
	if err := r.Handle(t.Context(), fanout.Event{Kind: fanout.RunFinished, Summary: &fanout.Summary{}}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	if _, err := db.Exec("UPDATE runs SET state = 'running', ended_at = NULL"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := filesIn(t, filepath.Dir(path))
	checkCondition(t, path, 1)
	if got := filesIn(t, filepath.Dir(path)); !maps.Equal(got, before) {
		t.Errorf("got files of other content, %v, want %v as it was", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(before)))
	}
}

func checkCondition(t *testing.T, path string, runs int) {
	t.Helper()
	c, err := Examine(t.Context(), path)
	if err != nil || c.Runs != runs || c.Newest.IsZero() || c.Size == 0 || c.ReadOnly != nil || c.Exposed {
		t.Errorf("got %+v, %v, want %d runs in a file in good health", c, err, runs)
	}
}

// filesIn are the contents of the files in dir.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func TestExamineBroken(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.db")
	if _, err := raw(t, other).Exec("CREATE TABLE t (x)"); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	s := openTest(t, newer)
	if _, err := s.w.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{dir: store.ErrIsDirectory, text: store.ErrNotHistory, other: store.ErrNotHistory, newer: store.ErrNewer} {
		if _, err := Examine(t.Context(), path); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", filepath.Base(path), err, want)
		}
	}
}
