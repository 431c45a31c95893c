package server_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"tutti/access"
	"tutti/store"
)

// A run is told as lines to who may see its hosts, and refusals are problems.
func TestEvents(t *testing.T) {
	r := newRig(t)
	id := r.record(t, store.RunInfo{User: "ann"}, func(host string) string { return host + "\n" })
	path := "/runs/" + strconv.FormatInt(id, 10) + "/events"
	w := r.ask(t, "GET", path, "", "Accept", "application/x-ndjson")
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if w.Code != http.StatusOK || !strings.Contains(lines[0], `"run_started"`) || !strings.Contains(lines[len(lines)-1], `"run_finished"`) {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	record := r.ask(t, "GET", path+"?until=record", "", "Accept", "application/x-ndjson")
	if record.Body.String() != w.Body.String() {
		t.Errorf("got %s of the record, want %s", record.Body, w.Body)
	}
	r.refused(t, r.ask(t, "GET", path+"?until=noon", "", "Accept", "application/x-ndjson"), "invalid")
	r.refused(t, r.ask(t, "GET", path+"?until=record", "", "Accept", "text/event-stream"), "stream-query")
	r.refused(t, r.ask(t, "GET", "/runs/99/events", "", "Accept", "application/x-ndjson"), "no-run")

	r.who = access.Principal{Name: "eve", Role: access.Viewer, Scopes: []string{"web1"}}
	some := r.ask(t, "GET", path, "", "Accept", "application/x-ndjson").Body.String()
	if !strings.Contains(some, "web1") || strings.Contains(some, "web2") || !strings.Contains(some, `"hosts":1`) {
		t.Errorf("got %s", some)
	}
	r.who = access.Principal{Name: "eve", Role: access.Viewer, Scopes: []string{"db1"}}
	none := r.ask(t, "GET", path, "", "Accept", "application/x-ndjson").Body.String()
	if strings.Contains(none, "web") || !strings.Contains(none, "db1") {
		t.Errorf("got %s", none)
	}
	r.who = access.Principal{Name: "eve", Role: access.Viewer, Scopes: []string{"web1", "db1"}} // which no host is in
	r.refused(t, r.ask(t, "GET", path, "", "Accept", "application/x-ndjson"), "no-run")
}
