package live

import (
	"fmt"
	"slices"
	"testing"

	"tutti/store"
)

// TestLookAtRuns: a run starts once it runs, also if it has waited, and ends once.
func TestLookAtRuns(t *testing.T) {
	s := &Streams{}
	l := &looker{s: s, running: map[int64]bool{}, looked: true}
	for _, runs := range [][]store.Run{
		{{ID: 2, State: store.Queued}, {ID: 1, State: store.Running}},
		{{ID: 2, State: store.Queued}, {ID: 1, State: store.Finished}},
		{{ID: 3, State: store.Finished}, {ID: 2, State: store.Running}, {ID: 1, State: store.Finished}},
		{{ID: 3, State: store.Finished}, {ID: 2, State: store.Interrupted}, {ID: 1, State: store.Finished}},
	} {
		l.lookAtRuns(runs)
	}
	published, _, _, _ := s.events.after(0)
	var got []string
	for _, x := range published {
		got = append(got, fmt.Sprint(x.Event, " ", x.Run.ID))
	}
	want := []string{"run_started 1", "run_ended 1", "run_started 2", "run_started 3", "run_ended 3", "run_ended 2"}
	if !slices.Equal(got, want) || len(l.running) > 0 {
		t.Errorf("got %q and %v open, want %q", got, l.running, want)
	}
}
