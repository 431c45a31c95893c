package daemon_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/access"
	"tutti/daemon"
	"tutti/fanout"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

// What has expired is removed within an hour, without a run that ends or a restart: old
// runs, sessions, login links, maintenance, keys of requests and lines of the audit.
func TestExpiredIsRemovedEachHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		getenv := func(string) string { return "" }
		history := &runner.History{
			Path: filepath.Join(t.TempDir(), "history.db"), Getenv: getenv, Warn: func(text string) { t.Error(text) },
			Retention: store.Retention{Keep: 24 * time.Hour}, Obey: true,
		}
		defer history.Close()
		s, err := history.ForRecording(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d, err := daemon.Join(t.Context(), daemon.Config{Env: &runner.Env{Getenv: getenv}, History: history})
		if err != nil {
			t.Fatal(err)
		}
		h := &house{T: t, store: s}
		h.fill()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			daemon.KeepHouse(ctx, d)
		}()
		pass := func(by time.Duration) {
			time.Sleep(by)
			synctest.Wait()
		}
		pass(time.Minute)
		h.want("after a minute", "run session link maintenance key old-entry entry")
		pass(time.Hour) // links end after 15 minutes, and this maintenance after 30
		h.want("after an hour", "run session key entry")
		pass(12 * time.Hour)
		h.want("after half a day", "run key entry")
		pass(12 * time.Hour)
		h.want("after a day", "entry")
		cancel()
		<-ended
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A house is a history with one of each thing that expires.
type house struct {
	*testing.T
	store store.Store
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) fill() {
	h.Helper()
	now := time.Now()
	by := access.By{Actor: "test", At: now}
	accounts := h.store.Access()
	u, err := accounts.AddUser(h.Context(), access.User{Name: "ann", Role: access.Admin}, by)
	h.must(err)
	h.must(accounts.AddSession(h.Context(), access.Session{Hash: access.Hash{1}, User: u.ID, Created: now, Used: now}, u.Revision, by))
	h.must(accounts.AddLink(h.Context(), access.Link{Hash: access.Hash{2}, User: u.ID, Created: now, Expires: now.Add(15 * time.Minute)}, by))
	h.must(h.store.Maintenance().Start(h.Context(), store.Rest{Host: "web1", Until: now.Add(30 * time.Minute)}, by))
	// It is a year old in half an hour.
	old := access.By{Actor: "test", At: now.Add(-access.AuditLife + 30*time.Minute)}
	h.must(accounts.Record(h.Context(), access.Entry{By: old, Action: "test.old", Outcome: access.Done}))
	h.must(accounts.Record(h.Context(), access.Entry{By: by, Action: "test.new", Outcome: access.Done}))
	plan := fanout.Plan{Source: "api", Selector: "web", Task: fanout.Task{Action: fanout.Command("x")}, Targets: []fanout.Target{{Name: "web1"}}}
	done, err := h.store.Queue().Submit(h.Context(), store.Submission{
		Plan: plan, Info: store.RunInfo{User: "ann", Principal: "ann"}, Key: "k1", Body: []byte("mac"), Now: now,
	})
	h.must(err)
	h.must(h.store.StopRun(h.Context(), scheduler.Stop{Run: done.Run, By: "ann", At: now}))
}

// want compares what is there.
func (h *house) want(when, want string) {
	h.Helper()
	now := time.Now()
	var got []string
	add := func(there bool, what string, err error) {
		h.Helper()
		if err != nil && !errors.As(err, new(*access.AuthError)) {
			h.Fatal(err)
		}
		if there {
			got = append(got, what)
		}
	}
	runs, err := h.store.Runs(h.Context(), store.Query{})
	add(len(runs) > 0, "run", err)
	_, err = h.store.Access().SessionByHash(h.Context(), access.Hash{1})
	add(err == nil, "session", err)
	_, err = h.store.Access().LinkByHash(h.Context(), access.Hash{2})
	add(err == nil, "link", err)
	rests, err := h.store.Maintenance().Rests(h.Context(), now.Add(-24*time.Hour))
	add(len(rests) > 0, "maintenance", err)
	key, err := h.store.Queue().Find(h.Context(), "ann", "k1", now.Add(-24*time.Hour))
	add(key != 0, "key", err)
	for _, action := range []string{"test.old", "test.new"} {
		entries, err := h.store.Access().Audit(h.Context(), access.AuditQuery{Action: action})
		add(len(entries) > 0, strings.NewReplacer("test.old", "old-entry", "test.new", "entry").Replace(action), err)
	}
	if got := strings.Join(got, " "); got != want {
		h.Errorf("%s: got %s, want %s", when, got, want)
	}
}
