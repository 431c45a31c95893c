package scheduler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/internal/quantity"
	"tutti/internal/yamltree"
)

// rules are as a command line would give them.
func rules() Rules {
	return Rules{
		Now:        time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
		Zone:       "Europe/Berlin",
		Dir:        "/etc/tutti",
		OptionKeys: []string{"timeout", "deadline", "user", "env", "host_env", "hosts", "pty", "identity", "connect_timeout", "fanout", "max_fail", "batch", "retries", "sudo"},
		Option: func(key string, values []string) error {
			if key == "timeout" {
				if _, err := quantity.ParseDuration(values[0]); err != nil {
					return err
				}
			}
			return nil
		},
		Selector: func(text string) error {
			if strings.Contains(text, "run:") {
				return fmt.Errorf("%q: a job does not select by earlier runs", text)
			}
			return nil
		},
	}
}

const someJobs = `jobs:
  nightly-backup:
    schedule: "30 2 * * *"
    zone: America/New_York
    selector: "db,!db9"
    command: /usr/local/bin/backup
    timeout: 2h
    notify: {on: [recovery, failure], webhook: "https://example.com/hook", secret_file: hook.key}
  sweep:
    schedule: ["*/30 * * * * *", "@every 7m"]
    seconds: true
    selector: all
    script: sweep.sh
    inventory: [hosts.yaml, /srv/hosts.yaml]
    overlap: allow
    max_running: 5
    grace: 5s
    catch_up: none
    jitter: 5s
    tutti_env: true
    idempotent: true
    paused: true
    keep: {age: 30d, runs: 100, size: 500MiB}
    env: [A=1, B=2]
    deadline: 10m
`

func TestReadJobs(t *testing.T) {
	got, err := ReadJobs(t.Context(), "jobs.yaml", []byte(someJobs), rules())
	if err != nil {
		t.Fatal(err)
	}
	want := []Job{
		{
			Name: "nightly-backup", Schedules: []string{"30 2 * * *"}, Zone: "America/New_York", Selector: "db,!db9",
			Command: "/usr/local/bin/backup", Options: map[string][]string{"timeout": {"2h"}, "deadline": {"1d"}},
			MaxRunning: 3, Grace: time.Minute,
			Notify: Notify{On: []NotifyEvent{OnFailure, OnRecovery}, Webhook: "https://example.com/hook", SecretFile: "/etc/tutti/hook.key"},
		},
		{
			Name: "sweep", Schedules: []string{"*/30 * * * * *", "@every 7m"}, Seconds: true, Zone: "Europe/Berlin", Selector: "all",
			Script: "/etc/tutti/sweep.sh", Inventory: []string{"/etc/tutti/hosts.yaml", "/srv/hosts.yaml"},
			Options: map[string][]string{"env": {"A=1", "B=2"}, "deadline": {"10m"}},
			Overlap: OverlapAllow, MaxRunning: 5, Grace: 5 * time.Second, CatchUp: CatchUpNone, Jitter: 5 * time.Second,
			TuttiEnv: true, Idempotent: true, Paused: true,
			Keep: Keep{Age: 30 * 24 * time.Hour, Runs: 100, Size: 500 << 20},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestReadJobsRefuses(t *testing.T) {
	// Each job is valid except for the given line.
	job := func(lines string) string {
		text := "jobs:\n  a:\n"
		for key, value := range map[string]string{"schedule": "'@daily'", "selector": "all", "command": "uptime"} {
			if !strings.Contains("\n"+lines, "\n"+key+":") && !strings.Contains(lines, "no "+key) {
				text += "    " + key + ": " + value + "\n"
			}
		}
		for line := range strings.Lines(lines) {
			if !strings.HasPrefix(line, "no ") {
				text += "    " + line
			}
		}
		return text
	}
	tests := []struct {
		name, text string
		want       []string // each in the error
	}{
		{"nothing", "", []string{`jobs.yaml: the file is empty; write "jobs: {}" for no jobs`}},
		{"a list", "- a", []string{"jobs.yaml:1:1: the file: want a mapping"}},
		{"jobs is a list", "jobs: [a]", []string{"jobs.yaml:1:7: jobs: want a mapping from names to jobs, got a list"}},
		{"a wrong key at the top", "job: {}", []string{`jobs.yaml:1:1: the file: unknown key "job"; did you mean "jobs"?`}},
		{"a job twice", "jobs:\n  a: {schedule: '@daily', selector: all, command: x}\n  a: {}", []string{`jobs.yaml:3:3: duplicate key "a"; the first is at line 2, column 3`}},
		{"a job that is a text", "jobs: {a: x}", []string{"jobs.yaml:1:11: job a: want a mapping, got a single value"}},
		{"a job that is nothing", "jobs: {a: }", []string{"job a: selector: missing selector; all means every host", "job a: command: missing"}},
		{"unknown key", job("shedule: '@daily'"), []string{`job a: unknown key "shedule"; did you mean "schedule"?`}},
		{"unknown option", job("time_out: 5s"), []string{`job a: unknown key "time_out"; did you mean "timeout"?`}},
		{"a wrong option", job("timeout: 5"), []string{"job a: timeout: 5 has no unit: write 5s"}},
		{"an option without a value", job("env: []"), []string{"job a: env: missing value"}},
		{"an option that is a mapping", job("user: {A: 1}"), []string{"job a: user: want a single value, got a mapping"}},
		{"a variable that is a list", job("env: {A: [1]}"), []string{"job a: env: A: want a single value, got a list"}},
		{"a selector that is a list", job("selector: [db, '!db9']"), []string{`job a: selector: want a single value, got a list; write "db,!db9"`}},
		{"a command that is a list", job("command: [df, -h]"), []string{`job a: command: want a single value, got a list; write "df -h"`}},
		{"no deadline", job("deadline: 0s"), []string{"job a: deadline: a job needs a deadline"}},
		{"a wrong deadline", job("deadline: soon"), []string{`job a: deadline: "soon": want a duration`}},
		{"schedule", "jobs:\n  a:\n    selector: all\n    command: x\n    schedule: 0 0 30 2 *", []string{`jobs.yaml:5:15: job a: schedule "0 0 30 2 *", column 5: day 30 never occurs in February; the last`}},
		{"one schedule of two", "jobs:\n  a:\n    selector: all\n    command: x\n    schedule: ['@daily',\n      '@reboot']", []string{`jobs.yaml:6:7: job a: schedule "@reboot", column 1: @reboot is not supported`}},
		{"no schedule", job("no schedule"), []string{`jobs.yaml:2:3: job a: schedule: missing schedule; "30 2 * * *" is`}},
		{"six fields", job("schedule: 0 0 0 * * *"), []string{"if the first field is the second, set seconds (seconds: true in a jobs file"}},
		{"zone", job("zone: Europe/Brelin"), []string{`job a: zone: unknown time zone "Europe/Brelin"; did you mean "Europe/Berlin"?`}},
		{"seconds", job("seconds: yes"), []string{`job a: seconds: want true or false, got "yes"`}},
		{"no selector", job("no selector"), []string{"job a: selector: missing selector"}},
		{"a selector that is refused", job("selector: run:last"), []string{`job a: selector: "run:last": a job does not select by earlier runs`}},
		{"selector and hosts", job("hosts: web1"), []string{"job a: selector: selector and hosts cannot be combined"}},
		{"no command", job("no command"), []string{"job a: command: missing command or script"}},
		{"command and script", job("script: x.sh"), []string{"job a: script: command and script cannot be combined"}},
		{"script in a home", job("no command\nscript: ~/x.sh"), []string{`job a: script: "~/x.sh" is not an absolute path`}},
		{"an invisible character", job("command: \"rm \\u202e/ppa\""), []string{"job a: command: it contains U+202E, which is invisible"}},
		{"overlap", job("overlap: skpi"), []string{`job a: overlap: unknown value "skpi"; did you mean "skip"?`}},
		{"catch_up", job("catch_up: everything"), []string{`job a: catch_up: unknown value "everything"; want latest, none, all`}},
		{"max_running", job("max_running: 0"), []string{"job a: max_running: 0: want 1 to 1000"}},
		{"max_running, a word", job("max_running: many"), []string{`job a: max_running: "many" is not a number`}},
		{"grace", job("grace: 0s"), []string{"job a: grace: 0s: want 1s to 1d"}},
		{"grace without a unit", job("grace: 60"), []string{"job a: grace: 60 has no unit: write 60s"}},
		{"jitter", job("jitter: 1d"), []string{"job a: jitter: 1d must be shorter than"}},
		{"notify nobody", job("notify: {on: [failure]}"), []string{"job a: notify: missing webhook or command"}},
		{"notify of nothing", job("notify: {on: [], command: x}"), []string{"job a: notify: on: empty"}},
		{"notify is empty", job("notify:"), []string{"job a: notify: empty value"}},
		{"notify on", job("notify: {on: [failur], command: x}"), []string{`job a: notify: on: unknown value "failur"; did you mean "failure"?`}},
		{"notify unknown key", job("notify: {webhok: x}"), []string{`job a: notify: unknown key "webhok"; did you mean "webhook"?`}},
		{"webhook", job("notify: {webhook: example.com}"), []string{"job a: notify: webhook: want a URL"}},
		{"webhook with a password", job("notify: {webhook: 'https://a:hunter2@example.com'}"), []string{"a password in the URL would be stored"}},
		{"secret without a webhook", job("notify: {command: x, secret_file: /k}"), []string{"secret_file needs a webhook"}},
		{"keep", job("keep: {size: 5x}"), []string{`job a: keep: size: "5x": want a size`}},
		{"keep, unknown key", job("keep: {ages: 5d}"), []string{`job a: keep: unknown key "ages"; did you mean "age"?`}},
		{"a name with a slash", "jobs:\n  a/b: {schedule: '@daily', selector: all, command: x}", []string{`jobs.yaml:2:3: job a/b: name: "a/b" is not a job name`}},
		{"a name with a control character", "jobs:\n  \"a\\tb\": {schedule: '@daily', selector: all, command: x}", []string{`name: "a\tb" is not a job name`}},
		{"a name that is a number", "jobs:\n  142: {schedule: '@daily', selector: all, command: x}", []string{`name: "142" could be a run number; add a letter`}},
		{"a long name", "jobs:\n  " + strings.Repeat("x", 65) + ": {schedule: '@daily', selector: all, command: x}", []string{"longer than 64 characters"}},
		{"what cannot be read hides nothing", job("keep: 7x\nzone: Mars\nschedule: 61 * * * *\ntimeout: 5\nseconds: maybe\nmax_running: 0"), []string{
			"keep: ", "zone: ", `schedule "61 * * * *"`, "timeout: 5 has no unit", "seconds: want true or false", "max_running: 0: want",
		}},
		{"nor anything of another job", "jobs:\n  a: {keep: 7x}\n  b: {selector: all, command: x}", []string{"2:13: job a: keep: ", "job a: selector: missing selector", "3:3: job b: schedule: missing schedule"}},
		{"everything at once", job("zone: Mars\nselector: run:1\ngrace: 2d"), []string{"zone:", "selector:", "grace:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			jobs, err := ReadJobs(t.Context(), "jobs.yaml", []byte(tt.text), rules())
			if err == nil || jobs != nil {
				t.Fatalf("got %+v, %v, want an error", jobs, err)
			}
			if _, ok := errors.AsType[*yamltree.Errors](err); !ok {
				t.Errorf("got a %T", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a password is in %v", err)
			}
		})
	}
	if jobs, err := ReadJobs(t.Context(), "jobs.yaml", []byte("jobs: {}"), rules()); err != nil || len(jobs) != 0 {
		t.Errorf("none: got %v, %v", jobs, err)
	}
}

// A key that cannot be parsed is one problem, and not reported as missing, too.
func TestReadJobsTellsAMistakeOnce(t *testing.T) {
	for _, lines := range []string{"script: [x]", "command: {}", "command: x, schedule: {}", "command: x, selector: {}", "command: x, notify: {command: []}"} {
		text := "jobs:\n  a: {" + lines + ", timeout: 2h"
		if !strings.Contains(lines, "schedule") {
			text += ", schedule: '@daily'"
		}
		if !strings.Contains(lines, "selector") {
			text += ", selector: all"
		}
		_, err := ReadJobs(t.Context(), "jobs.yaml", []byte(text+"}"), rules())
		if all, ok := errors.AsType[*yamltree.Errors](err); !ok || len(all.List) != 1 || !strings.Contains(err.Error(), "want a single value") {
			t.Errorf("%s: got %v, want one error", lines, err)
		}
	}
}

// Lists and mappings are accepted where their meaning is clear.
func TestReadJobsTakesWhatIsNatural(t *testing.T) {
	r := rules()
	r.CommaKeys = []string{"batch"}
	text := `jobs: {a: {schedule: "@daily", selector: all, command: x, env: {B: b, A: "1=2"}, batch: [1, 10%]}}`
	jobs, err := ReadJobs(t.Context(), "jobs.yaml", []byte(text), r)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"env": {"B=b", "A=1=2"}, "batch": {"1,10%"}, "deadline": {"1d"}}
	if got := jobs[0].Options; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Keys that contradict each other are reported together with the problems of other
// jobs.
func TestReadJobsChecksTheWhole(t *testing.T) {
	r := rules()
	r.Whole = func(Job) error { return errors.New("it does not fit") }
	const text = "jobs:\n  a: {schedule: '@daily', selector: all, command: x}\n  b: {keep: 7x}\n  c: {schedule: '@daily', selector: all, command: x}"
	_, err := ReadJobs(t.Context(), "jobs.yaml", []byte(text), r)
	for _, want := range []string{"jobs.yaml:2:3: job a: it does not fit", "job b: keep", "jobs.yaml:4:3: job c: it does not fit"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if strings.Contains(fmt.Sprint(err), "job b: it does not fit") {
		t.Errorf("got %v, want nothing of the whole of what is wrong in a part", err)
	}
}

// roundTrip fails unless jobs are read as they are written, in both forms.
func roundTrip(t *testing.T, jobs []Job, r Rules) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJobs(&b, jobs); err != nil {
		t.Fatal(err)
	}
	again, err := ReadJobs(t.Context(), "written", b.Bytes(), r)
	if err != nil {
		t.Fatalf("read what was written: %v\n%s", err, b.String())
	}
	if len(again)+len(jobs) > 0 && !reflect.DeepEqual(again, jobs) {
		t.Fatalf("got  %+v\nwant %+v\nfrom %s", again, jobs, b.String())
	}
	for _, j := range jobs {
		data, err := json.Marshal(j)
		if err != nil {
			t.Fatalf("%v: %+v", err, j)
		}
		var back Job
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, j) {
			t.Fatalf("JSON: got  %+v, %v\nwant %+v\nfrom %s", back, err, j, data)
		}
	}
	return b.String()
}

func TestWriteJobs(t *testing.T) {
	jobs, err := ReadJobs(t.Context(), "jobs.yaml", []byte(someJobs), rules())
	if err != nil {
		t.Fatal(err)
	}
	nasty := NewJob("nasty", "UTC")
	nasty.Schedules, nasty.Selector = []string{"@daily"}, "'a, b',~^web\\d+$"
	nasty.Command = "echo \"é ☃ 'x'\" # <&>\n\ttrue | cat\n\nexit 1\n"
	nasty.Options["user"] = []string{"null"}
	nasty.Options["env"] = []string{"A=: #", " B = ", "", "{}", "- x", "true", "*a", "%"}
	nasty.Keep = Keep{Age: 36 * time.Hour}
	lines := nasty
	lines.Name, lines.Command = "lines", "set -e\n  indented: yes\n\nlast"
	got := roundTrip(t, append(jobs, nasty, lines), rules())
	golden(t, "jobs.golden", []byte(got))
	if got := roundTrip(t, nil, rules()); got != "jobs: {}\n" {
		t.Errorf("none: got %q", got)
	}
}

// Text that another YAML parser would not read as text is in quotes.
func TestWriteQuotesWhatIsNoText(t *testing.T) {
	for command, want := range map[string]string{
		"true": `"true"`, "Yes": `"Yes"`, "off": `"off"`, "n": `"n"`, "NULL": `"NULL"`, "5": `"5"`, "0644": `"0644"`, "1_000": `"1_000"`,
		"1.5": `"1.5"`, "1e3": `"1e3"`, "0x1F": `"0x1F"`, "0o17": `"0o17"`, "0b1": `"0b1"`, "2026-11-21": `"2026-11-21"`,
		"uptime": "uptime", "true story": "true story", "5 apples": "5 apples", "2h": "2h", "/bin/true": "/bin/true",
	} {
		job := NewJob("on", "UTC")
		job.Schedules, job.Selector, job.Command = []string{"@daily"}, "all", command
		job.Options["env"], job.Options["user"], job.Options["fanout"] = []string{command, "A=1"}, []string{"no"}, []string{"20"}
		got := roundTrip(t, []Job{job}, rules())
		for _, line := range []string{"command: " + want, "env: [" + want + `, "A=1"]`, `user: "no"`, "fanout: 20", `  "on":`} {
			if !strings.Contains(got, line+"\n") {
				t.Errorf("%s: got %s, want %s", command, got, line)
			}
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"a","overlap":"skpi"}`: `did you mean "skip"?`,
		`[]`:                            "want a mapping, got a list",
		`{"seconds":1}`:                 "want true or false",
	} {
		var j Job
		if err := json.Unmarshal([]byte(text), &j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestTimingOfABrokenJob(t *testing.T) {
	j := NewJob("a", "Nowhere")
	_, err := j.Timing(time.Time{})
	if bad, ok := errors.AsType[*KeyError](err); !ok || bad.Key != "zone" {
		t.Errorf("got %v", err)
	}
	if err := j.Validate(rules()); err == nil || !strings.Contains(err.Error(), "zone: unknown time zone") {
		t.Errorf("got %v", err)
	}
	// A schedule that has ended is not broken.
	j = NewJob("a", "UTC")
	j.Schedules = []string{"@at 2020-01-01T00:00:00Z"}
	tm, err := j.Timing(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tm.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); !errors.Is(err, ErrNoMore) {
		t.Errorf("got %v, want ErrNoMore", err)
	}
}

// TestExample reads the example file, which shows every key.
func TestExample(t *testing.T) {
	data, err := os.ReadFile("../jobs.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := ReadJobs(t.Context(), "jobs.example.yaml", data, rules())
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, jobs, rules())
	for _, k := range jobKeys {
		if !slices.ContainsFunc(strings.Split(string(data), "\n"), func(line string) bool {
			return strings.HasPrefix(strings.TrimLeft(line, " #"), k.name+":")
		}) {
			t.Errorf("the key %s is not shown", k.name)
		}
	}
}
