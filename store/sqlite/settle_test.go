package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// runMinute decides and begins the firing of a minute.
func runMinute(tb testing.TB, d *seat, job string, n int) *store.Recorder {
	tb.Helper()
	decide(tb, d, job, n)
	assignments := claim(tb, d, minute(n))
	if len(assignments) != 1 {
		tb.Fatalf("minute %d: got %d assignments, want 1", n, len(assignments))
	}
	return beginAssigned(tb, d, assignments[0])
}

func settle(tb testing.TB, d *seat, now time.Time) []string {
	tb.Helper()
	endings, err := d.Settle(tb.Context(), now)
	if err != nil {
		tb.Fatal(err)
	}
	var out []string
	for _, e := range endings {
		said := fmt.Sprintf("run %d ok=%v streak=%d", e.Run, e.OK, e.ConsecutiveFailures.Count)
		if e.Interrupted {
			said += " interrupted"
		}
		switch {
		case e.Decision != scheduler.Run:
			said += " " + e.Decision.String() + ": " + e.Reason
		case e.OnRequest:
			said += " " + e.Reason
		}
		out = append(out, said)
	}
	return out
}

// deliver takes all messages that are due at now, and says what they say.
func deliver(tb testing.TB, d *seat, now time.Time) ([]scheduler.Delivery, []string) {
	tb.Helper()
	deliveries, err := d.Lease(tb.Context(), now, now.Add(time.Minute), 100)
	if err != nil {
		tb.Fatal(err)
	}
	var out []string
	for _, x := range deliveries {
		to := x.Notify.Webhook
		if to == "" {
			to = x.Notify.Command
		}
		out = append(out, fmt.Sprintf("%s: %s, run %d, failures %d, attempt %d", to, x.Message.Type, x.Message.Run, x.Message.Failures, x.Attempt))
	}
	return deliveries, out
}

func notified(on ...scheduler.NotifyEvent) scheduler.Job {
	j := testJob("backup")
	j.Notify = scheduler.Notify{On: on, Webhook: "https://example.com/secret", SecretFile: "/etc/tutti/key", Command: "mail"}
	return j
}

// Consecutive failures are notified once, and their end.
func TestSettleCountsStreaks(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	d, other := joinTest(t, s), joinTest(t, openTest(t, path))
	addJob(t, s, notified(scheduler.OnFailure, scheduler.OnRecovery))
	ends := [][]uint32{{0, 0}, {0, 1}, {1, 1}, {0, 0}, {0, 0}}
	wantEnding := []string{
		"run 1 ok=true streak=0", "run 2 ok=false streak=1", "run 3 ok=false streak=2", "run 4 ok=true streak=0", "run 5 ok=true streak=0",
	}
	for i, codes := range ends {
		r := runMinute(t, d, "backup", i+1)
		checkStrings(t, "while it runs", settle(t, d, minute(i+1)))
		finish(t, r, codes...)
		by, notBy := d, other
		if i%2 == 1 {
			by, notBy = other, d
		}
		checkStrings(t, "ended", settle(t, by, minute(i+1)), wantEnding[i])
		checkStrings(t, "settled again", settle(t, notBy, minute(i+1)))
	}
	_, said := deliver(t, d, minute(9))
	checkStrings(t, "messages", said,
		"https://example.com/secret: failure, run 2, failures 1, attempt 1", "mail: failure, run 2, failures 1, attempt 1",
		"https://example.com/secret: recovery, run 4, failures 2, attempt 1", "mail: recovery, run 4, failures 2, attempt 1")
}

func TestFailedFiringIsSettled(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, notified(scheduler.OnAlways))
	decide(t, d, "backup", 1)
	assignment := claim(t, d, minute(1))[0]
	if err := d.Fail(t.Context(), assignment, scheduler.Failed, "no host matches web"); err != nil {
		t.Fatal(err)
	}
	if err := d.Fail(t.Context(), assignment, scheduler.Failed, "again"); !errors.Is(err, scheduler.ErrConflict) {
		t.Errorf("twice: got %v, want %v", err, scheduler.ErrConflict)
	}
	checkStrings(t, "ended", settle(t, d, minute(1)), "run 0 ok=false streak=1 failed: no host matches web")
	decide(t, d, "backup", 2)
	if err := d.Fail(t.Context(), claim(t, d, minute(2))[0], scheduler.Missed, "too late"); err != nil {
		t.Fatal(err)
	}
	checkStrings(t, "a missed one is no end", settle(t, d, minute(2)))
	deliveries, said := deliver(t, d, minute(3))
	checkStrings(t, "messages", said,
		"https://example.com/secret: failure, run 0, failures 1, attempt 1", "mail: failure, run 0, failures 1, attempt 1",
		"https://example.com/secret: missed, run 0, failures 1, attempt 1", "mail: missed, run 0, failures 1, attempt 1")
	m := deliveries[3].Message
	if m.Missed != 1 || m.MissedFirst == nil || !m.MissedFirst.Equal(minute(2)) || m.Decision != "missed" || m.Reason != "too late" {
		t.Errorf("got %+v, want one missed at 12:02", m)
	}
}

// The runs of a removed job end without a notification.
func TestSettleAfterRemoval(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, notified(scheduler.OnAlways))
	r := runMinute(t, d, "backup", 1)
	if err := s.RemoveJob(t.Context(), "backup", 0, "ann", minute(1)); err != nil {
		t.Fatal(err)
	}
	finish(t, r, 0, 1)
	checkStrings(t, "ended", settle(t, d, minute(1)), "run 1 ok=false streak=0")
	_, said := deliver(t, d, minute(2))
	checkStrings(t, "messages", said)
}

// What was cut off is repeated if the job says that it may be: while it is not too
// late, on hosts whose result is unknown, and unless it was to be stopped.
func TestInterruptedRunIsRepeated(t *testing.T) {
	tests := []struct {
		name       string
		idempotent bool
		now        time.Time
		before     func(t *testing.T, s *Store, run int64)
		want       []string
	}{
		{"idempotent", true, minute(2), nil, []string{"1 run"}},
		{"not idempotent", false, minute(2), nil, nil},
		{"too late", true, minute(2).Add(time.Second), nil, nil},
		{"killed", true, minute(2), func(t *testing.T, s *Store, run int64) {
			if _, err := s.KillRuns(t.Context(), store.KillRef{Run: run}, "ann", minute(1)); err != nil {
				t.Fatal(err)
			}
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			j := testJob("backup")
			j.Idempotent = tt.idempotent
			addJob(t, s, j)
			r := runMinute(t, d, "backup", 1)
			if err := r.Starting(t.Context(), jobPlan("a", "b").Targets[0], 1, ""); err != nil {
				t.Fatal(err)
			}
			if tt.before != nil {
				tt.before(t, s, r.RunID())
			}
			closeRecorder(t, r) // without an end, as a crash leaves it
			checkStrings(t, "ended", settle(t, d, tt.now), "run 1 ok=false streak=1 interrupted")
			assignments := claim(t, d, tt.now)
			checkStrings(t, "claimed", told(assignments), tt.want...)
			for _, x := range assignments {
				if x.Repeats != 1 || !x.Firing.Due.Equal(minute(1)) {
					t.Errorf("got %+v, want a repetition of run 1, due at 12:01", x)
				}
				finish(t, beginAssigned(t, d, x), 0, 0)
				checkStrings(t, "repeated", settle(t, d, tt.now), "run 2 ok=true streak=0")
			}
		})
	}
}

// A message about the end of a run has all that is known of it.
func TestMessage(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, notified(scheduler.OnFailure))
	decide(t, d, "backup", 1)
	info := runInfoOf(d, claim(t, d, minute(1))[0])
	info.ExitCode = func(fanout.Summary) int { return 1 }
	finish(t, begin(t, s, jobPlan("a", "b"), info), 0, 3)
	settle(t, d, minute(2))
	deliveries, _ := deliver(t, d, minute(2))
	m := deliveries[0].Message
	m.Machine = "here"
	got, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":1,"schema":1,"type":"failure","time":"2026-03-01T12:00:00.1Z","job":"backup","machine":"here","firing":1,"decision":"run",` +
		`"scheduled_at":"2026-11-21T12:01:00Z","due_at":"2026-11-21T12:01:00Z","run":1,"state":"finished","stopped":"none","exit_code":1,` +
		`"started_at":"2026-03-01T12:00:00Z","ended_at":"2026-03-01T12:00:00.1Z","duration_ms":100,"selector":"web","command":"uptime",` +
		`"hosts":2,"counts":{"failed":1,"ok":1},"hosts_failed":[{"host":"b","outcome":"failed","exit_code":3}],"failures":1}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if deliveries[1].Message.ID != 1 || deliveries[0].ID == deliveries[1].ID {
		t.Errorf("got message %d in deliveries %d and %d, want one message in two", deliveries[1].Message.ID, deliveries[0].ID, deliveries[1].ID)
	}
	if n := deliveries[0].Notify; n.SecretFile != "/etc/tutti/key" || n.Command != "" {
		t.Errorf("got %+v, want the webhook and its key alone", n)
	}
}

// A message is on its way until it has arrived or is given up, and only with one
// of those who deliver.
func TestOutbox(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	d, other := joinTest(t, s), joinTest(t, openTest(t, path))
	addJob(t, s, notified(scheduler.OnFailure))
	finish(t, runMinute(t, d, "backup", 1), 1, 1)
	settle(t, d, minute(1))
	const hook = "https://example.com/secret: failure, run 1, failures 1, attempt %d"
	const mail = "mail: failure, run 1, failures 1, attempt %d"

	first, err := d.Lease(t.Context(), minute(1), minute(2), 1)
	if err != nil || len(first) != 1 {
		t.Fatalf("got %d, %v, want 1", len(first), err)
	}
	second, said := deliver(t, other, minute(1))
	checkStrings(t, "the other", said, fmt.Sprintf(mail, 1))
	if err := d.Delivered(t.Context(), first[0], minute(1), errors.New("refused"), minute(5)); err != nil {
		t.Fatal(err)
	}
	if err := other.Delivered(t.Context(), second[0], minute(1), nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, said = deliver(t, d, minute(4))
	checkStrings(t, "too early", said)
	_, said = deliver(t, d, minute(5))
	checkStrings(t, "later", said, fmt.Sprintf(hook, 2))
	// That process ends without a result, so that another one tries.
	third, said := deliver(t, other, minute(6))
	checkStrings(t, "after a crash", said, fmt.Sprintf(hook, 3))
	if err := other.Delivered(t.Context(), third[0], minute(6), errors.New("gone"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, said = deliver(t, d, minute(99))
	checkStrings(t, "given up", said)

	rows, err := s.Firings(t.Context(), store.FiringQuery{Job: "backup"})
	if err != nil || len(rows) != 1 {
		t.Fatalf("got %d firings, %v, want 1", len(rows), err)
	}
	var notes []string
	for _, n := range rows[0].Notifications {
		notes = append(notes, fmt.Sprintf("%s %s %s %d %s", n.Event, n.Kind, n.Target, n.Attempt, n.Error))
	}
	checkStrings(t, "on record", notes, "failure webhook https://example.com/… 1 refused", "failure command mail 1 ", "failure webhook https://example.com/… 3 gone")
}

// A released delivery is no attempt, unless another process has made one since.
func TestDeliveriesAreReturned(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	d, other := joinTest(t, s), joinTest(t, openTest(t, path))
	addJob(t, s, notified(scheduler.OnFailure))
	finish(t, runMinute(t, d, "backup", 1), 1, 1)
	settle(t, d, minute(1))
	const hook = "https://example.com/secret: failure, run 1, failures 1, attempt %d"
	const mail = "mail: failure, run 1, failures 1, attempt %d"

	taken, _ := deliver(t, d, minute(1))
	if err := d.Release(t.Context(), taken, minute(3)); err != nil {
		t.Fatal(err)
	}
	_, said := deliver(t, other, minute(2))
	checkStrings(t, "before it is due", said)
	_, said = deliver(t, other, minute(3))
	checkStrings(t, "after", said, fmt.Sprintf(hook, 1), fmt.Sprintf(mail, 1))

	_, said = deliver(t, other, minute(4))
	checkStrings(t, "its outcome was not reported", said, fmt.Sprintf(hook, 2), fmt.Sprintf(mail, 2))
	if err := d.Release(t.Context(), taken, minute(4)); err != nil {
		t.Fatal(err)
	}
	_, said = deliver(t, d, minute(4))
	checkStrings(t, "returned by one who had it before", said)
}

// Parts of a webhook other than its host may be a secret, also in what is said about a
// failure.
func TestTargetsAreRedacted(t *testing.T) {
	for webhook, want := range map[string]string{
		"https://hooks.example.com/T0/B1/xyz?token=1": "https://hooks.example.com/…",
		"http://127.0.0.1:8080":                       "http://127.0.0.1:8080/…",
		"%zz":                                         "an invalid URL",
	} {
		if got := tables.Redacted(webhook); got != want || strings.Contains(got, "token") {
			t.Errorf("%s: got %s, want %s", webhook, got, want)
		}
	}
}
