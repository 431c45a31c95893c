package cmd

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/cmd/internal/cli"
	"tutti/fanout"
	"tutti/store"
)

// A stuckStore has runs of one host each, of which the first never ends.
type stuckStore struct {
	store.Store
}

func (stuckStore) Wake() (<-chan struct{}, func()) { return nil, func() {} }

func (stuckStore) Run(_ context.Context, ref, _ string) (store.Run, error) {
	if ref == "142" {
		return store.Run{ID: 142, State: store.Running}, nil
	}
	r := store.Run{State: store.Finished}
	r.Summary.Hosts, r.Summary.Counts[fanout.Canceled] = 1, 1
	return r, nil
}

func (stuckStore) Results(context.Context, int64) ([]store.HostResult, error) {
	r := store.HostResult{}
	r.Target.Name, r.Outcome = "web1", fanout.Canceled
	return []store.HostResult{r}, nil
}

// TestStoppedRunsAreShownBesideOneThatHangs: each run that was stopped is shown, and
// each that was not is an error.
func TestStoppedRunsAreShownBesideOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		err := showStopped(t.Context(), Streams{Out: &out}, stuckStore{}, []int64{142, 143, 144}, false, time.Minute)
		if err == nil || err.Error() != "run 142 was not stopped within 1m" || len(cli.Hints(err)) != 1 {
			t.Errorf("got %v with the hints %q, want that run 142 was not stopped", err, cli.Hints(err))
		}
		for _, want := range []string{"run 143: 1 canceled\n", "run 144: 1 canceled\n"} {
			if got := out.String(); !strings.Contains(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

// TestShowStoppedEndsWithItsOperator: once the operator interrupts it, no other run is
// waited for.
func TestShowStoppedEndsWithItsOperator(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fanout.ErrSignal)
	err := showStopped(ctx, Streams{Out: &bytes.Buffer{}}, stuckStore{}, []int64{142, 142}, false, time.Minute)
	if err == nil || err.Error() != fanout.ErrSignal.Error() {
		t.Errorf("got %v, want %v once", err, fanout.ErrSignal)
	}
}
