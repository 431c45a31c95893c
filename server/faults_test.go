package server_test

import (
	"context"
	"database/sql"
	"net/http/httptest"
	"testing"
	"time"

	"tutti/access"
	"tutti/scheduler"
	"tutti/server"
	"tutti/store"
)

// While another process has the history locked, changes are told to come again, and all
// that only reads goes on.
func TestLockedHistory(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep", nil)
	r.api.Patience = time.Millisecond
	db, err := sql.Open("sqlite3", "file:"+r.path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it has written nothing
	lock, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range [][3]string{
		{"POST", "/jobs/sweep/pause", ""},
		{"POST", "/jobs/sweep/run", ""},
		{"POST", "/jobs", `{"job":"other","spec":` + sweepSpec + `}`},
		{"PATCH", "/jobs/sweep", `{"command":"x"}`},
		{"DELETE", "/jobs/sweep", ""},
		{"POST", "/apply", `{"jobs":{"other":` + sweepSpec + `}}`},
		{"POST", "/users", `{"user":"eve","role":"viewer"}`},
		{"PUT", "/hosts/web1/maintenance", `{}`},
	} {
		header := []string{"If-Match", `"1"`}
		if q[1] == "/apply" {
			header = nil
		}
		w := r.ask(t, q[0], q[1], q[2], header...)
		if r.refused(t, w, "history-busy"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s: got %d %v", q[0], q[1], w.Code, w.Header())
		}
		if w := r.ask(t, "GET", "/jobs/sweep", ""); w.Code != 200 {
			t.Errorf("to read: got %d %s", w.Code, w.Body)
		}
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if w := r.ask(t, "POST", "/jobs/sweep/pause", ""); w.Code != 200 {
		t.Errorf("afterwards: got %d %s", w.Code, w.Body)
	}
}

// fullChanges are changes on a disk without space.
type fullChanges struct{ server.JobChanges }

func (fullChanges) Pause(context.Context, *access.Principal, string, scheduler.Pause) error {
	return &store.Error{Op: "change", Kind: store.ErrFull}
}

func TestFullDisk(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep", nil)
	changes := r.api.Changes
	r.api.Changes = fullChanges{changes}
	var w *httptest.ResponseRecorder
	if w = r.ask(t, "POST", "/jobs/sweep/pause", ""); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	r.refused(t, w, "history-full")
	if r.api.Changes = changes; r.ask(t, "POST", "/jobs/sweep/pause", "").Code != 200 {
		t.Error("it does not go on")
	}
}
