package daemon_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"tutti/daemon"
	"tutti/runner"
	"tutti/scheduler"
)

// Check finds what would keep a job from running, without a connection.
func TestCheck(t *testing.T) {
	r := newRig(t, ok)
	r.write(t, "key", "secret\n")
	r.write(t, "empty", "")
	tests := []struct {
		name   string
		change func(*scheduler.StoredJob)
		want   []string // each in one of the problems
	}{
		{"as it is", func(*scheduler.StoredJob) {}, nil},
		{"cannot be read", func(k *scheduler.StoredJob) { k.Broken = errors.New("no schedule") }, []string{"cannot be read: no schedule"}},
		{"not valid", func(k *scheduler.StoredJob) { k.Selector = "run:last" }, []string{"jobs cannot use run:"}},
		{"no such host", func(k *scheduler.StoredJob) { k.Selector = "app" }, []string{`"app"`}},
		{"no such script", func(k *scheduler.StoredJob) { k.Command, k.Script = "", "/no/such/script" }, []string{"/no/such/script"}},
		{"a key that signs", func(k *scheduler.StoredJob) { k.Notify.SecretFile = filepath.Join(r.dir, "key") }, nil},
		{"an empty key, and no such host", func(k *scheduler.StoredJob) {
			k.Notify.SecretFile, k.Selector = filepath.Join(r.dir, "empty"), "app"
		}, []string{"does not contain a key", `"app"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := scheduler.NewJob("sweep", "UTC")
			job.Schedules, job.Selector, job.Command = []string{"@daily"}, "web", "uptime"
			job.Options["ssh_config"] = []string{"none"}
			job.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnFailure}, Webhook: "https://x.example/"}
			k := &scheduler.StoredJob{Job: job}
			tt.change(k)
			got := daemon.Check(t.Context(), runner.UnattendedLaunch(r.env, r.history, slog.New(slog.DiscardHandler)), k)
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i].Error(), want) {
					t.Errorf("got %v, want %q", got[i], want)
				}
			}
		})
	}
	if len(r.visits) > 0 {
		t.Error("a host was given a command")
	}
}
