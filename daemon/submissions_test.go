package daemon_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"tutti/access"
	"tutti/daemon"
	"tutti/fanout"
	"tutti/server"
	"tutti/store"
)

// A run that is submitted to a daemon begins at once: without anything that watches the
// history, and as soon as a lane is free.
func TestSubmittedRunsBeginAtOnce(t *testing.T) {
	r := newRig(t, ok)
	d, err := daemon.Join(t.Context(), daemon.Config{
		Env: r.env, History: r.history, Lanes: 1, StopTimeout: time.Minute, Logger: slog.New(handler{r.log}),
	})
	if err != nil {
		t.Fatal(err)
	}
	daemon.Deafen(d)
	ctx, cancel := context.WithCancel(t.Context())
	run := &running{Daemon: d, stop: cancel, done: make(chan error, 1)}
	go func() { run.done <- d.Run(ctx) }()
	runs := daemon.SubmissionsOf(d)
	for range 3 {
		s := &server.Submission{
			Principal: access.Principal{Name: "unix:ann", Via: access.ViaUnix, Role: access.Operator},
			Request:   store.QueuedRequest{Selector: "web", Command: "true"},
			By:        access.By{Actor: "unix:ann", At: time.Now()},
		}
		decision, err := runs.Plan(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := runs.Submit(t.Context(), s, decision); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		<-r.visits
	}
	run.stop()
	run.wait(t)
	for _, ref := range []string{"1", "2", "3"} {
		if run := r.run(t, ref); run.Summary.Counts[fanout.OK] != 1 || run.User != "ann" {
			t.Errorf("run %s: got %+v", ref, run)
		}
	}
}
