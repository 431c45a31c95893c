package cmd

import (
	"testing"

	"tutti/fanout"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/store"
)

// Each receiver is reported by itself, and only those that were notified as notified.
func TestBecameTextTellsOfEachReceiver(t *testing.T) {
	note := func(kind string, attempt int, failure string, waiting bool) store.NotificationRow {
		return store.NotificationRow{Event: "failure", Kind: kind, Attempt: attempt, Error: failure, Waiting: waiting}
	}
	for _, test := range []struct {
		name  string
		notes []store.NotificationRow
		want  string
	}{
		{"told", []store.NotificationRow{note("webhook", 1, "", false)}, "; failure sent (webhook)"},
		{"not yet", []store.NotificationRow{note("webhook", 1, "late", true), note("webhook", 2, "refused", true)}, "; failure not sent yet (webhook), attempt 2: refused"},
		{"never", []store.NotificationRow{note("webhook", 12, "refused", false)}, "; failure not sent (webhook), gave up after attempt 12: refused"},
		{
			"both",
			[]store.NotificationRow{note("webhook", 1, "refused", true), note("command", 1, "", false), note("webhook", 2, "refused", true)},
			"; failure not sent yet (webhook), attempt 2: refused; failure sent (command)",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := store.FiringRow{Decision: scheduler.Failed, Reason: "no host", Notifications: test.notes}
			if got, want := firingResultText(&f), "failed: no host"+test.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// What was decided last does not hide how the last run went.
func TestLastText(t *testing.T) {
	ran := &store.FiringRow{ID: 1, Decision: scheduler.Run, RunID: 21, Run: &store.Run{State: store.Finished}}
	ran.Run.Summary.Counts[fanout.OK] = 1
	skipped := &store.FiringRow{ID: 2, Decision: scheduler.Skipped, Reason: "an earlier firing is running"}
	for _, test := range []struct {
		name string
		view jobs.View
		want string
	}{
		{"nothing", jobs.View{}, "-"},
		{"a run", jobs.View{Last: ran, Ran: ran}, "run 21: 1 ok"},
		{"no run yet", jobs.View{Last: skipped}, "skipped: an earlier firing is running"},
		{"a run, and none", jobs.View{Last: skipped, Ran: ran}, "run 21: 1 ok; then skipped: an earlier firing is running"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (jobView{&test.view}).lastText(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
