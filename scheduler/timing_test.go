package scheduler

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/internal/quantity"
)

func timing(tb testing.TB, change func(*Job)) *Timing {
	tb.Helper()
	j := NewJob("job", "UTC")
	j.Schedules, j.Seconds = []string{"*/5 * * * *"}, true
	change(&j)
	t, err := j.Timing(utc(tb, "2026-11-21T00:00:00Z"))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// short is a list of firings by their times of day.
func short(list []Firing) string {
	var all []string
	for _, f := range list {
		all = append(all, f.At.Format("02T15:04"))
	}
	return strings.Join(all, " ")
}

func (g Gap) short() string {
	if g.Count == 0 {
		return ""
	}
	return fmt.Sprintf("%d %t %s %s", g.Count, g.More, g.First.Format("02T15:04:05"), g.Last.Format("02T15:04:05"))
}

func TestLate(t *testing.T) {
	every := func(text string, c CatchUp) func(*Job) {
		return func(j *Job) { j.Schedules, j.CatchUp = []string{text}, c }
	}
	tests := []struct {
		name                            string
		job                             func(*Job)
		cursor, now                     string // on 2026-11
		caughtUp, onTime, missed, moved string
	}{
		{"nothing is due", every("*/5 * * * *", CatchUpLatest), "21T10:00:00", "21T10:04:59", "", "", "", "21T10:00:00"},
		{"on time", every("*/5 * * * *", CatchUpLatest), "21T10:00:00", "21T10:05:00", "", "21T10:05", "", "21T10:05:00"},
		{"within the grace", every("*/5 * * * *", CatchUpNone), "21T10:00:00", "21T10:06:00", "", "21T10:05", "", "21T10:05:00"},
		{"later than the grace", every("*/5 * * * *", CatchUpNone), "21T10:00:00", "21T10:06:01", "", "", "1 false 21T10:05:00 21T10:05:00", "21T10:05:00"},
		{"several within the grace", every("*/20 * * * * *", CatchUpNone), "21T10:00:00", "21T10:01:00", "", "21T10:00 21T10:00 21T10:01", "", "21T10:01:00"},
		{"none", every("*/5 * * * *", CatchUpNone), "21T10:00:00", "21T11:02:00", "", "", "12 false 21T10:05:00 21T11:00:00", "21T11:00:00"},
		{"latest", every("*/5 * * * *", CatchUpLatest), "21T10:00:00", "21T11:02:00", "21T11:00", "", "11 false 21T10:05:00 21T10:55:00", "21T11:00:00"},
		{"latest, and one on time", every("*/5 * * * *", CatchUpLatest), "21T10:00:00", "21T11:01:00", "", "21T11:00", "11 false 21T10:05:00 21T10:55:00", "21T11:00:00"},
		{"latest, older than the period", every("0 9-17 * * *", CatchUpLatest), "21T17:00:00", "22T08:00:00", "", "", "", "21T17:00:00"},
		{"latest, older than the period, missed", every("0 9-17 * * *", CatchUpLatest), "21T15:00:00", "21T19:00:00", "", "", "2 false 21T16:00:00 21T17:00:00", "21T17:00:00"},
		{"latest, of a day", every("0 9 * * *", CatchUpLatest), "19T09:00:00", "21T20:00:00", "21T09:00", "", "1 false 20T09:00:00 20T09:00:00", "21T09:00:00"},
		{"latest, of a month, within a day", every("0 9 1 * *", CatchUpLatest), "01T08:00:00", "02T09:00:00", "01T09:00", "", "", "01T09:00:00"},
		{"latest, of a month, later", every("0 9 1 * *", CatchUpLatest), "01T08:00:00", "02T09:00:01", "", "", "1 false 01T09:00:00 01T09:00:00", "01T09:00:00"},
		{"latest, once", every("@at 2026-11-21T10:00:00Z", CatchUpLatest), "20T10:00:00", "21T20:00:00", "21T10:00", "", "", "21T10:00:00"},
		{"all", every("0 * * * *", CatchUpAll), "21T00:00:00", "21T03:30:00", "21T01:00 21T02:00 21T03:00", "", "", "21T03:00:00"},
		{"all, and one on time", every("0 * * * *", CatchUpAll), "21T00:00:00", "21T03:00:30", "21T01:00 21T02:00", "21T03:00", "", "21T03:00:00"},
		{"all, more than ten", every("0 * * * *", CatchUpAll), "21T00:00:00", "21T12:30:00", "21T01:00 21T02:00 21T03:00 21T04:00 21T05:00 21T06:00 21T07:00 21T08:00 21T09:00 21T10:00", "", "2 false 21T11:00:00 21T12:00:00", "21T12:00:00"},
		{"more than are counted", every("* * * * * *", CatchUpNone), "10T00:00:00", "21T00:00:00", "", strings.TrimSpace(strings.Repeat("20T23:59 ", 60) + "21T00:00"), "86400 true 10T00:00:01 20T23:58:59", "21T00:00:00"},
		{"the cursor is ahead", every("*/5 * * * *", CatchUpAll), "21T10:05:00", "21T08:00:00", "", "", "", "21T10:05:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tm := timing(t, tt.job)
			l, err := tm.Late(utc(t, "2026-11-"+tt.cursor+"Z"), utc(t, "2026-11-"+tt.now+"Z"))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{short(l.CaughtUp), short(l.OnTime), l.Missed.short(), l.Cursor.UTC().Format("02T15:04:05")}
			want := []string{tt.caughtUp, tt.onTime, tt.missed, tt.moved}
			for i, part := range []string{"caught up", "on time", "missed", "cursor"} {
				if got[i] != want[i] {
					t.Errorf("%s: got %q, want %q", part, got[i], want[i])
				}
			}
		})
	}
}

// TestLateDecidesEachOnce goes from cursor to cursor at odd times, and finds every
// scheduled time in exactly one decision, in order.
func TestLateDecidesEachOnce(t *testing.T) {
	for _, c := range []CatchUp{CatchUpNone, CatchUpLatest, CatchUpAll} {
		for _, text := range []string{"*/7 * * * *", "*/30 * * * * *", "0 */3 * * *", "@every 50s"} {
			tm := timing(t, func(j *Job) {
				j.Schedules, j.CatchUp, j.Jitter, j.Zone = []string{text}, c, 20*time.Second, "America/New_York"
			})
			start := utc(t, "2026-10-31T12:00:00Z")
			cursor, now, decided := start, start, 0
			for i := range 400 {
				now = now.Add(time.Duration(1+i*i%1009) * time.Second)
				l, err := tm.Late(cursor, now)
				if err != nil {
					t.Fatal(err)
				}
				decided += len(l.CaughtUp) + len(l.OnTime) + l.Missed.Count
				for _, f := range append(l.CaughtUp, l.OnTime...) {
					if f.Due.After(now) || !f.At.After(cursor) || f.Due.Before(f.At) || f.Due.Sub(f.At) >= tm.Jitter {
						t.Fatalf("%s at %s: fires %s, due %s", text, now, f.At, f.Due)
					}
				}
				if g := l.Missed; g.Count > 0 && (!g.First.After(cursor) || g.Last.After(l.Cursor)) {
					t.Fatalf("%s: missed %v between the cursors %s and %s", text, g, cursor, l.Cursor)
				}
				cursor = l.Cursor
			}
			g, err := tm.Gap(start, cursor)
			if err != nil || g.Count != decided || decided == 0 {
				t.Errorf("%s, %s: decided %d of %d, %v", text, c, decided, g.Count, err)
			}
		}
	}
}

// TestLateIsBounded hands out a hundred at once, the rest from the new cursor.
func TestLateIsBounded(t *testing.T) {
	tm := timing(t, func(j *Job) { j.Schedules, j.Grace = []string{"* * * * * *"}, 5*time.Minute })
	cursor, now := utc(t, "2026-11-21T00:00:00Z"), utc(t, "2026-11-21T00:04:00Z")
	var got []int
	for {
		l, err := tm.Late(cursor, now)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.OnTime) == 0 {
			break
		}
		got, cursor = append(got, len(l.OnTime)), l.Cursor
	}
	if fmt.Sprint(got) != "[100 100 40]" || !cursor.Equal(now) {
		t.Errorf("got %v up to %s", got, cursor)
	}
}

// TestSleeper does what a daemon does: it sleeps up to 30 s, reads the clock, and
// fires.
func TestSleeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := timing(t, func(j *Job) { j.Schedules, j.Jitter = []string{"*/10 * * * *"}, 5*time.Minute })
		start := time.Now()
		fired, cursor := 0, start
		for time.Since(start) < 24*time.Hour {
			f, err := tm.Next(cursor)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(min(30*time.Second, max(0, time.Until(f.Due))))
			l, err := tm.Late(cursor, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range l.OnTime {
				if !f.Due.Equal(time.Now()) {
					t.Fatalf("%s was due at %s, fired at %s", f.At, f.Due, time.Now())
				}
				fired++
			}
			if len(l.CaughtUp)+l.Missed.Count > 0 {
				t.Fatalf("late at %s: %+v", time.Now(), l)
			}
			cursor = l.Cursor
		}
		if g, err := tm.Gap(start, cursor); err != nil || fired != g.Count || fired < 143 {
			t.Errorf("fired %d times in a day, for %d scheduled times, %v", fired, g.Count, err)
		}
	})
}

func TestGap(t *testing.T) {
	tm := timing(t, func(j *Job) { j.CatchUp, j.Jitter = CatchUpAll, time.Minute })
	g, err := tm.Gap(utc(t, "2026-11-21T10:00:00Z"), utc(t, "2026-11-21T11:00:00Z"))
	if err != nil || g.short() != "12 false 21T10:05:00 21T11:00:00" {
		t.Errorf("got %q, %v", g.short(), err)
	}
	if g, err = tm.Gap(utc(t, "2026-11-21T10:00:00Z"), utc(t, "2026-11-21T10:00:01Z")); err != nil || g != (Gap{}) {
		t.Errorf("nothing: got %v, %v", g, err)
	}
}

func TestClock(t *testing.T) {
	now := utc(t, "2026-11-21T10:00:00Z")
	tests := []struct {
		name  string
		ahead time.Duration // the cursor's, of now
		want  Step
	}{
		{"as usual", -time.Minute, Step{Cursor: now.Add(-time.Minute)}},
		{"put forward", -1000 * time.Hour, Step{Cursor: now.Add(-1000 * time.Hour)}},
		{"back a little", time.Hour, Step{Cursor: now.Add(time.Hour), Back: time.Hour}},
		{"back by three hours", 3 * time.Hour, Step{Cursor: now.Add(3 * time.Hour), Back: 3 * time.Hour}},
		{"back by more", 3*time.Hour + time.Second, Step{Cursor: now, Back: 3*time.Hour + time.Second, Alarm: true}},
	}
	for _, tt := range tests {
		if got := Clock(now.Add(tt.ahead), now); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	// Back by an hour: nothing is due until the clock has caught up.
	tm := timing(t, func(j *Job) {})
	step := Clock(now, now.Add(-time.Hour))
	for ago := time.Hour; ago > -5*time.Minute; ago -= time.Minute {
		l, err := tm.Late(step.Cursor, now.Add(-ago))
		if err != nil || len(l.OnTime)+len(l.CaughtUp)+l.Missed.Count > 0 {
			t.Fatalf("%s before the cursor: %+v, %v", ago, l, err)
		}
	}
}

func TestJitter(t *testing.T) {
	at := utc(t, "2026-11-21T10:00:00Z")
	seen := make(map[time.Duration]bool)
	var sum time.Duration
	for i := range 1000 {
		d := jitter("job", at.Add(time.Duration(i)*time.Minute), time.Minute)
		if d < 0 || d >= time.Minute {
			t.Fatalf("got %s", d)
		}
		seen[d], sum = true, sum+d
	}
	if mean := sum / 1000; len(seen) < 900 || mean < 25*time.Second || mean > 35*time.Second {
		t.Errorf("%d different, on average %s", len(seen), mean)
	}
	// It is the same everywhere and in every version.
	if d := jitter("job", at, time.Hour); d != 49*time.Minute+30*time.Second+147*time.Millisecond {
		t.Errorf("got %s", d)
	}
	for _, most := range []time.Duration{0, time.Microsecond} {
		if d := jitter("job", at, most); d != 0 {
			t.Errorf("of %s: got %s", most, d)
		}
	}
	tests := []struct {
		text, jitter string
		ok           bool
	}{
		{"*/5 * * * *", "299s", true},
		{"*/5 * * * *", "5m", false},
		{"@every 1h", "1h", false},
		{"0 9-17 * * *", "90m", false},
		{"@at 2030-01-01T00:00:00Z", "23h", true},
		{"@at 2030-01-01T00:00:00Z", "24h", false},
		{"@at 2020-01-01T00:00:00Z", "48h", true}, // it has ended, which is no error
	}
	for _, tt := range tests {
		j := NewJob("job", "UTC")
		j.Schedules = []string{tt.text}
		j.Jitter, _ = quantity.ParseDuration(tt.jitter)
		_, err := j.Timing(at)
		if bad, _ := errors.AsType[*KeyError](err); (err == nil) != tt.ok || err != nil && (bad.Key != "jitter" || !strings.Contains(err.Error(), "must be shorter than")) {
			t.Errorf("%s with jitter %s: got %v, want ok %t", tt.text, tt.jitter, err, tt.ok)
		}
	}
}

func TestOverlap(t *testing.T) {
	tests := []struct {
		overlap          Overlap
		running, waiting int
		want             Decision
		end              bool
	}{
		{OverlapSkip, 0, 0, Run, false},
		{OverlapSkip, 1, 0, Skipped, false},
		{OverlapQueue, 0, 0, Run, false},
		{OverlapQueue, 1, 0, Queued, false},
		{OverlapQueue, 1, 1, Skipped, false},
		{OverlapQueue, 0, 1, Skipped, false}, // the one that waits is about to start
		{OverlapAllow, 0, 0, Run, false},
		{OverlapAllow, 2, 0, Run, false},
		{OverlapAllow, 3, 0, Skipped, false},
		{OverlapAllow, 1, 2, Skipped, false}, // those that wait are older
		{OverlapReplace, 0, 0, Run, false},
		{OverlapReplace, 1, 0, Queued, true},
		{OverlapReplace, 1, 1, Skipped, false},
	}
	for _, tt := range tests {
		got := tt.overlap.Decide(tt.running, tt.waiting, 3)
		if got.Decision != tt.want || got.End != tt.end || (got.Reason == "") != (tt.want == Run) {
			t.Errorf("%s, %d running, %d waiting: got %+v, want %s, end %t", tt.overlap, tt.running, tt.waiting, got, tt.want, tt.end)
		}
	}
	for _, tt := range []struct {
		overlap          Overlap
		running, waiting int
		want             Decision
	}{
		{OverlapSkip, 0, 0, Run},
		{OverlapSkip, 1, 0, Queued},
		{OverlapQueue, 1, 4, Queued},
		{OverlapReplace, 1, 0, Queued},
		{OverlapAllow, 2, 0, Run},
		{OverlapAllow, 2, 1, Queued}, // not before one that waits
		{OverlapAllow, 3, 0, Queued},
	} {
		got := tt.overlap.CatchUp(tt.running, tt.waiting, 3)
		if got.Decision != tt.want || got.End || (got.Reason == "") != (tt.want == Run) {
			t.Errorf("caught up under %s, %d running, %d waiting: got %+v, want %s", tt.overlap, tt.running, tt.waiting, got, tt.want)
		}
	}
	if got := Replace(true); got != (Verdict{Decision: Run}) {
		t.Errorf("proved: got %+v", got)
	}
	if got := Replace(false); got.Decision != Skipped || got.Reason == "" {
		t.Errorf("not proved: got %+v", got)
	}
	if got := Overlap(9).String() + Decision(-1).String(); got != "unknownunknown" {
		t.Errorf("got %q", got)
	}
}

func TestNotify(t *testing.T) {
	tests := []struct {
		on   []NotifyEvent
		ends string // f: failed, o: ok, e: stopped by a user
		want string // one for each end
	}{
		{nil, "offo", "- - - -"},
		{[]NotifyEvent{OnFailure}, "offfoof", "- failure - - - - failure"},
		{[]NotifyEvent{OnRecovery}, "offfoof", "- - - - recovery - -"},
		{[]NotifyEvent{OnFailure, OnRecovery}, "ffofo", "failure - recovery failure recovery"},
		{[]NotifyEvent{OnAlways}, "offoo", "always failure failure recovery always"},
		{[]NotifyEvent{OnMissed}, "ofo", "- - -"},
		{[]NotifyEvent{OnFailure, OnRecovery}, "efefeeo", "- failure - - - - recovery"},
		{[]NotifyEvent{OnAlways}, "efeo", "always failure always recovery"},
	}
	for _, tt := range tests {
		n, s := Notify{On: tt.on}, ConsecutiveFailures{}
		var got []string
		for _, end := range tt.ends {
			var o NotifyEvent
			var notified bool
			switch end {
			case 'f':
				s, o, notified = n.Failed(s)
			case 'e':
				s, o, notified = n.Ended(s)
			default:
				s, o, notified = n.Succeeded(s)
			}
			if notified {
				got = append(got, o.String())
			} else {
				got = append(got, "-")
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%v, %s: got %q, want %q", tt.on, tt.ends, got, tt.want)
		}
	}
	for o, want := range map[NotifyEvent]bool{OnMissed: true, OnAlways: true, OnFailure: false} {
		if got := (Notify{On: []NotifyEvent{o}}).Missed(); got != want {
			t.Errorf("%s: missed is %t", o, got)
		}
	}
	if s, _, _ := (Notify{}).Failed(ConsecutiveFailures{Count: 4}); s.Count != 5 {
		t.Errorf("consecutive failures without a notification: got %d", s.Count)
	}
}
