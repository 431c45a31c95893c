package sqlite

import (
	"slices"
	"testing"

	"tutti/scheduler"
	"tutti/store"
)

// TestMessageOfARunThatWasCutOff: its duration is unknown, and left out.
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

// Who set a webhook goes with the message, as it was when the job ended.
func TestMessageOfAWebhookThatAnEditorSet(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	job := notified(scheduler.OnAlways)
	job.Notify.SecretFile, job.Notify.WebhookBy = "", "user:3"
	stored := addJob(t, s, job)
	finish(t, runMinute(t, d, "backup", 1), 0, 0)
	settle(t, d, minute(1))
	stored.Job.Notify.WebhookBy, stored.Job.Command = "", "another"
	if _, err := s.ChangeJob(t.Context(), stored.Job, "ann", minute(1)); err != nil {
		t.Fatal(err)
	}
	finish(t, runMinute(t, d, "backup", 2), 0, 0)
	settle(t, d, minute(2))
	deliveries, _ := deliver(t, d, minute(2))
	var got []string
	for _, x := range deliveries {
		if x.Notify.Webhook != "" {
			got = append(got, x.Notify.WebhookBy)
		} else if x.Notify.WebhookBy != "" {
			t.Errorf("a command was set by %q", x.Notify.WebhookBy)
		}
	}
	if want := []string{"user:3", ""}; !slices.Equal(got, want) {
		t.Errorf("the webhooks were set by %q, want %q", got, want)
	}
}

// Of a job whose row cannot be read it is not known who set the webhook: it need not have
// been an admin.
func TestWebhookOfADamagedJob(t *testing.T) {
	s := openTest(t, tempPath(t))
	addJob(t, s, notified(scheduler.OnAlways))
	pokeAny(t, s, "UPDATE jobs SET paused = 7")
	stored, err := s.ListJobs(t.Context())
	if err != nil || len(stored) != 1 || stored[0].Broken == nil || stored[0].Notify.WebhookBy == "" {
		t.Errorf("got %+v, %v, want a broken job whose webhook is not an admin's", stored, err)
	}
}
