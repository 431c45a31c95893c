package sqlite

import (
	"errors"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// A notification that did not arrive is sent again, until it is given up.
func TestNotificationsWait(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, notified(scheduler.OnFailure)) // a webhook and a command
	finish(t, runMinute(t, d, "backup", 1), 1, 1)
	settle(t, d, minute(1))

	check := func(what string, want map[string]bool) {
		t.Helper()
		rows, err := s.Firings(t.Context(), store.FiringQuery{Job: "backup"})
		if err != nil || len(rows) != 1 || len(rows[0].Notifications) == 0 {
			t.Fatalf("%s: got %+v, %v, want one firing with notifications", what, rows, err)
		}
		for _, n := range rows[0].Notifications {
			if n.Waiting != want[n.Kind] {
				t.Errorf("%s: %s: got %t, want %t", what, n.Kind, n.Waiting, want[n.Kind])
			}
		}
	}
	tell := func(now int, again time.Time) {
		t.Helper()
		deliveries, _ := deliver(t, d, minute(now))
		for _, x := range deliveries {
			failure := errors.New("refused")
			until := again
			if x.Notify.Webhook == "" {
				failure, until = nil, time.Time{}
			}
			if err := d.Delivered(t.Context(), x, minute(now), failure, until); err != nil {
				t.Fatal(err)
			}
		}
	}
	tell(1, minute(5))
	check("refused once", map[string]bool{"webhook": true})
	tell(5, time.Time{})
	check("given up", nil)
}
