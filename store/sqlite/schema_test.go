package sqlite

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tutti/store"
)

// TestBrokenHistories: what is not a whole history of ours is named as what it is,
// and no byte of it is changed.
func TestBrokenHistories(t *testing.T) {
	sql := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db := raw(t, path)
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	foreign := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			sql(text)(t, path)
		}
	}
	content := func(data string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
		text string
	}{
		{"negative version", sql("PRAGMA user_version = -5"), store.ErrDamaged, "its schema claims version -5, which tutti never used"},
		{"version 0", sql("PRAGMA user_version = 0"), store.ErrDamaged, "its schema claims version 0, which tutti never used"},
		{"lower version", sql("PRAGMA user_version = 3"), store.ErrDamaged, "its schema claims version 3, but 0004_catch_up.sql does not fit: duplicate column name: caught_up"},
		{"first version", sql("PRAGMA user_version = 1"), store.ErrDamaged, "its schema claims version 1, but 0002_error_detail.sql does not fit: duplicate column name: error_detail"},
		{"newer", sql("PRAGMA user_version = 99"), store.ErrNewer, ""},
		{"largest", sql("PRAGMA user_version = 2147483647"), store.ErrNewer, ""},
		{"no table", sql("DROP TABLE outbox"), store.ErrDamaged, "missing table outbox"},
		{"no runs", sql("PRAGMA foreign_keys = 0; DROP TABLE runs"), store.ErrDamaged, "missing table runs"},
		{"other number", sql("PRAGMA application_id = 5"), store.ErrNotHistory, ""},
		{"no number", sql("PRAGMA application_id = 0"), store.ErrNotHistory, ""},
		{"foreign", foreign("CREATE TABLE t (x)"), store.ErrNotHistory, ""},
		{"foreign with full vacuum", foreign("PRAGMA auto_vacuum = 1; CREATE TABLE t (x)"), store.ErrNotHistory, ""},
		{"text", content("host.list\n"), store.ErrNotHistory, ""},
		{"much text", content(string(make([]byte, 5000))), store.ErrNotHistory, ""},
		{"truncated", func(t *testing.T, path string) {
			if err := os.Truncate(path, 5000); err != nil {
				t.Fatal(err)
			}
		}, store.ErrDamaged, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			s := openTest(t, path)
			record(t, s, store.RunInfo{}, "hello")
			if err := errors.Join(s.Close(), os.RemoveAll(path+".lock")); err != nil {
				t.Fatal(err)
			}
			tt.make(t, path)
			before := filesIn(t, filepath.Dir(path))
			for what, open := range map[string]func() error{
				"Open":         func() error { return closing(Open(t.Context(), path, store.Options{})) },
				"OpenExisting": func() error { return closing(OpenExisting(t.Context(), path, store.Options{})) },
			} {
				err := open()
				fault, ok := errors.AsType[*store.Error](err)
				if !ok || !errors.Is(fault.Kind, tt.want) || tt.text != "" && (fault.Err == nil || fault.Err.Error() != tt.text) {
					t.Errorf("%s: got %v, want %v: %s", what, err, tt.want, tt.text)
				}
				if ok && wayOut(fault) == "" {
					t.Errorf("%s: got no hint for %v", what, err)
				}
			}
			if after := filesIn(t, filepath.Dir(path)); !maps.Equal(after, before) {
				t.Errorf("got other files, %v, want %v as they were", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
			}
		})
	}
}

func closing(s *Store, err error) error {
	if err == nil {
		err = s.Close()
	}
	return err
}

// TestTables are those that the migrations make.
func TestTables(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "history.db"))
	got, err := column[string](t.Context(), s.r, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	if want := slices.Sorted(slices.Values(newestTables)); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
