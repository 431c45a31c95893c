package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/api"
	"tutti/fanout"
	"tutti/runner"
	"tutti/server"
	"tutti/store"
)

// An arrival is what became of a request: the run, how it was decided, what is on record
// for who executes it, and its hosts.
type arrival struct {
	run     api.Run
	plan    api.RunPlan
	request store.QueuedRequest
	entry   store.QueueEntry
	hosts   []string
	with    string // the standard input and the secrets, of which nothing is on record
}

// option is the value of a key among those that a rerun repeats.
func (a *arrival) option(name string) string { return strings.Join(a.plan.Options[name], " ") }

// key is the value of a key that is on record for who executes the run.
func (a *arrival) key(name string) string { return strings.Join(a.request.Keys[name], " ") }

// arrivals say for each key of a request what is asked for, and whether it has arrived.
var arrivals = map[string]struct {
	body    string // besides what each request has
	arrived func(a *arrival) bool
}{
	"selector": {`"selector":"db1"`, func(a *arrival) bool { return a.plan.Selector == "db1" && slices.Equal(a.hosts, []string{"db1"}) }},
	"command":  {`"command":"uptime -p"`, func(a *arrival) bool { return a.plan.Command == "uptime -p" && a.run.Command == "uptime -p" }},
	"script": {`"script":{"text":"#!/bin/sh\nid\n","args":["a b"],"interpreter":"/bin/bash -e","name":"x.sh"}`, func(a *arrival) bool {
		s, ok := a.plan.Task.Action.(*fanout.Script)
		return ok && s.Size == 13 && reflect.DeepEqual(s.Args, []string{"a b"}) && reflect.DeepEqual(s.Interpreter, []string{"/bin/bash", "-e"}) &&
			a.plan.Command == "script x.sh 'a b'" && string(a.request.Script.Text) == "#!/bin/sh\nid\n"
	}},
	"only": {`"only":["web1"]`, func(a *arrival) bool {
		return slices.Equal(a.hosts, []string{"web1"}) && a.plan.Selector == "web,&web1"
	}},
	"exclude": {`"exclude":["web1"]`, func(a *arrival) bool {
		return slices.Equal(a.hosts, []string{"web2"}) && a.plan.Selector == "web,!web1"
	}},
	"limit": {`"limit":1`, func(a *arrival) bool { return slices.Equal(a.hosts, []string{"web1"}) }},
	"pick":  {`"pick":1`, func(a *arrival) bool { return len(a.hosts) == 1 }},
	"env":   {`"env":{"A":"1 2"}`, func(a *arrival) bool { return a.option("env") == "A=1 2" && a.plan.Task.Env[0].Value == "1 2" }},
	"secret_env": {`"secret_env":{"P":"zq"}`, func(a *arrival) bool {
		return a.option("env") == "P" && a.plan.Task.Env[0].Secret != nil && a.with == "P=zq"
	}},
	"host_env":        {`"host_env":true`, func(a *arrival) bool { return a.plan.Task.HostEnv && a.key("host-env") == "true" }},
	"dir":             {`"dir":"/srv"`, func(a *arrival) bool { return a.plan.Task.Dir == "/srv" }},
	"stdin":           {`"stdin":"zq"`, func(a *arrival) bool { return a.plan.Task.StdinName == "-" && a.with == "zq" }},
	"stdin_base64":    {`"stdin_base64":"/w=="`, func(a *arrival) bool { return a.plan.Task.StdinName == "-" && a.with == "\xff" }},
	"sudo":            {`"sudo":"root"`, func(a *arrival) bool { return a.plan.Task.Sudo != nil && a.plan.Task.Sudo.User == "root" }},
	"pty":             {`"pty":true`, func(a *arrival) bool { return a.plan.Task.PTY != nil }},
	"user":            {`"user":"deploy"`, func(a *arrival) bool { return a.option("user") == "deploy" && a.key("user") == "deploy" }},
	"note":            {`"note":"why"`, func(a *arrival) bool { return a.run.Note == "why" && a.key("note") == "why" }},
	"record_limit":    {`"record_limit":"1MiB"`, func(a *arrival) bool { return a.key("record-limit") == "1MiB" }},
	"fanout":          {`"fanout":1`, func(a *arrival) bool { return a.plan.Policy.Fanout == 1 && a.option("fanout") == "1" }},
	"timeout":         {`"timeout":"90s"`, func(a *arrival) bool { return a.option("timeout") == "1m30s" && a.key("timeout") == "90s" }},
	"connect_timeout": {`"connect_timeout":"7s"`, func(a *arrival) bool { return a.option("connect-timeout") == "7s" && a.key("connect-timeout") == "7s" }},
	"deadline":        {`"deadline":"10m"`, func(a *arrival) bool { return a.plan.Policy.Deadline == 10*time.Minute }},
	"kill_after":      {`"kill_after":"4s"`, func(a *arrival) bool { return a.option("kill-after") == "4s" && a.key("kill-after") == "4s" }},
	"drain":           {`"drain":"5s"`, func(a *arrival) bool { return a.option("drain") == "5s" && a.key("drain") == "5s" }},
	"retries":         {`"retries":2`, func(a *arrival) bool { return a.option("retries") == "2" && a.key("retries") == "2" }},
	"retry_on":        {`"retry_on":["lost"]`, func(a *arrival) bool { return slices.Equal(a.plan.Policy.Retry.On, []fanout.Outcome{fanout.Lost}) }},
	"retry_delay":     {`"retry_delay":"3s"`, func(a *arrival) bool { return a.plan.Policy.Retry.Delay == 3*time.Second }},
	"batch":           {`"batch":"1,100%"`, func(a *arrival) bool { return len(a.plan.Policy.Batches) == 2 }},
	"pause":           {`"batch":"1","pause":"6s"`, func(a *arrival) bool { return a.plan.Policy.Pause == 6*time.Second }},
	"max_fail":        {`"max_fail":"2"`, func(a *arrival) bool { return a.plan.Policy.MaxFail != nil && a.plan.Policy.MaxFail.String() == "2" }},
	"priority":        {`"priority":7`, func(a *arrival) bool { return a.entry.Priority == 7 }},
	"tutti_env":       {`"tutti_env":true`, func(a *arrival) bool { return a.plan.Task.Job != nil && a.request.Job != nil }},
}

// notInPlans are the keys that have tests of their own: they say who is told of a run,
// whether there is one, and which hosts in maintenance are left out.
var notInPlans = []string{"callback", "notify", "dry_run", "include_maintenance"}

// TestKeysArrive: each key of a request for a run is in the plan that is recorded, and in
// what the daemon decides it from again.
func TestKeysArrive(t *testing.T) {
	known := slices.Clone(notInPlans)
	for name, tt := range arrivals {
		known = append(known, name)
		t.Run(name, func(t *testing.T) {
			a := arrive(t, tt.body)
			if !tt.arrived(a) {
				t.Errorf("%s has not arrived: run %+v, plan %+v, request %+v, hosts %v, with %q", tt.body, a.run, a.plan, a.request, a.hosts, a.with)
			}
		})
	}
	form := keysOfForm(reflect.TypeFor[api.RunRequest]())
	for _, name := range form {
		if k, ok := runner.KeyNamed(strings.ReplaceAll(name, "_", "-")); ok && k.Local("x") && name != "stdin" && name != "env" && name != "secret_env" {
			continue // it is refused: TestLocalKeysAreRefused
		}
		if !slices.Contains(known, name) {
			t.Errorf("nothing says whether %s arrives", name)
		}
	}
	for _, name := range known {
		if !slices.Contains(form, name) {
			t.Errorf("%s is no key of a request", name)
		}
	}
	for _, k := range runner.Keys() {
		if !slices.Contains(form, k.Option()) {
			t.Errorf("%s of the key table is neither taken nor refused", k.Name)
		}
	}
}

// keysOfForm are the names of a form and of what is embedded in it.
func keysOfForm(form reflect.Type) (names []string) {
	for i := range form.NumField() {
		f := form.Field(i)
		if f.Anonymous {
			names = append(names, keysOfForm(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// arrive submits a run and claims it.
func arrive(t *testing.T, body string) *arrival {
	t.Helper()
	r := newRig(t)
	r.who.Sudo, r.who.AnyUser = true, true
	kept := &keptSubmissions{Submissions: r.api.Submissions}
	r.api.Submissions = kept
	for key, text := range map[string]string{"selector": `"web"`, "command": `"true"`} {
		if !strings.Contains(body, `"`+key+`":`) && (key != "command" || !strings.Contains(body, `"script":`)) {
			body = fmt.Sprintf(`"%s":%s,`, key, text) + body
		}
	}
	a := &arrival{run: started(t, r.ask(t, "POST", "/runs", "{"+body+"}")).Run}
	r.get(t, "/runs/1/plan", &a.plan)
	claimed, err := r.store.Queue().Claim(t.Context(), r.daemon(t), 1)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("got %v, %v", claimed, err)
	}
	a.request, a.hosts, a.entry = claimed[0].Request, claimed[0].Hosts, claimed[0].QueueEntry
	a.with = string(kept.last.With.Stdin)
	for name, secret := range kept.last.With.Secrets {
		a.with += name + "=" + string(secret)
	}
	if data, err := json.Marshal(claimed); err != nil || strings.Contains(string(data), "zq") {
		t.Errorf("a secret is in %s, %v", data, err)
	}
	return a
}

// keptSubmissions keep the last one.
type keptSubmissions struct {
	server.Submissions
	last *server.Submission
}

func (k *keptSubmissions) Submit(ctx context.Context, s *server.Submission, d *runner.Decision) (store.Submitted, error) {
	k.last = s
	return k.Submissions.Submit(ctx, s, d)
}
