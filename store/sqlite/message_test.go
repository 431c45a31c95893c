package sqlite

import (
	"testing"

	"tutti/scheduler"
	"tutti/store"
)

// TestMessageOfARunThatWasCutOff: nobody knows how long it took, and so none is
// told.
func TestMessageOfARunThatWasCutOff(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	job := testJob("backup")
	job.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnAlways}, Webhook: "https://example.org/hook"}
	addJob(t, s, job)
	cut := runMinute(t, d, "backup", 1)
	closeRecorder(t, cut)
	if _, err := s.w.ExecContext(t.Context(), "UPDATE runs SET ended_at = '2099-01-01T00:00:00.000Z' WHERE id = ?", cut.RunID()); err != nil {
		t.Fatal(err)
	}
	finish(t, runMinute(t, d, "backup", 2), 0, 0)
	settle(t, d, minute(3))
	deliveries, _ := deliver(t, d, minute(3))
	if len(deliveries) != 2 {
		t.Fatalf("got %d messages, want 2", len(deliveries))
	}
	for _, x := range deliveries {
		m := &x.Message
		if unknown := m.State == string(store.Interrupted); unknown != (m.Run == cut.RunID()) || unknown != (m.DurationMS == 0) {
			t.Errorf("got %s run %d in %d ms", m.State, m.Run, m.DurationMS)
		}
	}
}
