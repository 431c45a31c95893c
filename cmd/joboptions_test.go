package cmd

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/internal/fault"
	"tutti/jobs"
	"tutti/runner"
	"tutti/scheduler"
)

func testStreams() Streams {
	return Streams{
		In: strings.NewReader(""), Out: io.Discard, Err: io.Discard,
		Getenv: func(string) string { return "" }, LookupEnv: func(string) (string, bool) { return "", false },
	}
}

// testJob is a job with these options.
func testJob(options map[string][]string) scheduler.Job {
	job := scheduler.NewJob("sweep", "UTC")
	job.Schedules = []string{"@hourly"}
	job.Selector = "web"
	job.Command = "uptime"
	maps.Copy(job.Options, options)
	return job
}

// TestJobOptionsReadWhatWasGiven gives every flag that a job may have, keeps what
// was given, and reads it again: nothing is lost on the way.
func TestJobOptionsReadWhatWasGiven(t *testing.T) {
	std, o := testStreams(), newLaunchOptions()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, group := range o.jobGroups() {
		group.Add(f)
	}
	args := []string{
		"--only", "dc=fra", "-x", "web9", "-x", "web8", "--limit", "5", "-e", "STAGE=prod", "-e", "TOKEN",
		"--dir", "/srv", "--stdin", "in.txt", "--sudo=www", "--sudo-pass-command", "pass sudo",
		"-f", "20", "--connect-timeout", "5s", "-t", "2m", "--deadline", "1h", "--kill-after", "4s", "--drain", "1s",
		"--retries", "2", "--retry-on", "lost,failed", "--retry-delay", "3s", "--batch", "1,10%", "--pause", "1m", "--max-fail", "2",
		"-l", "deploy", "-p", "2222", "--identity", "/k/one", "--identity", "/k/two", "-J", "ops@bastion", "-F", "none",
		"--host-keys", "strict", "--known-hosts", "/k/known", "--note", "nightly", "--record-limit", "1MiB",
	}
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	given := o.JobOptions()
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := given["stdin"], []string{filepath.Join(cwd, "in.txt")}; !slices.Equal(got, want) {
		t.Errorf("stdin: got %q, want %q", got, want)
	}
	job := testJob(given)
	if err := job.Validate(jobs.Rules(time.Now())); err != nil {
		t.Errorf("the options are refused: %v", err)
	}
	again, err := runner.CompleteJob(&job, std.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	o.Task.Stdin = filepath.Join(cwd, "in.txt")
	if err := o.finalize(f, std.Getenv); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, o.Request) {
		t.Errorf("got %+v, want %+v", again, o.Request)
	}
}

func TestJobOptionsRefuse(t *testing.T) {
	for _, test := range []struct{ key, value, want string }{
		{"ask_pass", "true", "cannot prompt"},
		{"ask_sudo_pass", "true", "--sudo-pass-command"},
		{"no_history", "true", "always recorded"},
		{"history", "/tmp/h.db", "unknown job option"},
		{"inventory", "/etc/hosts.yaml", "unknown job option"},
		{"connect-timeout", "5s", "unknown job option"},
		{"fanout", "many", `"many" is not a number`},
		{"timeout", "soon", "want a duration"},
		{"pty", "yes", "want true or false"},
		{"sudo", "true", "sudo: root"},
		{"sudo", "5", "5 is not a user"},
		{"stdin", "-", "no standard input"},
		{"identity", "~/.ssh/id", "not an absolute path"},
		{"host_keys", "lax", "want one of strict"},
	} {
		t.Run(test.key, func(t *testing.T) {
			job := testJob(map[string][]string{test.key: {test.value}})
			err := job.Validate(jobs.Rules(time.Now()))
			if bad, ok := errors.AsType[*scheduler.KeyError](err); !ok || bad.Key != test.key || !strings.Contains(cli.Wording.Text(err), test.want) {
				t.Errorf("got %v, want an error of %s that says %q", err, test.key, test.want)
			}
		})
	}
	if err := runner.CheckJobOption("user", []string{"a", "b"}); err == nil || !strings.Contains(err.Error(), "one value") {
		t.Errorf("two users: got %v", err)
	}
}

// Options that are right by themselves may not fit together.
func TestJobOptionsThatDoNotFit(t *testing.T) {
	for _, test := range []struct {
		name    string
		options map[string][]string
		script  bool
		want    string
	}{
		{"limit and pick", map[string][]string{"limit": {"1"}, "pick": {"1"}}, false, "cannot be combined"},
		{"sudo password without sudo", map[string][]string{"sudo_pass_command": {"pass"}}, false, "sudo password needs"},
		{"script with a terminal", map[string][]string{"pty": {"true"}}, true, "terminal"},
		{"hosts of a run left out", map[string][]string{"exclude": {"run:last"}}, false, "earlier run"},
	} {
		t.Run(test.name, func(t *testing.T) {
			job := testJob(test.options)
			if test.script {
				job.Command, job.Script = "", "/srv/sweep.sh"
			}
			if err := job.Validate(jobs.Rules(time.Now())); err != nil {
				t.Fatal(err)
			}
			_, err := runner.CompleteJob(&job, testStreams().Getenv)
			if !errors.As(err, new(*fault.UsageError)) || !strings.Contains(cli.Wording.Text(err), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestJobSelectorIsTheSameEverywhere(t *testing.T) {
	for selector, want := range map[string]string{
		"web,!run:last:failed": "jobs cannot use run:",
		"all,!@down.txt":       "not an absolute path",
		"all,!@/etc/down.txt":  "",
	} {
		job := testJob(nil)
		job.Selector = selector
		err := job.Validate(jobs.Rules(time.Now()))
		if got := fmt.Sprint(err); want != "" && !strings.Contains(got, want) || want == "" && err != nil {
			t.Errorf("%s: got %s, want %q", selector, got, want)
		}
	}
}

// What the example says can be done can be done.
func TestExampleJobs(t *testing.T) {
	all, err := readJobs(t.Context(), testStreams(), "../jobs.example.yaml", true)
	if err != nil || len(all) == 0 {
		t.Fatalf("got %d jobs, %v", len(all), err)
	}
	for i := range all {
		if err := all[i].Validate(jobs.Rules(time.Now())); err != nil {
			t.Errorf("job %s: %v", all[i].Name, err)
		}
	}
}
