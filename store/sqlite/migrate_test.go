package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"testing/fstest"

	"tutti/store"
)

func embedded(tb testing.TB) []migration {
	tb.Helper()
	steps, err := migrations(migrationFiles)
	if err != nil {
		tb.Fatal(err)
	}
	return steps
}

// A file of every version can be opened, and is of the newest one afterwards.
func TestMigrateFromEveryVersion(t *testing.T) {
	steps := embedded(t)
	for version := range len(steps) + 1 {
		path := tempPath(t)
		if err := makeFile(path); err != nil {
			t.Fatal(err)
		}
		db := openDB(source(path, "_txlock=immediate", "_auto_vacuum=incremental", "_journal_mode=WAL"))
		if err := migrate(t.Context(), db, steps[:version], nil); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		s := openTest(t, path)
		record(t, s, store.RunInfo{}, "x")
		if got, err := schemaVersion(t.Context(), s.r); err != nil || got != len(steps) {
			t.Errorf("from %d: got version %d, %v, want %d", version, got, err, len(steps))
		}
	}
}

func TestMigrateSteps(t *testing.T) {
	db := raw(t, t.TempDir()+"/x.db")
	good := []migration{{"1", "CREATE TABLE a (x); INSERT INTO a VALUES (1)"}, {"2", "ALTER TABLE a ADD y; UPDATE a SET y = x + 1"}}
	if err := migrate(t.Context(), db, good, nil); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), db, good, nil); err != nil {
		t.Fatalf("again: %v", err)
	}
	checkInt(t, db, "SELECT y FROM a", 2)

	bad := append(good, migration{"0003_bad.sql", "CREATE TABLE b (x); INSERT INTO a VALUES (7, 7); SELECT nonsense"})
	err := migrate(t.Context(), db, bad, nil)
	if err == nil || !strings.Contains(err.Error(), "0003_bad.sql") {
		t.Errorf("a bad step: got %v, want an error with its name", err)
	}
	checkInt(t, db, "SELECT user_version FROM pragma_user_version", 2)
	checkInt(t, db, "SELECT count(*) FROM a", 1)
	checkInt(t, db, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'", 0)
}

func checkInt(tb testing.TB, db *sql.DB, query string, want int) {
	tb.Helper()
	var got int
	if err := db.QueryRowContext(context.Background(), query).Scan(&got); err != nil || got != want {
		tb.Errorf("%s: got %d, %v, want %d", query, got, err, want)
	}
}

func TestMigrationNames(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("SELECT 1")}
	for _, tt := range []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"in order", fstest.MapFS{"migrations/0001_a.sql": file, "migrations/0002_b.sql": file}, ""},
		{"a gap", fstest.MapFS{"migrations/0001_a.sql": file, "migrations/0003_b.sql": file}, "0002_"},
		{"twice", fstest.MapFS{"migrations/0001_a.sql": file, "migrations/0001_b.sql": file}, "0002_"},
		{"no number", fstest.MapFS{"migrations/a.sql": file}, "0001_"},
	} {
		_, err := migrations(tt.files)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A job that was stored before the rules for schedules changed is announced in each
// place once; one that was added since then, or given a new schedule, not at all.
func TestUntoldIsForOldJobs(t *testing.T) {
	path := tempPath(t)
	if err := makeFile(path); err != nil {
		t.Fatal(err)
	}
	db := openDB(source(path, "_txlock=immediate", "_auto_vacuum=incremental", "_journal_mode=WAL"))
	if err := migrate(t.Context(), db, embedded(t)[:5], nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"old", "retimed", "edited"} {
		if _, err := db.Exec(`INSERT INTO jobs (name, version, spec, paused, cursor, updated_at, updated_by)
			VALUES (?, 1, json_object('name', ?, 'schedule', json_array('0 0 */2 * 1'), 'zone', 'UTC', 'selector', 'web', 'command', 'true'), 0, '2026-11-21T12:00:00.000Z', '2026-11-21T12:00:00.000Z', 'ann')`, name, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, path)
	added := addJob(t, s, testJob("new"))
	for name, schedule := range map[string]string{"retimed": "0 0 * * 1", "edited": "0 0 */2 * 1"} {
		kept, err := s.Job(t.Context(), name)
		if err != nil || kept.Broken != nil {
			t.Fatal(err, kept.Broken)
		}
		job := kept.Job
		job.Schedules, job.Command = []string{schedule}, "uptime"
		if _, err := s.ChangeJob(t.Context(), job, "ann", noon); err != nil {
			t.Fatal(err)
		}
	}
	for _, in := range []store.Place{store.InLog, store.InList} {
		for i, want := range []int{2, 0} {
			ids, err := s.Unannounced(t.Context(), in)
			if err != nil || len(ids) != want {
				t.Errorf("place %d, time %d: got %v, %v, want %d jobs", in, i+1, ids, err, want)
			}
			for _, id := range ids {
				if id == added.ID {
					t.Errorf("place %d: the new job is among them", in)
				}
			}
			if err := s.Announced(t.Context(), in); err != nil {
				t.Error(err)
			}
		}
	}
}
