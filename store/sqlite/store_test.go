package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
)

func tempPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "state", "history.db")
}

func openTest(tb testing.TB, path string) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), path, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// raw opens the file without this package's care, as sqlite3 would.
func raw(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db := openDB(source(path))
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// wayOut is what can be done about err: the code of its advice and the arguments, or
// what follows from the system's reason.
func wayOut(err interface {
	Advice() (code string, args []any)
},
) string {
	code, args := err.Advice()
	if hinted, ok := err.(interface{ Hint() string }); ok && code == "" {
		return hinted.Hint()
	}
	return strings.TrimSpace(fmt.Sprintln(append([]any{code}, args...)...))
}

func testPlan(hosts ...string) fanout.Plan {
	p := fanout.Plan{Source: "cli", Selector: "web", Task: fanout.Task{Action: fanout.Command("uptime")}, Policy: fanout.Policy{Fanout: 8}}
	for i, name := range hosts {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: name})
	}
	return p
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("host%05d", i)
	}
	return names
}

func begin(tb testing.TB, s *Store, p fanout.Plan, info store.RunInfo) *store.Recorder {
	tb.Helper()
	r, err := s.Begin(tb.Context(), p, info)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

func handle(tb testing.TB, r *store.Recorder, events ...fanout.Event) {
	tb.Helper()
	for _, e := range events {
		if err := r.Handle(tb.Context(), e); err != nil {
			tb.Fatal(err)
		}
	}
}

func closeRecorder(tb testing.TB, r *store.Recorder) {
	tb.Helper()
	if err := r.Close(); err != nil {
		tb.Fatal(err)
	}
}

// epoch is a time that survives the trip through the file.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

// finished is the result of a command that ended with code.
func finished(t fanout.Target, attempts int, code uint32, stdout, stderr int64) *fanout.Result {
	r := &fanout.Result{
		Target: t, Attempts: attempts,
		QueuedAt: at(0), BegunAt: at(1), StartedAt: at(10), EndedAt: at(50),
		StdoutBytes: stdout, StderrBytes: stderr,
		Report: fanout.Report{
			Exit: &fanout.Exit{Code: code}, Started: true, OutputComplete: true, Address: "10.0.0.1:22",
			Resolve: time.Millisecond, Dial: 2 * time.Millisecond, Login: 3 * time.Millisecond, Command: 40 * time.Millisecond,
		},
	}
	r.Outcome = r.Report.Outcome()
	return r
}

// hostEvents are those of a host that says out and exits with code.
func hostEvents(p *fanout.Plan, index int, out string, code uint32) []fanout.Event {
	t := &p.Targets[index]
	events := []fanout.Event{{Kind: fanout.TargetStarted, Time: at(10), Target: t, Attempt: 1, Address: "10.0.0.1:22"}}
	if out != "" {
		events = append(events, fanout.Event{Kind: fanout.Output, Time: at(20), Target: t, Attempt: 1, Data: []byte(out)})
	}
	return append(events, fanout.Event{
		Kind: fanout.TargetFinished, Time: at(50), Target: t, Attempt: 1,
		Result: finished(*t, 1, code, int64(len(out)), 0),
	})
}

// endEvent is the RunFinished that goes with results.
func endEvent(results ...*fanout.Result) fanout.Event {
	s := &fanout.Summary{Started: at(0), Ended: at(100)}
	for _, r := range results {
		s.Add(*r)
	}
	return fanout.Event{Kind: fanout.RunFinished, Time: at(100), Summary: s}
}

// record writes a whole run in which host i says outputs[i]; hosts whose
// output begins with "!" fail.
func record(tb testing.TB, s *Store, info store.RunInfo, outputs ...string) int64 {
	tb.Helper()
	p := testPlan(numbered(len(outputs))...)
	r := begin(tb, s, p, info)
	handle(tb, r, fanout.Event{Kind: fanout.RunStarted, Time: at(0), Plan: &p})
	var results []*fanout.Result
	for i, out := range outputs {
		var code uint32
		if strings.HasPrefix(out, "!") {
			code = 1
		}
		events := hostEvents(&p, i, out, code)
		handle(tb, r, events...)
		results = append(results, events[len(events)-1].Result)
	}
	handle(tb, r, endEvent(results...))
	closeRecorder(tb, r)
	return r.RunID()
}

// replayed returns the events of Replay.
func replayed(tb testing.TB, s *Store, run int64, f store.Filter) []fanout.Event {
	tb.Helper()
	var events []fanout.Event
	err := s.Replay(tb.Context(), run, f, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		events = append(events, e)
		return nil
	}))
	if err != nil {
		tb.Fatal(err)
	}
	return events
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	r := begin(t, s, testPlan("a"), store.RunInfo{})
	for name, want := range map[string]os.FileMode{
		filepath.Dir(path): 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s: got %o, want %o", name, got, want)
		}
	}
	closeRecorder(t, r)
}

func TestOpenSettings(t *testing.T) {
	s := openTest(t, tempPath(t))
	for pragma, want := range map[string]string{
		"auto_vacuum": "2", "journal_mode": "wal", "synchronous": "2", "foreign_keys": "1",
		"user_version": fmt.Sprint(len(embedded(t))), "application_id": fmt.Sprint(applicationID), "trusted_schema": "0",
		"journal_size_limit": "16777216", "busy_timeout": "20000",
	} {
		var got string
		if err := s.w.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", pragma, got, err, want)
		}
	}
	if _, err := s.r.Exec("DELETE FROM runs"); err == nil {
		t.Error("a reader could write")
	}
}

func TestOpenErrors(t *testing.T) {
	write := func(t *testing.T, path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    error
	}{
		{"a directory", func(t *testing.T, path string) {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, store.ErrIsDirectory},
		{"text", func(t *testing.T, path string) { write(t, path, strings.Repeat("hosts: {}\n", 500)) }, store.ErrNotHistory},
		{"a short text", func(t *testing.T, path string) { write(t, path, "x") }, store.ErrNotHistory},
		{"another program's", func(t *testing.T, path string) {
			write(t, path, "")
			if _, err := raw(t, path).Exec("CREATE TABLE songs (name TEXT)"); err != nil {
				t.Fatal(err)
			}
		}, store.ErrNotHistory},
		{"newer", func(t *testing.T, path string) {
			s, err := Open(t.Context(), path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.w.Exec("PRAGMA user_version = 99"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}, store.ErrNewer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tempPath(t)
			tt.prepare(t, path)
			for what, open := range map[string]func(context.Context, string, store.Options) (*Store, error){
				"Open": Open, "OpenExisting": OpenExisting,
			} {
				_, err := open(t.Context(), path, store.Options{})
				if !errors.Is(err, tt.want) {
					t.Errorf("%s: got %v, want %v", what, err, tt.want)
					continue
				}
				if info, err := os.Stat(path); err == nil && tt.name == "a short text" && info.Size() != 1 {
					t.Errorf("%s: the file was changed", what)
				}
				e, ok := errors.AsType[*store.Error](err)
				if !ok || wayOut(e) == "" || !strings.Contains(e.Error(), path) {
					t.Errorf("%s: got %v, want an *Error with the path and a hint", what, err)
				}
			}
		})
	}
}

func TestOpenExistingMakesNothing(t *testing.T) {
	path := tempPath(t)
	if _, err := OpenExisting(t.Context(), path, store.Options{}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("got %v, want %v", err, store.ErrNotExist)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory: got %v, want none", err)
	}
	openTest(t, path)
	s, err := OpenExisting(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenOddPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "what?.db", "50%25.db", "a#b.db", "ünïcode&x=1.db"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			record(t, openTest(t, filepath.Join(dir, name)), store.RunInfo{}, "x")
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
			entries, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !strings.HasPrefix(filepath.Base(e), name) {
					t.Errorf("got a file %s next to it", e)
				}
			}
		})
	}
}

// All who open one file must agree on its locks, whatever they call it.
func TestOpenThroughLink(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	begin(t, s, testPlan("a"), store.RunInfo{})
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	run, err := openTest(t, link).Run(t.Context(), "1", "")
	if err != nil {
		t.Fatal(err)
	}
	if run.State != store.Running {
		t.Errorf("got %s, want %s: the link led to other locks", run.State, store.Running)
	}
}

func TestOpenWarnsOfExposedFile(t *testing.T) {
	path := tempPath(t)
	openTest(t, path)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	s, err := Open(t.Context(), path, store.Options{Warn: func(w string) { warnings = append(warnings, w) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "chmod 600") {
		t.Errorf("got %q, want one that says chmod 600", warnings)
	}
}

func TestCompareVersions(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"3.53.4", "3.51.3", 1}, {"3.51.3", "3.51.3", 0}, {"3.40.1", "3.51.3", -1}, {"3.9", "3.51.3", -1}, {"4", "3.51.3", 1}, {"3.51", "3.51.3", -1}} {
		got := compareVersions(tt.a, tt.b)
		if (got > 0) != (tt.want > 0) || (got < 0) != (tt.want < 0) {
			t.Errorf("compareVersions(%s, %s): got %d, want the sign of %d", tt.a, tt.b, got, tt.want)
		}
	}
}
