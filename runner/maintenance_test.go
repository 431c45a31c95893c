package runner

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/scheduler"
	"tutti/store"
)

// A firing leaves hosts in maintenance out and says so; if none is left it is skipped,
// which is no failure of the job.
func TestFiringsLeaveHostsInMaintenanceOut(t *testing.T) {
	s := newSite(t, fleet.Host{Name: "web1"}, fleet.Host{Name: "web2"})
	job := scheduler.NewJob("backup", "UTC")
	job.Selector, job.Command = "all", "echo hello"
	first := s.request(t, job)
	by := access.By{Actor: "ann", Via: access.ViaSession, At: time.Now()}
	rest := func(r store.Rest) {
		t.Helper()
		if err := s.store.Maintenance().Start(t.Context(), r, by); err != nil {
			t.Fatal(err)
		}
	}
	var warned []string
	fire := func(assignment scheduler.Assignment) (int64, error) {
		t.Helper()
		warned = nil
		l := UnattendedLaunch(s.env, s.history, slog.New(slog.DiscardHandler))
		l.Warn = func(text string) { warned = append(warned, text) }
		err := l.FireAttached(t.Context(), &Firing{Assignment: assignment, Owner: s.owner})
		return l.RunID(), err
	}
	again := func() scheduler.Assignment {
		t.Helper()
		assignment, err := s.owner.Request(t.Context(), "backup", "ada", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return assignment
	}
	rest(store.Rest{Host: "web2", Note: "disk"})
	rest(store.Rest{Host: "web1", Until: time.Now().Add(-time.Minute)}) // which is over
	run, err := fire(first)
	if err != nil || strings.Join(warned, "|") != "1 host in maintenance left out (web2: disk, by ann)" {
		t.Errorf("got %v, warned %q", err, warned)
	}
	if hosts, err := s.store.HostsOf(t.Context(), "1", "", nil); err != nil || run != 1 || strings.Join(hosts, ",") != "web1" {
		t.Errorf("got run %d on %q, %v, want web1", run, hosts, err)
	}
	rest(store.Rest{Host: "web1"})
	const want = "all hosts are in maintenance (web[1-2])"
	if run, err = fire(again()); run != 0 || err == nil || err.Error() != want {
		t.Errorf("got run %d, %v, want %s", run, err, want)
	}
	rows, err := s.store.Firings(t.Context(), store.FiringQuery{Limit: 1})
	if err != nil || rows[0].Decision != scheduler.Skipped || rows[0].Reason != want {
		t.Errorf("got %+v, %v, want it skipped with the reason", rows[0], err)
	}
	for _, host := range []string{"web1", "web2"} {
		if in, err := s.store.Maintenance().Stop(t.Context(), host, by); !in || err != nil {
			t.Errorf("%s: got %t, %v", host, in, err)
		}
	}
	if run, err = fire(again()); run != 2 || err != nil || len(warned) > 0 {
		t.Errorf("got run %d, %v, warned %q, want all hosts", run, err, warned)
	}
}

// What a request is decided with is as it was: hosts are left out of the decision only.
func TestDecideLeavesOut(t *testing.T) {
	s := newSite(t, fleet.Host{Name: "web1"}, fleet.Host{Name: "web2"})
	task := fanout.Task{Action: fanout.Command("uptime")}
	request := &Request{}
	request.Login.User = "ada"
	d, err := s.env.Decide(t.Context(), request, &Lookup{Resting: []store.Rest{{Host: "web1", By: "ann"}, {Host: "db9", By: "ann"}}, Scopes: []string{"web2"}}, "all", task)
	if err != nil || len(d.Plan.Targets) != 1 || d.Plan.Targets[0].Name != "web2" || d.Plan.Targets[0].Index != 0 || len(d.Endpoints) != 1 {
		t.Errorf("got %+v, %v, want web2, whose host alone has to be in the scope", d, err)
	}
	if _, err := s.env.Decide(t.Context(), request, &Lookup{Resting: []store.Rest{{Host: "web1"}, {Host: "web2"}}}, "all", task); !errors.Is(err, scheduler.ErrMaintenance) {
		t.Errorf("got %v, want %v", err, scheduler.ErrMaintenance)
	}
}
