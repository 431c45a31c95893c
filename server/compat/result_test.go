package compat

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/sqlite"
)

// A host is what happens on a host of a recorded run.
type host struct {
	name, says string
	outcome    fanout.Outcome
	code       uint32
}

// record records a run of these hosts, and returns what it was recorded in.
func record(t *testing.T, hosts ...host) (store.Store, store.Run) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "history.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	plan := fanout.Plan{Source: "api", Selector: "all", Task: fanout.Task{Action: fanout.Command("uptime")}, Policy: fanout.Policy{Fanout: 1}}
	for i, h := range hosts {
		plan.Targets = append(plan.Targets, fanout.Target{Index: i, Name: h.name})
	}
	r, err := s.Begin(t.Context(), plan, store.RunInfo{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	handle := func(e fanout.Event) {
		t.Helper()
		e.Time = time.Now()
		if err := r.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	handle(fanout.Event{Kind: fanout.RunStarted, Plan: &plan})
	sum := fanout.Summary{Hosts: len(hosts), Started: time.Now(), Ended: time.Now()}
	for i, h := range hosts {
		target := &plan.Targets[i]
		result := fanout.Result{Target: *target, Outcome: h.outcome, StdoutBytes: int64(len(h.says))}
		if h.outcome != fanout.Skipped {
			result.Attempts = 1
			result.Report = fanout.Report{Started: true, OutputComplete: true}
			if err := r.Starting(t.Context(), *target, 1, ""); err != nil {
				t.Fatal(err)
			}
			handle(fanout.Event{Kind: fanout.TargetStarted, Target: target, Attempt: 1})
			if h.says != "" {
				handle(fanout.Event{Kind: fanout.Output, Target: target, Attempt: 1, Stream: fanout.Stdout, Data: []byte(h.says)})
			}
		}
		if h.outcome == fanout.OK || h.outcome == fanout.Failed {
			result.Report.Exit = &fanout.Exit{Code: h.code}
		}
		handle(fanout.Event{Kind: fanout.TargetFinished, Target: target, Attempt: 1, Result: &result})
		sum.Add(result)
	}
	sum.Hosts = len(hosts)
	handle(fanout.Event{Kind: fanout.RunFinished, Summary: &sum})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	run, err := s.Run(t.Context(), "1", "")
	if err != nil {
		t.Fatal(err)
	}
	return s, run
}

func TestResult(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hosts []host
		want  string
	}{
		{"ok", []host{{"web1", "up\n", fanout.OK, 0}}, `{"id":"t1","status":"success","output":"up\n","exit_code":0,"outcome":"ok","run":1}`},
		{"silent", []host{{"web1", "", fanout.OK, 0}}, `{"id":"t1","status":"success","output":"","exit_code":0,"outcome":"ok","run":1}`},
		{"failed", []host{{"web1", "no", fanout.Failed, 3}}, `{"id":"t1","status":"failed","output":"no","error":"exit 3","exit_code":3,"outcome":"failed","run":1}`},
		{"timeout", []host{{"web1", "half", fanout.Timeout, 0}}, `{"id":"t1","status":"failed","output":"half","error":"timeout","outcome":"timeout","run":1}`},
		{"lost", []host{{"web1", "", fanout.Lost, 0}}, `{"id":"t1","status":"failed","output":"","error":"lost","outcome":"lost","run":1}`},
		{"skipped", []host{{"web1", "", fanout.Skipped, 0}}, `{"id":"t1","status":"failed","output":"","error":"skipped","outcome":"skipped","run":1}`},
		{"not UTF-8", []host{{"web1", "a\xffb", fanout.OK, 0}}, `{"id":"t1","status":"success","output":"a` + "\uFFFD" + `b","exit_code":0,"outcome":"ok","run":1}`},
		{
			"several",
			[]host{{"web1", "up\n", fanout.OK, 0}, {"web2", "no", fanout.Failed, 1}, {"web3", "up\n", fanout.OK, 0}},
			`{"id":"t1","status":"failed","output":"web2: failed, exit 1\nno\nweb[1,3]: ok\nup\n","error":"1 of 3 hosts not ok: exit 1","outcome":"failed","run":1,` +
				`"hosts":[{"host":"web1","outcome":"ok","exit_code":0,"output":"up\n"},{"host":"web2","outcome":"failed","exit_code":1,"output":"no"},{"host":"web3","outcome":"ok","exit_code":0,"output":"up\n"}]}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, run := record(t, tt.hosts...)
			task, err := Result(t.Context(), s, &run, "t1")
			if err != nil {
				t.Fatal(err)
			}
			body, err := task.Body()
			if err != nil || string(body) != tt.want+"\n" {
				t.Errorf("got  %s(%v)\nwant %s", body, err, tt.want)
			}
		})
	}
}

// However much hosts write, an answer has bounds, and says so.
func TestResultIsBounded(t *testing.T) {
	var hosts []host
	for _, name := range strings.Fields("a b c d e f g h i j k l m n o p q r s t u v w x y z") {
		hosts = append(hosts, host{name, strings.Repeat(name, 2*maxHostOutput), fanout.OK, 0})
	}
	s, run := record(t, hosts...)
	task, err := Result(t.Context(), s, &run, "t1")
	if err != nil {
		t.Fatal(err)
	}
	body, err := task.Body()
	if err != nil || !task.Truncated || len(task.Hosts) != len(hosts) || len(body) > 3*maxOutput {
		t.Errorf("got %d bytes of %d hosts, truncated %t, %v", len(body), len(task.Hosts), task.Truncated, err)
	}
	var back Task
	if err := json.Unmarshal(body, &back); err != nil {
		t.Error(err)
	}
	s, run = record(t, host{"web1", strings.Repeat("x", 2*maxOutput), fanout.OK, 0})
	if task, err = Result(t.Context(), s, &run, "t1"); err != nil || !task.Truncated || len(*task.Output) != maxOutput {
		t.Errorf("a single host: got %d bytes, truncated %t, %v", len(*task.Output), task.Truncated, err)
	}
}

// A task whose run goes on has no result.
func TestResultOfARunningTask(t *testing.T) {
	task, err := Result(t.Context(), nil, &store.Run{ID: 7, State: store.Queued}, "t1")
	body, bodyErr := task.Body()
	if err != nil || bodyErr != nil || string(body) != `{"id":"t1","status":"pending","run":7}`+"\n" {
		t.Errorf("got %s, %v, %v", body, err, bodyErr)
	}
}
