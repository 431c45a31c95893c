package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"tutti/scheduler"
)

// stageEnv says how far a daemon of a test goes.
const stageEnv = "TUTTI_STORE_TEST_STAGE"

// serveUntil is a daemon that decides the next minute of the job backup, claims
// it and begins it, as far as it is told, and then stays until it is killed.
func serveUntil(ctx context.Context, path string) error {
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	d, err := s.JoinDaemons(ctx, noon)
	if err != nil {
		return err
	}
	if err := serveStages(ctx, d, os.Getenv(stageEnv)); err != nil {
		return err
	}
	fmt.Println("there")
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent kills
	return err
}

func serveStages(ctx context.Context, d *Daemon, stage string) error {
	k, err := d.store.Job(ctx, "backup")
	if err != nil {
		return err
	}
	_, err = d.Decide(ctx, scheduler.Decisions{Job: k, Firings: firingsAt(1), Cursor: minute(1)})
	if err != nil || stage == "decided" {
		return err
	}
	tickets, err := d.Claim(ctx, minute(1))
	if err != nil || stage == "claimed" {
		return err
	}
	r, err := d.store.Begin(ctx, jobPlan("a", "b"), ofTicket(d, tickets[0]))
	if err != nil || stage == "begun" {
		return err
	}
	return r.Starting(ctx, jobPlan("a", "b").Targets[0], 1, "")
}

// Wherever a daemon is killed: what it had not begun another one begins, and what
// it had begun nobody does.
func TestKilledDaemonIsTakenOver(t *testing.T) {
	for _, tt := range []struct {
		stage   string
		claimed []string
		settled []string
	}{
		{"decided", []string{"1 run"}, nil},
		{"claimed", []string{"1 run"}, nil},
		{"begun", nil, []string{"run 1 ok=false streak=1 interrupted"}},
		{"started", nil, []string{"run 1 ok=false streak=1 interrupted"}},
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
			repair(t, d)
			checkStrings(t, "while it is alive", settle(t, d, minute(1)))
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed

			repair(t, d)
			checkStrings(t, "settled", settle(t, d, minute(1)), tt.settled...)
			tickets := claim(t, d, minute(1))
			checkStrings(t, "claimed", told(tickets), tt.claimed...)
			checkStrings(t, "decided again", decide(t, d, "backup", 1))
			for _, x := range tickets {
				finish(t, beginTicket(t, d, x), 0, 0)
			}
			checkInt(t, s.r, "SELECT count(*) FROM runs", 1)
			checkInt(t, s.r, "SELECT count(*) FROM firings", 1)
		})
	}
}

func repair(tb testing.TB, d *Daemon) {
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
		if _, err := d.Changed(b.Context()); err != nil {
			b.Fatal(err)
		}
		if jobs, err := d.Kept(b.Context()); err != nil || len(jobs) != 1000 {
			b.Fatal(len(jobs), err)
		}
		settle(b, d, noon.Add(time.Second))
		claim(b, d, noon.Add(time.Second))
	}
}
