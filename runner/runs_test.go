package runner

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/scheduler"
	"tutti/store"
)

func TestOutcomesAgain(t *testing.T) {
	run := store.Run{Summary: fanout.Summary{Hosts: 6}}
	run.Summary.Counts[fanout.OK], run.Summary.Counts[fanout.Failed], run.Summary.Counts[fanout.Lost] = 3, 2, 1
	for _, tt := range []struct {
		name         string
		wanted, want []fanout.Outcome
	}{
		{"those that are not ok", nil, []fanout.Outcome{fanout.Failed, fanout.Lost}},
		{"those that there are", []fanout.Outcome{fanout.Lost, fanout.Unreachable}, []fanout.Outcome{fanout.Lost}},
		{"none", []fanout.Outcome{fanout.Timeout}, nil},
	} {
		got := OutcomesAgain(run, tt.wanted)
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestEnded: a run that waits has not ended, and is not running either.
func TestEnded(t *testing.T) {
	for state, want := range map[store.State]string{
		store.Finished: "<nil>", store.Interrupted: "<nil>", store.Running: "run 7 is still running", store.Queued: "run 7 has not started",
	} {
		if got := fmt.Sprint(Ended(store.Run{ID: 7, State: state})); got != want {
			t.Errorf("%s: got %q, want %q", state, got, want)
		}
	}
}

// The hosts of runs are found by names and wildcards, and what is none of them is
// an error with the name that was probably meant.
func TestHostsOfRuns(t *testing.T) {
	s := newSite(t, fleet.Host{Name: "web1"}, fleet.Host{Name: "web2"}, fleet.Host{Name: "db1"})
	job := scheduler.NewJob("all", "")
	job.Selector, job.Command = "all", "true"
	l := UnattendedLaunch(s.env, s.history, slog.New(slog.DiscardHandler))
	if err := l.Fire(t.Context(), &Firing{Assignment: s.request(t, job), Owner: s.owner}); err != nil {
		t.Fatal(err)
	}
	run, err := EndedRun(t.Context(), s.store, strconv.FormatInt(l.RunID(), 10), "ada")
	if err != nil || run.ID != l.RunID() {
		t.Fatalf("got run %d, %v, want %d", run.ID, err, l.RunID())
	}
	hosts, err := HostsOfRun(t.Context(), s.store, run, []string{"web*", "db1"})
	if want := []string{"web1", "web2", "db1"}; err != nil || !slices.Equal(hosts, want) {
		t.Errorf("got %q, %v, want %q", hosts, err, want)
	}
	hosts, err = s.env.HostsInHistory(t.Context(), s.store, []string{"db1", "all"})
	if want := []string{"db1", "db1", "web1", "web2"}; err != nil || len(hosts) != len(want) {
		t.Errorf("got %q, %v, want %q in some order", hosts, err, want)
	}
	_, err = HostsOfRun(t.Context(), s.store, run, []string{"web11"})
	if none := (*NoHostError)(nil); !errors.As(err, &none) || none.Near != "web1" || !slices.Equal(none.Runs, []int64{run.ID}) {
		t.Errorf("got %v, want that web1 was meant", err)
	}
	previous, err := PreviousRun(t.Context(), s.store, run, nil)
	if err != nil || len(previous.Hosts) != 3 || previous.Running != nil {
		t.Errorf("got %+v, %v, want three hosts, none of which runs anything", previous, err)
	}
}
