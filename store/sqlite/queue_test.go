package sqlite

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// A history as the program wrote it before runs could wait: at schema 9, copied while
// two runs were at work.
//
//go:embed testdata/history-9.sql
var history9 string

// TestHistoryOfSchema9: the rows of runs, and what refers to them, are what they were, and
// a run may wait.
func TestHistoryOfSchema9(t *testing.T) {
	s := openText(t, history9)
	checkLines(t, "runs", runLines(t, s), `
		6 interrupted
		5 interrupted  eve
		4 interrupted backup
		3 finished backup
		2 finished
		1 finished
	`)
	checkInt(t, s.r, "SELECT count(*) FROM results", 10)
	checkInt(t, s.r, "SELECT count(*) FROM output", 4)
	checkInt(t, s.r, "SELECT count(*) FROM pragma_foreign_key_check", 0)
	var sound string
	if err := s.r.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("got %s, %v, want a sound file", sound, err)
	}
	for ref, want := range map[string]int64{"last": 6, "last~1": 5, "last~2": 2} {
		if run, err := s.Run(t.Context(), ref, "ann"); err != nil || run.ID != want {
			t.Errorf("%s: got run %d, %v, want %d", ref, run.ID, err, want)
		}
	}
	run := submitTest(t, s)
	if run != 7 {
		t.Errorf("got run %d, want the next number", run)
	}
	if _, err := s.w.Exec("UPDATE runs SET state = 'bored' WHERE id = ?", run); err == nil {
		t.Error("any state is taken")
	}
	if _, err := s.w.Exec("DELETE FROM runs WHERE id = ?", run); err != nil {
		t.Error(err)
	}
	checkInt(t, s.r, "SELECT count(*) FROM queue", 0)
	checkInt(t, s.r, "SELECT count(*) FROM results WHERE run_id = 7", 0)
}

func submitTest(tb testing.TB, s *Store) int64 {
	tb.Helper()
	p := testPlan("a", "b")
	p.Source = "api"
	done, err := s.Queue().Submit(tb.Context(), store.Submission{
		Plan: p, Info: store.RunInfo{User: "ann", Principal: "ann"}, Request: store.QueuedRequest{Selector: "web", Command: "uptime"}, Now: noon,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return done.Run
}

// claimOne joins as a daemon, claims a run, begins it if it is to, says which, and
// stays until it is killed.
func claimOne(ctx context.Context, path string) error {
	s, err := Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	d, err := s.JoinDaemons(ctx, time.Now())
	if err != nil {
		return err
	}
	claimed, err := s.Queue().Claim(ctx, d, 1)
	if err != nil || len(claimed) == 0 {
		return fmt.Errorf("claimed %v: %w", claimed, err)
	}
	if os.Getenv("TUTTI_STORE_TEST_BEGIN") != "" {
		p := testPlan(claimed[0].Hosts...)
		if _, err := s.Begin(ctx, p, store.RunInfo{Owner: d, Claimed: claimed[0].QueueEntry}); err != nil {
			return err
		}
	}
	fmt.Println(claimed[0].Run.ID)
	_, err = io.Copy(io.Discard, os.Stdin) // until it is killed
	return err
}

// killClaimed starts a process that claims a run, and kills it then.
func killClaimed(t *testing.T, path string, begins bool) (run int64) {
	t.Helper()
	cmd := child(t, "claim", path)
	if begins {
		cmd.Env = append(cmd.Env, "TUTTI_STORE_TEST_BEGIN=1")
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }() // the process is gone
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill() // it may be gone
	_ = cmd.Wait()         // it was killed
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &run); err != nil {
		t.Fatal(err)
	}
	return run
}

// TestQueueOutlivesDaemons: a run that a process was killed with is another's, whether it
// was about to begin or had begun without a host; the third time it is set aside, with a
// warning.
func TestQueueOutlivesDaemons(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	run := submitTest(t, s)
	var told []string
	for death, begins := range []bool{false, true, false} {
		if got := killClaimed(t, path, begins); got != run {
			t.Fatalf("death %d: run %d was claimed, want %d", death+1, got, run)
		}
		other, err := Open(t.Context(), path, store.Options{Warn: func(text string) { told = append(told, text) }})
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := other.Queue().Waiting(t.Context())
		if want := min(1, 2-death); err != nil || len(waiting) != want || want > 0 && (waiting[0].Deaths != death+1 || waiting[0].For != store.WaitDaemon) {
			t.Errorf("after death %d: got %+v, %v", death+1, waiting, err)
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}
	got, err := s.Run(t.Context(), fmt.Sprint(run), "")
	if err != nil || got.State != store.Finished || got.Summary.Stopped != fanout.StoppedPoisoned {
		t.Errorf("got %+v, %v, want it set aside", got, err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "was set aside: 3 daemons ended") {
		t.Errorf("got told %q, want that it was set aside", told)
	}
}

// BenchmarkClaim looks into a queue as daemons do whenever something was written.
func BenchmarkClaim(b *testing.B) {
	s := openTest(b, tempPath(b))
	d, err := s.JoinDaemons(b.Context(), noon)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	b.Run("Empty", func(b *testing.B) {
		for b.Loop() {
			if claimed, err := s.Queue().Claim(b.Context(), d, 8); err != nil || len(claimed) > 0 {
				b.Fatal(claimed, err)
			}
		}
	})
	for range 100 {
		submitTest(b, s)
	}
	b.Run("Of100", func(b *testing.B) {
		for b.Loop() {
			claimed, err := s.Queue().Claim(b.Context(), d, 1)
			if err != nil || len(claimed) != 1 {
				b.Fatal(claimed, err)
			}
			if err := s.Queue().Release(b.Context(), claimed[0].QueueEntry); err != nil {
				b.Fatal(err)
			}
		}
	})
}
