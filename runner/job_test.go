package runner

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/scheduler"
	"tutti/store"
)

func TestCompleteJob(t *testing.T) {
	job := scheduler.NewJob("sweep", "UTC")
	job.Selector, job.Command = "web", "uptime"
	job.Inventory = []string{"/etc/hosts.yaml"}
	job.Options = map[string][]string{"timeout": {"2m"}, "exclude": {"web9", "web8"}}
	r, err := CompleteJob(&job, func(name string) string { return "/of/" + name })
	if err != nil {
		t.Fatal(err)
	}
	if r.Limits.Timeout != 2*time.Minute || len(r.Hosts.Exclude) != 2 || r.Hosts.Inventory[0] != "/etc/hosts.yaml" || r.Login.KnownHosts != "/of/TUTTI_KNOWN_HOSTS" {
		t.Errorf("got %+v", r)
	}
	if _, given := r.Repeated()["known-hosts"]; given {
		t.Error("what the environment says is repeated as if it had been given")
	}
	for want, change := range map[string]func(*scheduler.Job){
		"cannot be combined":       func(j *scheduler.Job) { j.Options = map[string][]string{"limit": {"1"}, "pick": {"1"}} },
		"cannot have a terminal":   func(j *scheduler.Job) { j.Script, j.Options = "/s", map[string][]string{"pty": {"true"}} },
		"jobs cannot use run:":     func(j *scheduler.Job) { j.Options = map[string][]string{"exclude": {"run:last"}} },
		"want a duration":          func(j *scheduler.Job) { j.Options = map[string][]string{"timeout": {"soon"}} },
		"is not an absolute path;": func(j *scheduler.Job) { j.Selector = "all,!@down.txt" },
	} {
		bad := job
		change(&bad)
		_, err := CompleteJob(&bad, func(string) string { return "" })
		if !errors.As(err, new(*fault.UsageError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a usage error with %q", err, want)
		}
	}
}

func TestTasksOfJobsAndRerunsHaveTheScript(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a sweep")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	job := scheduler.NewJob("sweep", "UTC")
	job.Script, job.TuttiEnv = path, true
	at := time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC)
	task, err := taskOfJob(t.Context(), &job, at)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseScript(task)
	if task.Label() != "script '"+path+"'" || task.Job.Name != "sweep" || !task.Job.ScheduledAt.Equal(at) {
		t.Errorf("got %+v", task)
	}
	run := store.Run{ID: 7, Command: task.Label()}
	again, err := TaskAgain(t.Context(), nil, run, task, nil)
	if err != nil {
		t.Fatal(err)
	}
	CloseScript(again)
	script := task.Action.(*fanout.Script)
	if again.Label() != task.Label() || again.Action.(*fanout.Script).SHA256 != script.SHA256 || again.Job != task.Job {
		t.Errorf("got %+v, want %+v", again, task)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nfalse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := TaskAgain(t.Context(), nil, run, task, nil); err == nil || !strings.Contains(err.Error(), "has changed since run 7") {
		t.Errorf("got %v", err)
	}
	script.Name = "-"
	if _, err := TaskAgain(t.Context(), nil, run, task, nil); err == nil || !strings.Contains(err.Error(), "cannot be read again") {
		t.Errorf("got %v", err)
	}
	script.Interpreter, script.Args = []string{"/bin/sh", "-e"}, []string{"a"}
	again, err = TaskAgain(t.Context(), nil, run, task, []byte("#!/bin/sh -e\n"))
	if err != nil {
		t.Fatal(err)
	}
	CloseScript(again)
	if got := again.Action.(*fanout.Script); got.Size != 13 || got.Label != script.Label || !slices.Equal(got.Interpreter, script.Interpreter) || !slices.Equal(got.Args, script.Args) || again.Job != task.Job {
		t.Errorf("got %+v", again)
	}
	job.Script = t.TempDir()
	if _, err := taskOfJob(t.Context(), &job, at); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("got %v", err)
	}
}

func TestRunItem(t *testing.T) {
	if got := RunItem(7, nil); got != "run:7" {
		t.Errorf("got %s", got)
	}
	if got := RunItem(7, []fanout.Outcome{fanout.Lost, fanout.Skipped}); got != "run:7:lost+skipped" {
		t.Errorf("got %s", got)
	}
}
