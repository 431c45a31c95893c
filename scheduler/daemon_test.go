package scheduler

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDaemonFiresOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.start(t)
		pass(16 * time.Minute)
		r.finish(t)
		r.wantRows(t, "job", `
			01T00:05:00 run 01T00:05:00 ok
			01T00:10:00 run 01T00:10:00 ok
			01T00:15:00 run 01T00:15:00 ok`)
		r.seen.want(t,
			`decided job run "" 1`, "begun job 1", "ended job 1 ok=true cut=false failures=0",
			`decided job run "" 1`, "begun job 2", "ended job 2 ok=true cut=false failures=0",
			`decided job run "" 1`, "begun job 3", "ended job 3 ok=true cut=false failures=0")
		if r.seen.lag > 0 {
			t.Errorf("got a lag of %s, want none", r.seen.lag)
		}
		r.wantLog(t, 3, `msg="job started" job=job firing=`)
		r.wantLog(t, 1, `msg="job finished" job=job firing=3 scheduled_at=2000-01-01T00:15:00.000Z due_at=2000-01-01T00:15:00.000Z run=3 outcome=ok hosts=1`)
	})
}

func TestDaemonKeepsToJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *", func(j *Job) { j.Jitter = 2 * time.Minute })
		r.takes["job"] = 0
		r.start(t)
		pass(time.Hour)
		r.finish(t)
		late := 0
		for _, row := range r.rows {
			if !row.begun.Equal(row.Due) {
				t.Errorf("due %s, begun %s", row.Due, row.begun)
			}
			if row.Due.After(row.At.Add(time.Second)) {
				late++
			}
		}
		if len(r.rows) < 11 || late < 6 {
			t.Errorf("got %d firings, %d with jitter, want at least 11 and 6", len(r.rows), late)
		}
	})
}

func TestDaemonWithSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "* * * * * *")
		r.takes["job"] = 900 * time.Millisecond
		r.start(t)
		pass(10*time.Minute + time.Millisecond)
		r.finish(t)
		if got := strings.Count(r.text("job"), " ok"); got != 600 || len(r.rows) != 600 {
			t.Errorf("got %d runs of %d firings, want all of 600", got, len(r.rows))
		}
		if r.seen.lag > 0 {
			t.Errorf("got a lag of %s, want none", r.seen.lag)
		}
	})
}

func TestDaemonThatStartsLate(t *testing.T) {
	const tooLate = ": " + MissedDeadline
	tests := []struct {
		name    string
		catchUp CatchUp
		late    time.Duration
		want    string
	}{
		{"within the grace", CatchUpNone, 5*time.Minute + 30*time.Second, "01T00:05:00 run 01T00:05:30 ok"},
		{"none", CatchUpNone, 12 * time.Minute, "01T00:05:00 missed 2 until 01T00:10:00" + tooLate},
		{"latest", CatchUpLatest, 12 * time.Minute, `
			01T00:05:00 missed 1 until 01T00:05:00` + tooLate + `
			01T00:10:00 run 01T00:12:00 ok`},
		{"all", CatchUpAll, 12 * time.Minute, `
			01T00:05:00 run 01T00:12:00 ok
			01T00:10:00 run 01T00:12:00 ok`},
		{"more than all", CatchUpAll, 63 * time.Minute, `
			01T00:05:00 run 01T01:03:00 ok
			01T00:10:00 run 01T01:03:00 ok
			01T00:15:00 run 01T01:03:00 ok
			01T00:20:00 run 01T01:03:00 ok
			01T00:25:00 run 01T01:03:00 ok
			01T00:30:00 run 01T01:03:00 ok
			01T00:35:00 run 01T01:03:00 ok
			01T00:40:00 run 01T01:03:00 ok
			01T00:45:00 run 01T01:03:00 ok
			01T00:50:00 run 01T01:03:00 ok
			01T00:55:00 missed 2 until 01T01:00:00` + tooLate},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.add("job", "*/5 * * * *", func(j *Job) { j.CatchUp, j.Overlap, j.MaxRunning = test.catchUp, OverlapAllow, 20 })
				pass(test.late)
				r.start(t)
				pass(time.Second)
				r.finish(t)
				r.wantRows(t, "job", test.want)
			})
		})
	}
}

// Late firings that are caught up wait for one another, whatever the overlap policy,
// and block a firing that is due in the meantime.
func TestDaemonCatchesUpInOrder(t *testing.T) {
	inOrder := `
		01T00:05:00 run 01T00:18:00 ok
		01T00:10:00 run 01T00:18:50 ok
		01T00:15:00 run 01T00:19:40 ok`
	for _, test := range []struct {
		overlap Overlap
		want    string
	}{
		{OverlapSkip, inOrder + `
			01T00:20:00 skipped: an earlier firing is running`},
		{OverlapQueue, inOrder + `
			01T00:20:00 run 01T00:20:30 ok`},
		{OverlapReplace, `
			01T00:05:00 run 01T00:18:00 ok
			01T00:10:00 run 01T00:18:50 ok
			01T00:15:00 run 01T00:19:40 not ok
			01T00:20:00 run 01T00:20:00 ok`},
		{OverlapAllow, `
			01T00:05:00 run 01T00:18:00 ok
			01T00:10:00 run 01T00:18:00 ok
			01T00:15:00 run 01T00:18:50 ok
			01T00:20:00 run 01T00:20:00 ok`},
	} {
		t.Run(test.overlap.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.add("job", "*/5 * * * *", func(j *Job) { j.CatchUp, j.Overlap, j.MaxRunning = CatchUpAll, test.overlap, 2 })
				r.takes["job"] = 50 * time.Second
				pass(18 * time.Minute)
				r.start(t)
				pass(6 * time.Minute)
				r.finish(t)
				r.wantRows(t, "job", test.want)
			})
		})
	}
}

func TestDaemonDoesNotFireWhatIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.start(t)
		pass(6 * time.Minute)
		r.add("job", "*/5 * * * *", func(j *Job) { j.Paused = true })
		pass(20 * time.Minute)
		r.add("job", "*/5 * * * *")
		pass(6 * time.Minute)
		r.finish(t)
		r.wantRows(t, "job", `
			01T00:05:00 run 01T00:05:00 ok
			01T00:30:00 run 01T00:30:00 ok`)
	})
}

func TestDaemonSeesChangesWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("old", "*/5 * * * *")
		r.takes["old"] = 10 * time.Minute
		r.start(t)
		pass(5*time.Minute + 58*time.Second + 500*time.Millisecond)
		// During a run the schedule changes, and a job is added.
		r.add("old", "59 * * * *")
		r.add("new", "6 * * * *")
		pass(55 * time.Minute)
		r.remove("new")
		pass(time.Hour)
		r.finish(t)
		r.wantRows(t, "old", `
			01T00:05:00 run 01T00:05:00 ok
			01T00:59:00 run 01T00:59:00 ok
			01T01:59:00 run 01T01:59:00 not ok`)
		r.wantRows(t, "new", "01T00:06:00 run 01T00:06:00 ok")
	})
}

func TestDaemonOverlap(t *testing.T) {
	tests := []struct {
		overlap Overlap
		takes   time.Duration
		want    string
	}{
		{OverlapSkip, 11 * time.Minute, `
			01T00:05:00 run 01T00:05:00 ok
			01T00:10:00 skipped: an earlier firing is running
			01T00:15:00 skipped: an earlier firing is running
			01T00:20:00 run 01T00:20:00 running`},
		{OverlapQueue, 11 * time.Minute, `
			01T00:05:00 run 01T00:05:00 ok
			01T00:10:00 run 01T00:16:00 running
			01T00:15:00 skipped: another firing is already queued
			01T00:20:00 queued: an earlier firing is running`},
		{OverlapAllow, 11 * time.Minute, `
			01T00:05:00 run 01T00:05:00 ok
			01T00:10:00 run 01T00:10:00 ok
			01T00:15:00 skipped: max_running reached
			01T00:20:00 run 01T00:20:00 running`},
		{OverlapReplace, 11 * time.Minute, `
			01T00:05:00 run 01T00:05:00 not ok
			01T00:10:00 run 01T00:10:01 not ok
			01T00:15:00 run 01T00:15:01 not ok
			01T00:20:00 run 01T00:20:01 running`},
	}
	for _, test := range tests {
		t.Run(test.overlap.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.add("job", "*/5 * * * *", func(j *Job) { j.Overlap, j.MaxRunning = test.overlap, 2 })
				r.takes["job"], r.stubborn = test.takes, time.Second
				r.start(t)
				pass(21*time.Minute + 30*time.Second)
				r.wantRows(t, "job", test.want)
			})
		})
	}
}

func TestDaemonRunsOutOfTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "0 5 * * *")
		r.start(t)
		pass(90 * time.Second)
		r.ask("job", "alice")
		pass(2 * time.Minute)
		r.finish(t)
		r.wantRows(t, "job", "asked run 01T00:01:31 ok")
		r.wantLog(t, 1, `msg="job started" job=job firing=1 requested_by=alice run=1`)
	})
}

func TestDaemonAndTheClock(t *testing.T) {
	const tooLate = ": " + MissedDeadline
	tests := []struct {
		name  string
		by    time.Duration
		then  time.Duration // how long after it
		want  string
		alarm string
	}{
		{"back by an hour", -time.Hour, 72 * time.Minute, `
			01T00:10:00 run 01T00:10:00 ok
			01T00:20:00 run 01T00:20:00 ok
			01T00:30:00 run 01T00:30:00 ok`, ""},
		{"back by five hours", -5 * time.Hour, 18 * time.Minute, `
			31T19:30:00 run 31T19:30:00 ok
			31T19:40:00 run 31T19:40:00 ok
			01T00:10:00 run 01T00:10:00 ok
			01T00:20:00 run 01T00:20:00 ok`, "the clock was set back by 4h54m59s, to 1999-12-31T19:25:01Z"},
		{"back by five hours, and on to what has fired", -5 * time.Hour, 5*time.Hour + 12*time.Minute, "", "the clock was set back by 4h54m59s, to 1999-12-31T19:25:01Z"},
		{"forward by a day", 24 * time.Hour, 10 * time.Minute, `
			01T00:10:00 run 01T00:10:00 ok
			01T00:20:00 run 01T00:20:00 ok
			01T00:30:00 missed 143 until 02T00:10:00` + tooLate + `
			02T00:20:00 run 02T00:25:01 ok
			02T00:30:00 run 02T00:30:00 ok`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.add("job", "*/10 * * * *")
				r.start(t)
				pass(25 * time.Minute)
				r.put(test.by)
				pass(test.then)
				r.finish(t)
				if test.want != "" {
					r.wantRows(t, "job", test.want)
				}
				if got := r.jobs[1].state.Alarm; got != test.alarm {
					t.Errorf("got the alarm %q, want %q", got, test.alarm)
				}
				fired := map[string]int{}
				for _, row := range r.rows {
					if fired[row.At.String()]++; fired[row.At.String()] > 1 {
						t.Errorf("%s has fired twice", row.At)
					}
				}
			})
		})
	}
}

func TestDaemonAfterASuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/10 * * * *")
		r.start(t)
		pass(9*time.Minute + 30*time.Second)
		// The wall clock of a machine that sleeps leaps: within the grace.
		r.put(time.Minute)
		pass(time.Minute)
		r.wantRows(t, "job", "01T00:10:00 run 01T00:10:31 running")
		pass(time.Hour)
		r.finish(t)
		if got := strings.Count(r.text("job"), " ok"); got != 7 {
			t.Errorf("got %d runs, want 7:\n%s", got, r.text("job"))
		}
	})
}

func TestDaemonWithThousandsOfInstantsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("many", "* * * * * *", func(j *Job) { j.Grace = time.Hour })
		r.add("one", "0 1 * * *")
		pass(time.Hour)
		r.start(t)
		synctest.Wait()
		r.wantRows(t, "one", "01T01:00:00 run 01T01:00:00 running")
		pass(0)
		r.finish(t)
		if got := strings.Count(r.text("many"), "\n") + 1; got != 3600 {
			t.Errorf("got %d firings, want 3600", got)
		}
		if got := strings.Count(r.text("many"), "skipped: an earlier firing is running"); got != 3599 {
			t.Errorf("got %d skipped, want all but one", got)
		}
	})
}

func TestDaemonEndsOfSchedules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("once", "@at 2000-01-01T00:03:00Z")
		r.start(t)
		pass(time.Hour)
		r.finish(t)
		r.wantRows(t, "once", "01T00:03:00 run 01T00:03:00 ok")
		r.wantLog(t, 1, "schedule has ended")
	})
}

func TestDaemonWithBrokenJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("a", "no schedule")
		r.add("b", "* * * * *", func(j *Job) { j.Zone = "Europe/Atlantis" })
		r.add("c", "* * * * *")
		r.change(func() { r.jobs[3].state.Broken, r.jobs[3].revision = errors.New("it is not JSON"), 2 })
		r.add("good", "*/5 * * * *")
		r.start(t)
		pass(11 * time.Minute)
		r.change(func() { // read again
			for _, d := range r.jobs {
				d.revision++
			}
		})
		pass(10 * time.Minute)
		r.wantLog(t, 3, "job is broken and does not fire")
		r.add("a", "22 * * * *")
		pass(3 * time.Minute)
		r.finish(t)
		r.wantRows(t, "a", "01T00:22:00 run 01T00:22:00 ok")
		for _, name := range []string{"b", "c"} {
			r.wantRows(t, name, "")
		}
		if got := strings.Count(r.text("good"), " ok"); got != 4 {
			t.Errorf("got %d runs of the good job, want 4", got)
		}
	})
}

// An error in the log names the job that could not be written.
func TestDaemonNamesTheJobThatFails(t *testing.T) {
	for name, want := range map[string]string{
		"":  `doing=decide failed=1 error="job a, b, c and 1 more: disk full"`,
		"b": `doing=decide failed=1 error="job b: disk full"`,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			for _, job := range []string{"a", "b", "c", "d"} {
				r.add(job, "*/5 * * * *")
			}
			r.change(func() { r.refusals = map[string]error{name: errDisk} })
			r.start(t)
			pass(5*time.Minute + 2*time.Second)
			r.wantLog(t, 1, want)
			r.change(func() { r.refusals = nil })
			pass(2 * time.Minute)
			r.finish(t)
			r.wantRows(t, "b", "01T00:05:00 run 01T00:05:03 ok")
		})
	}
}

// So do errors of claims and of settlements.
func TestDaemonNamesTheJobThatCannotBeClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		for _, job := range []string{"a", "b"} {
			r.add(job, "0 0 1 1 *")
			r.ask(job, "ann")
		}
		r.change(func() { r.refusals = map[string]error{"b": errDisk} })
		r.start(t)
		pass(10 * time.Second)
		r.wantLog(t, 1, `doing="claim firings" failed=1 error="job b: disk full"`)
		r.wantRows(t, "a", "asked run 01T00:00:00 running")
		r.change(func() { r.refusals = nil })
		pass(2 * time.Second)
		r.change(func() { r.refusals = map[string]error{"b": errDisk} })
		pass(2 * time.Minute)
		r.wantLog(t, 1, `doing="settle firings" failed=1 error="job b: disk full"`)
		r.change(func() { r.refusals = nil })
		r.finish(t)
	})
}
