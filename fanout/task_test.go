package fanout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
)

type noInput struct{}

func (noInput) Open(context.Context) io.Reader { return strings.NewReader("") }
func (noInput) Close() error                   { return nil }

// TestSecretIsNeverShown tries every way in which a value gets into a text.
func TestSecretIsNeverShown(t *testing.T) {
	const canary = "can-ary"
	s := fanout.Secret(canary)
	task := fanout.Task{
		Action: fanout.Command("x"),
		Env:    []fanout.Variable{{Name: "A", Secret: s}},
		Sudo:   &fanout.Sudo{User: "root", Password: s},
	}
	data, err := json.Marshal(map[string]any{"task": task, "secret": s, "policy": fanout.Plan{Task: task}})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(data)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c"} {
		for _, v := range []any{s, &s, task, *task.Sudo, task.Env} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
	}
	for _, text := range texts {
		for _, shown := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), "99 97 110", "Y2FuLWFye"} {
			if strings.Contains(text, shown) {
				t.Errorf("got %q in %q", shown, text)
			}
		}
	}
	s.Wipe()
	if string(s) == canary {
		t.Error("got the secret, want it wiped")
	}
}

// TestTaskIsRecorded: what may be known comes back, and of a secret that there
// is one.
func TestTaskIsRecorded(t *testing.T) {
	tests := []struct {
		name       string
		task, want fanout.Task
	}{
		{"nothing", fanout.Task{}, fanout.Task{Action: fanout.Ping{}}},
		{"a command", fanout.Task{Action: fanout.Command("x\n\xff")}, fanout.Task{Action: fanout.Command("x\n\ufffd")}},
		{
			"everything",
			fanout.Task{
				Dir: "/d", Stdin: noInput{}, StdinName: "-", PTY: &fanout.PTY{Term: "t", Columns: 1, Rows: 2},
				Env:    []fanout.Variable{{Name: "A", Value: ""}, {Name: "B", Secret: fanout.Secret("b")}, {Name: "C", Value: "c"}},
				Sudo:   &fanout.Sudo{User: "u", Password: fanout.Secret("p")},
				Action: &fanout.Script{Label: "c", Source: noInput{}, Size: 7, SHA256: "s", Interpreter: []string{"/i"}, Args: []string{"", "a"}, Name: "n"},
				Job:    &fanout.JobInfo{Name: "j", ScheduledAt: time.Unix(1, 0).UTC()},
			},
			fanout.Task{
				Dir: "/d", StdinName: "-", PTY: &fanout.PTY{Term: "t", Columns: 1, Rows: 2},
				Env:    []fanout.Variable{{Name: "A", Value: ""}, {Name: "B", Secret: fanout.Secret{}}, {Name: "C", Value: "c"}},
				Sudo:   &fanout.Sudo{User: "u", Password: fanout.Secret{}},
				Action: &fanout.Script{Label: "c", Size: 7, SHA256: "s", Interpreter: []string{"/i"}, Args: []string{"", "a"}, Name: "n"},
				Job:    &fanout.JobInfo{Name: "j", ScheduledAt: time.Unix(1, 0).UTC()},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := json.Marshal(tt.task)
			if err != nil {
				t.Fatal(err)
			}
			var got fanout.Task
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v from %s, want %#v", got, data, tt.want)
			}
		})
	}
}

// TestJobVariables: an attempt knows itself, and a scheduled time is in UTC.
func TestJobVariables(t *testing.T) {
	attempt := fanout.Attempt{RunID: 142, N: 3, Target: fanout.Target{Name: "web01"}}
	berlin := time.FixedZone("", 3600)
	tests := []struct {
		name string
		job  fanout.JobInfo
		want string
	}{
		{
			"a scheduled time",
			fanout.JobInfo{Name: "nightly", ScheduledAt: time.Date(2026, 1, 2, 3, 4, 5, 0, berlin)},
			"[TUTTI_RUN=142 TUTTI_JOB=nightly TUTTI_SCHEDULED_AT=2026-01-02T02:04:05Z TUTTI_ATTEMPT=3 TUTTI_HOST=web01]",
		},
		{
			"manual",
			fanout.JobInfo{Name: "nightly"},
			"[TUTTI_RUN=142 TUTTI_JOB=nightly TUTTI_SCHEDULED_AT= TUTTI_ATTEMPT=3 TUTTI_HOST=web01]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, v := range tt.job.Variables(attempt) {
				got = append(got, v.Name+"="+v.Value)
			}
			if got := fmt.Sprint(got); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTaskCheck(t *testing.T) {
	env := func(name, value string) fanout.Task {
		return fanout.Task{Env: []fanout.Variable{{Name: name, Value: value}}}
	}
	script := func(s fanout.Script) fanout.Task { return fanout.Task{Action: &s} }
	good := fanout.Script{Source: noInput{}, Size: 1, Interpreter: []string{"/bin/sh", "-e"}}
	nul := good
	nul.Args = []string{"a\x00"}
	tests := []struct {
		name string
		task fanout.Task
		ok   bool
	}{
		{"nothing", fanout.Task{}, true},
		{"a variable", env("_a1", "any \n\xff"), true},
		{"a script", script(good), true},
		{"a user", fanout.Task{Sudo: &fanout.Sudo{User: `DOM\www-data$`}}, true},
		{"a user's number", fanout.Task{Sudo: &fanout.Sudo{User: "#1000"}}, true},
		{"no name", env("", "x"), false},
		{"a digit first", env("1a", "x"), false},
		{"a hyphen", env("A-B", "x"), false},
		{"shell in a name", env("A=$(id)\n", "x"), false},
		{"NUL in a value", env("A", "x\x00"), false},
		{"NUL in a secret", fanout.Task{Env: []fanout.Variable{{Name: "A", Secret: fanout.Secret("\x00")}}}, false},
		{"an empty command", fanout.Task{Action: fanout.Command("")}, false},
		{"NUL in the command", fanout.Task{Action: fanout.Command("a\x00")}, false},
		{"NUL in the job's name", fanout.Task{Job: &fanout.JobInfo{Name: "a\x00"}}, false},
		{"NUL in the directory", fanout.Task{Dir: "a\x00"}, false},
		{"no user", fanout.Task{Sudo: &fanout.Sudo{}}, false},
		{"a user that is a flag", fanout.Task{Sudo: &fanout.Sudo{User: "-s"}}, false},
		{"an empty script", script(fanout.Script{Source: noInput{}, Interpreter: []string{"/bin/sh"}}), false},
		{"no interpreter", script(fanout.Script{Source: noInput{}, Size: 1}), false},
		{"NUL in an argument", script(nul), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.task.Check()
			if (err == nil) != tt.ok {
				t.Fatalf("got error %v, want ok %v", err, tt.ok)
			}
			if tt.ok {
				return
			}
			if _, err := fanout.Run(t.Context(), fanout.Plan{Task: tt.task}, fanout.Options{}); err == nil {
				t.Error("Run took it, want an error")
			}
		})
	}
}
