package scheduler

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

func TestDaemonStops(t *testing.T) {
	tests := []struct {
		name     string
		takes    time.Duration
		stubborn time.Duration
		want     string
		took     time.Duration
	}{
		{"nothing runs any more", 10 * time.Second, 0, "01T00:05:00 run 01T00:05:00 ok", 0},
		{"what runs ends in time", 70 * time.Second, 0, "01T00:05:00 run 01T00:05:00 ok", 40 * time.Second},
		{"what runs is ended", time.Hour, 5 * time.Second, "01T00:05:00 run 01T00:05:00 not ok", 65 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.add("job", "*/5 * * * *")
				r.add("next", "6 * * * *")
				r.takes["job"], r.stubborn = test.takes, test.stubborn
				r.start(t)
				pass(5*time.Minute + 30*time.Second)
				stopped := time.Now()
				r.finish(t)
				if took := time.Since(stopped); took != test.took {
					t.Errorf("got %s until the end, want %s", took, test.took)
				}
				r.wantRows(t, "job", test.want)
				r.wantRows(t, "next", "")
				if r.rows[0].Settled.IsZero() {
					t.Error("the run's end was not reported")
				}
				if r.seen.gap > pollEvery {
					t.Errorf("got %s without a beat, want at most %s", r.seen.gap, pollEvery)
				}
			})
		})
	}
}

func TestDaemonStopsForItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "* * * * *")
		causes := make(chan error, 1)
		r.daemon.StopTimeout = 0
		r.daemon.Execute = func(ctx context.Context, by Membership, t Assignment, _ <-chan struct{}, begun func(int64)) error {
			run := r.begun(by, t)
			begun(run)
			<-ctx.Done()
			r.end(run, false, r.now())
			causes <- context.Cause(ctx)
			return nil
		}
		r.start(t)
		pass(90 * time.Second)
		r.finish(t)
		if got := <-causes; !errors.Is(got, fanout.ErrSignal) {
			t.Errorf("got the cause %v, want %v", got, fanout.ErrSignal)
		}
	})
}

func TestDaemonKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.add("other", "4 * * * *")
		r.takes["job"], r.takes["other"] = time.Hour, 4*time.Minute
		r.start(t)
		pass(6*time.Minute + 500*time.Millisecond)
		r.kill("job")
		pass(time.Second)
		r.wantRows(t, "job", "01T00:05:00 run 01T00:05:00 not ok")
		pass(2 * time.Minute)
		r.wantRows(t, "other", "01T00:04:00 run 01T00:04:00 ok")
		r.wantLog(t, 1, "stopping a run on request")
		r.wantLog(t, 1, `msg="job failed with an error" job=job firing=2 scheduled_at=2000-01-01T00:05:00.000Z due_at=2000-01-01T00:05:00.000Z run=2 error="stopped on request"`)
	})
}

// A run that is halted ends by itself, unless its commands are stopped later; it is halted
// once, and never after that.
func TestDaemonHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.add("other", "5 * * * *")
		r.takes["job"], r.takes["other"], r.stubborn = time.Hour, time.Hour, 3*time.Minute
		r.start(t)
		pass(6*time.Minute + 500*time.Millisecond)
		for _, job := range []string{"job", "other", "job"} {
			r.request(job, Stop{By: "ann", Halt: true})
			pass(time.Second)
		}
		r.wantLog(t, 2, "starting no more hosts of a run on request")
		pass(time.Minute)
		r.wantRows(t, "job", "01T00:05:00 run 01T00:05:00 running")
		r.request("other", Stop{By: "bob"})
		r.request("other", Stop{By: "ann", Halt: true})
		pass(time.Second)
		r.wantRows(t, "other", "01T00:05:00 run 01T00:05:00 not ok")
		r.wantLog(t, 1, "stopping a run on request")
		pass(2 * time.Minute)
		r.wantRows(t, "job", "01T00:05:00 run: killed by ann 01T00:05:00 not ok")
		r.wantLog(t, 2, "starting no more hosts of a run on request")
	})
}

func TestDaemonClosesWhatCannotBegin(t *testing.T) {
	tests := []struct {
		name    string
		execute func(context.Context, Assignment, func(int64)) error
		want    string
	}{
		{
			"an error", func(context.Context, Assignment, func(int64)) error { return errors.New("no host matches") },
			"01T00:05:00 failed: no host matches",
		},
		{
			"no reason", func(context.Context, Assignment, func(int64)) error { return nil },
			"01T00:05:00 failed: not started (unknown reason)",
		},
		{
			"a panic", func(context.Context, Assignment, func(int64)) error { panic("oh") },
			"01T00:05:00 failed: panic: oh",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.daemon.Execute = func(ctx context.Context, by Membership, t Assignment, _ <-chan struct{}, begun func(int64)) error {
					// The history does not work when the firing is to be closed.
					r.refuse(errDisk)
					return test.execute(ctx, t, begun)
				}
				r.add("job", "*/5 * * * *")
				r.start(t)
				pass(5*time.Minute + 9*time.Second)
				r.refuse(nil)
				pass(2 * time.Second)
				r.finish(t)
				r.wantRows(t, "job", test.want)
				reason := strings.SplitN(test.want, ": ", 2)[1]
				r.seen.want(t, `decided job run "" 1`, `decided job failed "`+reason+`" 1`, "ended job 0 ok=false cut=false failures=1")
				if test.name == "a panic" {
					r.wantLog(t, 1, "firing panicked")
					r.wantLog(t, 1, "runtime/debug.Stack()")
				}
			})
		})
	}
}

func TestDaemonPanicInARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.daemon.Execute = func(_ context.Context, by Membership, t Assignment, _ <-chan struct{}, begun func(int64)) error {
			run := r.begun(by, t)
			begun(run)
			defer r.end(run, false, r.now())
			if run == 1 {
				panic("oh")
			}
			return nil
		}
		r.add("job", "*/5 * * * *")
		r.start(t)
		pass(11 * time.Minute)
		r.finish(t)
		r.wantRows(t, "job", `
			01T00:05:00 run 01T00:05:00 not ok
			01T00:10:00 run 01T00:10:00 not ok`)
		r.wantLog(t, 1, "firing panicked")
	})
}

func TestDaemonOutlivesAHistoryThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.add("late", "0 1 * * *")
		r.start(t)
		pass(59*time.Minute + 30*time.Second)
		r.refuse(errDisk)
		before := r.counted()
		pass(50 * time.Second)
		if got := r.counted() - before; got > 50*8 {
			t.Errorf("got %d calls in 50 seconds", got)
		}
		if r.seen.gap > pollEvery {
			t.Errorf("got %s without a beat, want at most %s", r.seen.gap, pollEvery)
		}
		r.refuse(nil)
		pass(10 * time.Second)
		r.wantRows(t, "late", "01T01:00:00 run 01T01:00:21 running")
		r.wantLog(t, 1, `msg="history database failed; retrying" doing="look for changes"`)
		r.wantLog(t, 1, `msg="history database recovered" doing="look for changes"`)
		r.refuse(errDisk)
		pass(10 * time.Minute)
		r.refuse(nil)
		r.wantLog(t, 11, `msg="history database failed; retrying" doing="look for changes"`)
	})
}

// TestDaemonClosesWhatHasNoEnd: a run whose end could not be written is closed as soon
// as writes work, and not only at the next regular repair.
func TestDaemonClosesWhatHasNoEnd(t *testing.T) {
	for _, full := range []time.Duration{0, 4 * time.Second} {
		t.Run(full.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.daemon.Execute = func(_ context.Context, by Membership, t Assignment, _ <-chan struct{}, begun func(int64)) error {
					run := r.begun(by, t)
					begun(run)
					r.leave(run)
					if full > 0 {
						r.refuse(errDisk)
					}
					return errDisk
				}
				r.add("job", "*/5 * * * *")
				r.start(t)
				pass(5*time.Minute + full + 500*time.Millisecond)
				r.refuse(nil)
				pass(2 * time.Second)
				r.wantRows(t, "job", "01T00:05:00 run 01T00:05:00 cut")
				r.finish(t)
				r.wantLog(t, 1, "outcome=interrupted")
				r.wantLog(t, 0, "duration_ms")
				r.seen.mu.Lock()
				defer r.seen.mu.Unlock()
				if got, want := r.seen.failed["look for changes"], int(full/pollEvery); got < want || (want == 0) != (got == 0) {
					t.Errorf("got %d turns with trouble, want %d at least", got, want)
				}
			})
		})
	}
}

func TestDaemonSaysWhatItCouldNotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.daemon.Execute = func(context.Context, Membership, Assignment, <-chan struct{}, func(int64)) error {
			r.refuse(errDisk)
			return errors.New("no host matches")
		}
		r.add("job", "*/5 * * * *")
		r.start(t)
		pass(6 * time.Minute)
		r.stop(nil)
		if <-r.over; !errors.Is(r.err, errDisk) {
			t.Errorf("got %v, want %v", r.err, errDisk)
		}
	})
}

func TestDaemonsShareAHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var all []*rig
		for range 3 {
			r := another(m)
			r.takes["job"] = 10 * time.Second
			all = append(all, r)
		}
		all[0].add("job", "* * * * *")
		for _, r := range all {
			r.start(t)
		}
		pass(10*time.Minute + 30*time.Second)
		for _, r := range all {
			r.finish(t)
			if strings.Contains(r.log.String(), "does not work") {
				t.Errorf("another process that is faster is trouble:\n%s", r.log)
			}
		}
		if got := strings.Count(m.text("job"), " ok"); got != 10 || len(m.rows) != 10 {
			t.Errorf("got %d runs of %d firings, want 10 of 10:\n%s", got, len(m.rows), m.text("job"))
		}
		settled := 0
		for _, r := range all {
			settled += strings.Count(strings.Join(r.seen.lines, "\n"), "ended job")
		}
		if settled != 10 {
			t.Errorf("got %d ends reported, want 10", settled)
		}
	})
}

func TestDaemonTakesOver(t *testing.T) {
	tests := []struct {
		name string
		dead time.Duration // until the next daemon
		want string
	}{
		{"in time", 30 * time.Second, "01T00:05:00 run 01T00:05:30 ok"},
		{"within the period", 3 * time.Minute, "01T00:05:00 run 01T00:08:00 ok"},
		{"too late", 6*time.Minute + 10*time.Second, `
			01T00:05:00 missed: ` + MissedDeadline + `
			01T00:10:00 run 01T00:11:10 ok`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				dead, next := m.join(), another(m)
				next.add("job", "*/5 * * * *")
				pass(5 * time.Minute)
				claimOne(t, dead)
				dead.die()
				pass(test.dead)
				next.start(t)
				pass(61 * time.Second)
				next.finish(t)
				next.wantRows(t, "job", test.want)
			})
		})
	}
}

// claimOne decides and claims the firing that is due, as a daemon does.
func claimOne(t *testing.T, d *member) Assignment {
	t.Helper()
	jobs, _ := d.Kept(t.Context())
	timing, err := jobs[0].Timing(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	late, err := timing.Late(jobs[0].Cursor, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decide(t.Context(), Decisions{Job: jobs[0], Firings: late.OnTime, Cursor: late.Cursor}); err != nil {
		t.Fatal(err)
	}
	assignments, err := d.Claim(t.Context(), time.Now())
	if err != nil || len(assignments) != 1 {
		t.Fatalf("got %v, %v, want an assignment", assignments, err)
	}
	return assignments[0]
}

func TestDaemonRepairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		dead, next := m.join(), another(m)
		next.add("job", "*/5 * * * *")
		pass(5 * time.Minute)
		if _, err := m.begin(dead.id, claimOne(t, dead), time.Now()); err != nil {
			t.Fatal(err)
		}
		next.start(t)
		pass(90 * time.Second)
		next.wantRows(t, "job", "01T00:05:00 run 01T00:05:00 running")
		dead.die()
		pass(6 * time.Minute)
		next.finish(t)
		next.wantRows(t, "job", `
			01T00:05:00 run 01T00:05:00 cut
			01T00:10:00 run 01T00:10:00 ok`)
		next.seen.want(t, "ended job 1 ok=false cut=true failures=1",
			`decided job run "" 1`, "begun job 2", "ended job 2 ok=true cut=false failures=0")
	})
}

// BenchmarkTurn measures a turn in which nothing is due.
func BenchmarkTurn(b *testing.B) {
	r := newRig()
	for i := range 1000 {
		r.add("job"+string(rune('a'+i%26))+strings.Repeat("x", i/26), "0 3 * * *")
	}
	l := newLoop(&r.daemon, nil)
	l.turn(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		l.turn(b.Context())
	}
}
