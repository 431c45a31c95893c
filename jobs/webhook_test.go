package jobs

import (
	"errors"
	"testing"

	"tutti/internal/fault"
	"tutti/scheduler"
)

// hooked is a job with a webhook.
func hooked(name, webhook string) scheduler.Job {
	j := testJob(nil)
	j.Name = name
	j.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnFailure}, Webhook: webhook}
	return j
}

// setBy is who set the webhook of a job, as it is stored.
func (r *rig) setBy(t *testing.T, name, want string) {
	t.Helper()
	stored, err := r.Store.Job(t.Context(), name)
	if err != nil || stored.Notify.WebhookBy != want {
		t.Errorf("%s: the webhook was set by %q, %v, want %q", name, stored.Notify.WebhookBy, err, want)
	}
}

func (r *rig) addJob(t *testing.T, job scheduler.Job) {
	t.Helper()
	p, err := r.Prepare(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Add(t.Context(), p, "ann"); err != nil {
		t.Fatal(err)
	}
}

// A webhook belongs to the user who set it, also when another changes the rest of the
// job.
func TestWebhookBelongsToWhoSetIt(t *testing.T) {
	const one, two = "https://one.example/", "https://two.example/"
	r := newRig(t)
	edit := func(name string, change func(*scheduler.Job)) {
		t.Helper()
		if _, err := r.Edit(t.Context(), name, "ann", func(j *scheduler.Job) error { change(j); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	webhook := func(url string) func(*scheduler.Job) {
		return func(j *scheduler.Job) { j.Notify = hooked("", url).Notify }
	}
	command := func(text string) func(*scheduler.Job) {
		return func(j *scheduler.Job) { j.Command = text }
	}
	apply := func(jobs ...scheduler.Job) {
		t.Helper()
		p, err := r.Plan(t.Context(), "jobs.yaml", jobs, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range r.Apply(t.Context(), p, "ann") {
			if err != nil {
				t.Error(err)
			}
		}
	}
	forged := hooked("forged", one)
	forged.Notify.WebhookBy = "user:9"
	r.addJob(t, hooked("admins", one))
	r.addJob(t, forged)
	r.setBy(t, "admins", "")
	r.setBy(t, "forged", "")

	r.WebhookBy = "user:3"
	edit("admins", command("echo two"))
	r.setBy(t, "admins", "")
	edit("admins", webhook(one)) // the same again
	r.setBy(t, "admins", "")
	edit("admins", webhook(two))
	r.setBy(t, "admins", "user:3")
	forged = hooked("editors", one)
	r.addJob(t, forged)
	r.setBy(t, "editors", "user:3")
	apply(hooked("filed", one), hooked("forged", two))
	r.setBy(t, "filed", "user:3")
	r.setBy(t, "forged", "user:3")

	// Who changes something else has not set it, an admin neither.
	r.WebhookBy = ""
	edit("admins", command("echo three"))
	r.setBy(t, "admins", "user:3")
	again := hooked("filed", one)
	again.Command = "echo four"
	apply(again)
	r.setBy(t, "filed", "user:3")
	if _, _, err := r.Pause(t.Context(), "editors", scheduler.Pause{By: "ann"}); err != nil {
		t.Error(err)
	}
	r.setBy(t, "editors", "user:3")
	edit("admins", webhook(one))
	r.setBy(t, "admins", "")
	edit("editors", func(j *scheduler.Job) { j.Notify = scheduler.Notify{} })
	r.setBy(t, "editors", "")
	edit("editors", webhook(one))
	r.setBy(t, "editors", "")
}

// A webhook that nothing would ever be sent to is refused, unless it is an admin's.
func TestWebhookIsChecked(t *testing.T) {
	r := newRig(t)
	why := errors.New("refused: a loopback address")
	r.CheckWebhook = func(string) error { return why }
	r.addJob(t, hooked("admins", "http://127.0.0.1/"))

	r.WebhookBy = "user:3"
	_, err := r.Prepare(t.Context(), hooked("mine", "http://127.0.0.1/"))
	refused := func(what string) {
		t.Helper()
		if !errors.Is(err, why) || !errors.As(err, new(*fault.UsageError)) {
			t.Errorf("%s: got %v, want a usage error: %v", what, err, why)
		}
	}
	refused("add")
	_, err = r.Edit(t.Context(), "admins", "eve", func(j *scheduler.Job) error { j.Notify.Webhook += "x"; return nil })
	refused("change")
	_, err = r.Plan(t.Context(), "jobs.yaml", []scheduler.Job{hooked("mine", "http://127.0.0.1/")}, false)
	refused("apply")
	if _, err = r.Edit(t.Context(), "admins", "eve", func(j *scheduler.Job) error { j.Command = "date"; return nil }); err != nil {
		t.Errorf("change of something else: %v", err)
	}
}
