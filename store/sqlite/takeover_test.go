package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// stageEnv says how far a daemon of a test goes.
const stageEnv = "TUTTI_STORE_TEST_STAGE"

// serveUntil is a daemon that decides the next minute of the job backup, claims it and
// begins it, up to the step it is given, and then stays until it is killed.
func serveUntil(ctx context.Context, path string) error {
	s, err := Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	d, err := s.JoinDaemons(ctx, noon)
	if err != nil {
		return err
	}
	if err := serveStages(ctx, seatOf(s, d.(*Daemon)), os.Getenv(stageEnv)); err != nil {
		return err
	}
	fmt.Println("there")
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent kills
	return err
}

func serveStages(ctx context.Context, d *seat, stage string) error {
	k, err := d.store.Job(ctx, "backup")
	if err != nil {
		return err
	}
	_, err = d.Decide(ctx, scheduler.Decisions{Job: k, Firings: firingsAt(1), Cursor: minute(1)})
	if err != nil || stage == "decided" {
		return err
	}
	assignments, err := d.Claim(ctx, minute(1))
	if err != nil || stage == "claimed" {
		return err
	}
	r, err := d.store.Begin(ctx, jobPlan("a", "b"), runInfoOf(d, assignments[0]))
	if err != nil || stage == "begun" {
		return err
	}
	p := jobPlan("a", "b")
	if err := r.Starting(ctx, p.Targets[0], 1, ""); err != nil || stage == "started" {
		return err
	}
	var results []*fanout.Result
	for i := range p.Targets {
		events := hostEvents(&p, i, "", 0)
		results = append(results, events[len(events)-1].Result)
		for _, e := range events {
			if err := r.Handle(ctx, e); err != nil {
				return err
			}
		}
	}
	if stage == "answered" {
		return r.Starting(ctx, p.Targets[0], 2, "") // what came before is durable then
	}
	if err := r.Handle(ctx, endEvent(results...)); err != nil {
		return err
	}
	if err := r.Close(); err != nil || stage == "finished" {
		return err
	}
	_, err = d.Settle(ctx, minute(1))
	return err
}

// Wherever a daemon is killed: what it had not begun another one begins, and what it
// had begun no other does.
func TestKilledDaemonIsTakenOver(t *testing.T) {
	for _, tt := range []struct {
		stage   string
		claimed []string
		settled []string
		ended   bool // and the end is known while the daemon is alive
	}{
		{"decided", []string{"1 run"}, nil, false},
		{"claimed", []string{"1 run"}, nil, false},
		{"begun", nil, []string{"run 1 ok=false streak=1 interrupted"}, false},
		{"started", nil, []string{"run 1 ok=false streak=1 interrupted"}, false},
		{"answered", nil, []string{"run 1 ok=false streak=1 interrupted"}, false},
		{"finished", nil, []string{"run 1 ok=true streak=0"}, true},
		{"settled", nil, nil, false},
	} {
		t.Run(tt.stage, func(t *testing.T) {
			path := tempPath(t)
			s := openTest(t, path)
			addJob(t, s, testJob("backup"))
			d := joinTest(t, s)
			cmd := child(t, "serve", path)
			cmd.Env = append(cmd.Env, stageEnv+"="+tt.stage)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = in.Close() }() // the child is dead by then
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill() }() // it may be gone
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatalf("got %q, %v, want a word", line, err)
			}
			if tt.stage != "decided" {
				checkStrings(t, "while it is alive", told(claim(t, d, minute(1))))
			}
			if repair(t, d); !tt.ended {
				checkStrings(t, "while it is alive", settle(t, d, minute(1)))
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed

			repair(t, d)
			checkStrings(t, "settled", settle(t, d, minute(1)), tt.settled...)
			assignments := claim(t, d, minute(1))
			checkStrings(t, "claimed", told(assignments), tt.claimed...)
			checkStrings(t, "decided again", decide(t, d, "backup", 1))
			for _, x := range assignments {
				finish(t, beginAssigned(t, d, x), 0, 0)
			}
			checkInt(t, s.r, "SELECT count(*) FROM runs", 1)
			checkInt(t, s.r, "SELECT count(*) FROM firings", 1)
		})
	}
}

// A run of which the history has the end and the ledger has not, since its process died
// in between, is settled once a daemon has looked.
func TestEndThatOnlyTheHistoryHas(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, s *Store)
		want []string
	}{
		{"its end", func(*testing.T, *Store) {}, []string{"run 1 ok=false streak=1"}},
		{"nothing any more", func(t *testing.T, s *Store) { poke(t, s, "DELETE FROM runs") }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			addJob(t, s, notified(scheduler.OnFailure))
			finish(t, runMinute(t, d, "backup", 1), 0, 3)
			poke(t, s, "UPDATE firings SET ended = NULL")
			tt.do(t, s)
			checkStrings(t, "not known", settle(t, d, minute(2)))
			checkStrings(t, "it is in the way", decide(t, d, "backup", 2), "2 skipped")
			for range 2 {
				repair(t, d)
			}
			checkStrings(t, "settled", settle(t, d, minute(2)), tt.want...)
			checkStrings(t, "the next", decide(t, d, "backup", 3), "3 run")
			if _, said := deliver(t, d, minute(3)); len(said) != 2*len(tt.want) {
				t.Errorf("got %q, want each receiver to be notified once", said)
			}
		})
	}
}

// Of a run that another has taken over no start is marked, and nothing is sent.
func TestStartsAreFenced(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, testJob("backup"))
	r := runMinute(t, d, "backup", 1)
	p := jobPlan("a", "b")
	if err := r.Starting(t.Context(), p.Targets[0], 1, ""); err != nil {
		t.Fatal(err)
	}
	poke(t, s, "UPDATE firings SET daemon_id = daemon_id + 1")
	if err := r.Starting(t.Context(), p.Targets[1], 1, ""); !errors.Is(err, store.ErrTaken) {
		t.Errorf("got %v, want %v", err, store.ErrTaken)
	}
	closeRecorder(t, r)
}

func repair(tb testing.TB, d *seat) {
	tb.Helper()
	if err := d.Repair(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// With a thousand jobs, looking whether there is anything to do is a matter of
// milliseconds.
func BenchmarkIdleTurn(b *testing.B) {
	s := openTest(b, tempPath(b))
	d := joinTest(b, s)
	for i := range 1000 {
		addJob(b, s, testJob(fmt.Sprintf("job%04d", i)))
	}
	for b.Loop() {
		settle(b, d, noon.Add(time.Second))
		claim(b, d, noon.Add(time.Second))
	}
}

// What a daemon asks each second does not grow with the history.
func TestDaemonQueriesAreIndexed(t *testing.T) {
	s := openTest(t, tempPath(t))
	for name, query := range map[string]string{
		"open":      strings.ReplaceAll(openOfJobs, "?", "'[1, 2]'"),
		"prints":    "SELECT job_id, revision, coalesce(version, 0) FROM job_states LEFT JOIN jobs ON id = job_id",
		"ended":     "SELECT 1 FROM firings WHERE " + endedFirings,
		"known":     "SELECT 1 FROM firings WHERE job_id = 1 AND scheduled_at = 'x'",
		"replaced":  "SELECT count(*) FROM runs WHERE replaced_by = 1",
		"looked at": "DELETE FROM runs WHERE id = 1 AND state <> 'running' AND NOT " + tables.LookedAt + " AND NOT " + tables.ToldLater,
		"due":       "SELECT id FROM outbox WHERE due_at <= 'x'",
		"callbacks": "SELECT 1 FROM callbacks WHERE due_at <= 'x'",
		"log":       "SELECT " + tables.FiringColumns + " FROM firings WHERE job = 'x' ORDER BY id DESC LIMIT 10",
		"costs":     "SELECT job_id, count(*), sum(recorded_bytes + hosts) FROM runs WHERE job_id IS NOT NULL GROUP BY job_id",
		"aged":      "SELECT id FROM firings WHERE job_id = 1 AND scheduled_at < 'x'",
	} {
		steps, err := plan(t, s, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			scans := strings.HasPrefix(step, "SCAN ") && !strings.Contains(step, "firings_open") && !strings.Contains(step, "COVERING INDEX runs_job") &&
				!strings.HasPrefix(step, "SCAN json_each") && step != "SCAN job_states"
			if scans || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s: got %q", name, steps)
			}
		}
	}
}

// plan is how SQLite answers the query.
func plan(tb testing.TB, s *Store, query string) (steps []string, err error) {
	tb.Helper()
	rows, err := s.r.QueryContext(tb.Context(), "EXPLAIN QUERY PLAN "+query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, rows.Err()
}

// Of a run that another process has ended nothing is written any more: it stays as that
// left it, and the process that executed it learns that.
func TestRunOfAnotherIsNotWritten(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, s *Store) *store.Recorder{
		"of a job": func(t *testing.T, s *Store) *store.Recorder {
			addJob(t, s, testJob("backup"))
			return runMinute(t, joinTest(t, s), "backup", 1)
		},
		"by hand": func(t *testing.T, s *Store) *store.Recorder { return begin(t, s, jobPlan("a", "b"), store.RunInfo{}) },
	} {
		for _, told := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, told %t", name, told), func(t *testing.T) {
				s := openTest(t, tempPath(t))
				r, p := start(t, s), jobPlan("a", "b")
				if err := r.Starting(t.Context(), p.Targets[0], 1, ""); err != nil {
					t.Fatal(err)
				}
				if _, err := s.repairer.interrupt(t.Context(), r.RunID()); err != nil {
					t.Fatal(err)
				}
				if told {
					if err := r.Starting(t.Context(), p.Targets[1], 1, ""); !errors.Is(err, store.ErrTaken) {
						t.Errorf("start: got %v, want %v", err, store.ErrTaken)
					}
					if err := r.Handle(t.Context(), endEvent()); !errors.Is(err, store.ErrTaken) {
						t.Errorf("event: got %v, want %v", err, store.ErrTaken)
					}
				} else {
					for _, e := range append(hostEvents(&p, 1, "out", 0), endEvent()) {
						told = errors.Is(r.Handle(t.Context(), e), store.ErrTaken) || told // on a slow machine
					}
				}
				if err := r.Close(); errors.Is(err, store.ErrTaken) == told {
					t.Errorf("end: got %v, and it was told before: %t", err, told)
				}
				checkInt(t, s.r, "SELECT count(*) FROM runs WHERE state = 'interrupted'", 1)
				checkInt(t, s.r, "SELECT count(*) FROM results WHERE started", 1)
				checkInt(t, s.r, "SELECT count(*) FROM output", 0)
			})
		}
	}
}
