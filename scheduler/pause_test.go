package scheduler

import (
	"testing"
	"testing/synctest"
	"time"
)

// pausedUntil is a job that ann paused at noon.
func pausedUntil(until time.Time) func(*JobState) {
	return func(s *JobState) {
		s.Paused, s.Pause = true, Pause{By: "ann", At: clock(0), Until: until, Note: "disk"}
	}
}

func TestRulePause(t *testing.T) {
	start := func(s JobState, at Moment) (Transition, error) {
		return s.StartPause(Pause{By: "bob", Until: clock(30)}, at)
	}
	end := func(s JobState, at Moment) (Transition, error) {
		at.Now = clock(41)
		return s.EndPause(s.LeavePause(), at)
	}
	checkRules(t, []ruleCase{
		{"paused", stateOf(runs(1, 1, runRunning)), start, "", nil},
		{"removed", stateOf(func(s *JobState) { s.Removed = true }), start, "", ErrConflict},
		{"the end", stateOf(pausedUntil(clock(21))), end, "firing 11 missed (the job was paused) missed 4 settled", nil},
		{"the end, at a scheduled time", stateOf(pausedUntil(clock(20))), end, "firing 11 missed (the job was paused) missed 4 settled", nil},
		{"the end, with nothing missed", stateOf(pausedUntil(clock(4))), end, "", nil},
		{"not yet", stateOf(pausedUntil(clock(42))), end, "", ErrConflict},
		{"never", stateOf(pausedUntil(time.Time{})), end, "", ErrConflict},
		{"resumed meanwhile", stateOf(), end, "", ErrConflict},
		{"removed meanwhile", stateOf(pausedUntil(clock(21)), func(s *JobState) { s.Removed = true }), end, "", ErrConflict},
		{"paused again meanwhile", stateOf(pausedUntil(clock(21))), func(s JobState, at Moment) (Transition, error) {
			left := s.LeavePause()
			at.Now = clock(41)
			s.Version++
			return s.EndPause(left, at)
		}, "", ErrConflict},
	})
	got, err := start(stateOf(func(s *JobState) { s.Alarm = "the clock" }), Moment{Now: clock(3), NextID: 1})
	want := Pause{By: "bob", At: clock(3), Until: clock(30)}
	if k := got.Next.StoredJob; err != nil || !k.Paused || k.Pause != want || k.Version != 2 || k.UpdatedBy != "bob" || k.Alarm != "" || !k.Cursor.Equal(clock(0)) {
		t.Errorf("got %+v, %v", k, err)
	}
	s := stateOf(pausedUntil(clock(21)), func(s *JobState) { s.Alarm = "the clock" })
	got, err = end(s, Moment{NextID: 1})
	if k := got.Next.StoredJob; err != nil || k.Paused || k.Pause != (Pause{}) || k.Version != 2 || k.UpdatedBy != ResumedBy || k.Alarm != "the clock" || !k.Cursor.Equal(clock(21)) {
		t.Errorf("got %+v, %v, want what follows the pause to be decided", k, err)
	}
}

// A daemon resumes a job when its pause has ended; what was scheduled in the pause is
// missed, and what was scheduled after it is not, also if the daemon was away.
func TestDaemonResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.takes["job"] = 10 * time.Second
		r.add("job", "*/5 * * * *")
		r.add("other", "*/20 * * * *", func(j *Job) { j.Paused = true })
		pause := func(until time.Duration) {
			t.Helper()
			now := r.now()
			r.change(func() {
				d := r.named("job")
				got, err := d.state.StartPause(Pause{By: "ann", Until: now.Add(until)}, Moment{Now: now})
				if err != nil {
					t.Fatal(err)
				}
				d.state, d.revision = got.Next, d.revision+1
			})
		}
		r.start(t)
		pass(6 * time.Minute)
		pause(7 * time.Minute)
		pass(10 * time.Minute)
		r.wantLog(t, 1, "its pause has ended")
		const first = `
			01T00:05:00 run 01T00:05:00 ok
			01T00:10:00 missed 1 until 01T00:10:00: the job was paused
			01T00:15:00 run 01T00:15:00 ok`
		r.wantRows(t, "job", first)
		pause(8 * time.Minute) // to 00:24
		r.finish(t)
		pass(9*time.Minute + 30*time.Second)
		again := another(r.memory)
		again.takes["job"] = 10 * time.Second
		again.start(t)
		pass(time.Minute)
		again.wantRows(t, "job", first+`
			01T00:20:00 missed 1 until 01T00:20:00: the job was paused
			01T00:25:00 run 01T00:25:30 ok`)
		again.wantRows(t, "other", "")
		again.wantLog(t, 1, "its pause has ended")
	})
}
