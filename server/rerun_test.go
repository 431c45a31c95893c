package server_test

import (
	"slices"
	"strings"
	"testing"

	"tutti/access"
	"tutti/fanout"
	"tutti/store"
)

// again repeats run 1, and claims what becomes of it.
func (r *rig) again(t *testing.T, body string) store.ClaimedRun {
	t.Helper()
	run := started(t, r.ask(t, "POST", "/runs/1/rerun", body))
	claimed, err := r.store.Queue().Claim(t.Context(), r.daemon(t), 1)
	if err != nil || len(claimed) != 1 || claimed[0].Run.ID != run.Run.Run || run.RerunOf != 1 {
		t.Fatalf("got %+v, %v", claimed, err)
	}
	return claimed[0]
}

// endQueued starts a run of the rig and stops it while it waits.
func (r *rig) endQueued(t *testing.T, body string) {
	t.Helper()
	started(t, r.ask(t, "POST", "/runs", body))
	if w := r.ask(t, "DELETE", "/queue/1", ""); w.Code != 204 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
}

// A script that came with a request is repeated as it was: the file that it came from is
// on another machine.
func TestRerunOfScript(t *testing.T) {
	r := newRig(t)
	text := "#!/usr/bin/env -S python3 -u\n" + strings.Repeat("print('hello')\n", 1000)
	r.endQueued(t, `{"selector":"web","script":{"name":"deploy.py","text":"`+strings.ReplaceAll(text, "\n", `\n`)+`","args":["--now","a b"]}}`)
	got := r.again(t, `{}`).Request.Script
	if got == nil || string(got.Text) != text || got.Label != "script deploy.py --now 'a b'" || !slices.Equal(got.Args, []string{"--now", "a b"}) || got.Interpreter != "/usr/bin/env -S python3 -u" {
		t.Errorf("got %+v", got)
	}
	// A script of this machine is not on record.
	plan := fanout.Plan{Source: "cli", Selector: "web1", Task: fanout.Task{Action: &fanout.Script{Label: "script x", Name: "/x", SHA256: "0"}}, Targets: []fanout.Target{{Name: "web1"}}}
	recorder, err := r.store.Begin(t.Context(), plan, store.RunInfo{})
	if err != nil {
		t.Fatal(err)
	}
	end(t, recorder, plan)
	r.refused(t, r.ask(t, "POST", "/runs/3/rerun", `{"all":true}`), "no-script")
}

// A run that moved files had them on another machine.
func TestRerunOfFiles(t *testing.T) {
	r := newRig(t)
	task := fanout.Task{Action: &fanout.Transfer{Label: "copy a /b", Sources: []string{"a"}, Dest: "/b"}}
	plan := fanout.Plan{Source: "copy", Selector: "web1", Task: task, Targets: []fanout.Target{{Name: "web1"}}}
	recorder, err := r.store.Begin(t.Context(), plan, store.RunInfo{})
	if err != nil {
		t.Fatal(err)
	}
	end(t, recorder, plan)
	decided, err := r.store.Decided(t.Context(), 1)
	got, ok := decided.Task.Action.(*fanout.Transfer)
	if err != nil || !ok || got.Label != "copy a /b" || got.Dest != "/b" || !slices.Equal(got.Sources, []string{"a"}) {
		t.Errorf("got %+v, %v", decided.Task.Action, err)
	}
	w := r.ask(t, "POST", "/runs/1/rerun", `{"all":true}`)
	if w.Code != 422 || !strings.Contains(w.Body.String(), "moved files") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// What is given now replaces what the run had, and narrows its hosts.
func TestRerunOverrides(t *testing.T) {
	r := newRig(t)
	r.endQueued(t, `{"selector":"all","command":"true","pty":true,"tutti_env":true,"timeout":"5s"}`)
	same := r.again(t, `{}`)
	if same.Request.Job == nil || same.Request.Keys["pty"][0] != "true" || !slices.Equal(same.Hosts, []string{"web1", "web2", "db1"}) {
		t.Errorf("got %+v", same)
	}
	other := r.again(t, `{"tutti_env":false,"pty":false,"only":["web"],"exclude":["web1"],"callback":"https://hooks.example/"}`)
	if other.Request.Job != nil || other.Request.Keys["pty"][0] != "false" || !slices.Equal(other.Hosts, []string{"web2"}) {
		t.Errorf("got %+v", other)
	}
	if _, kept, err := r.store.Callbacks().Callback(t.Context(), other.Run.ID); !kept || err != nil {
		t.Errorf("it has no callback: %v", err)
	}
	if one := r.again(t, `{"limit":1,"stdin":"x"}`); !slices.Equal(one.Hosts, []string{"web1"}) || one.Request.Keys["pty"] != nil || one.Request.Keys["stdin"][0] != "-" {
		t.Errorf("got %+v", one)
	}
	r.refused(t, r.ask(t, "POST", "/runs/1/rerun", `{"only":["nowhere"]}`), "no-match")
	// Of what is narrowed, the hosts that are chosen have to be in the scope.
	r.who.Scopes = []string{"web"}
	r.refused(t, r.ask(t, "POST", "/runs/1/rerun", `{}`), "scope")
	r.refused(t, r.ask(t, "POST", "/runs/1/rerun", `{"exclude":["web1"]}`), "scope")
	if within := r.again(t, `{"only":["web1"]}`); !slices.Equal(within.Hosts, []string{"web1"}) {
		t.Errorf("got %v", within.Hosts)
	}
	r.who.Scopes = nil
	if err := r.store.Maintenance().Start(t.Context(), store.Rest{Host: "db1", Note: "disk", By: "ann"}, access.By{Actor: "ann", At: noon}); err != nil {
		t.Fatal(err)
	}
	if left := r.again(t, `{}`); !slices.Equal(left.Hosts, []string{"web1", "web2"}) {
		t.Errorf("got %v", left.Hosts)
	}
	if whole := r.again(t, `{"include_maintenance":true}`); !slices.Equal(whole.Hosts, []string{"web1", "web2", "db1"}) {
		t.Errorf("got %v", whole.Hosts)
	}
}

// An input that was sent once has to be sent again.
func TestRerunOfInput(t *testing.T) {
	r := newRig(t)
	r.endQueued(t, `{"selector":"web","command":"cat","stdin":"x"}`)
	w := r.ask(t, "POST", "/runs/1/rerun", `{}`)
	if r.refused(t, w, "invalid"); !strings.Contains(w.Body.String(), `"/stdin"`) {
		t.Errorf("got %s", w.Body)
	}
	if got := r.again(t, `{"stdin":"y"}`); got.Request.Keys["stdin"][0] != "-" {
		t.Errorf("got %+v", got)
	}
}
