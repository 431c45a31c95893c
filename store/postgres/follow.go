package postgres

import (
	"context"
	"fmt"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// Follow sends the run to sink while it is running; see [store.History].
func (h *History) Follow(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error {
	wake, end := h.Wake()
	defer end()
	return store.Follow(ctx, &followed{pages: pages{handle: h.handle, run: run}, history: h}, f, sink, wake)
}

// A followed run is one that is read while it goes on.
type followed struct {
	pages
	history *History
}

var _ store.Watched = (*followed)(nil)

// Now returns the run as it is.
func (w *followed) Now(ctx context.Context) (store.Run, error) {
	run, err := w.history.runByID(ctx, w.run, fmt.Sprint(w.run))
	if err != nil || run.State != store.Running {
		return run, err
	}
	dead, err := deadRuns(ctx, w.pool, w.run)
	switch {
	case err != nil:
		return run, w.fault("read", err)
	case len(dead) == 0:
		return run, nil
	case w.ReadOnly(): // this process may not repair it
		run.State = store.Interrupted
		return run, nil
	}
	if _, err := w.history.Ends(ctx, nil); err != nil {
		return run, err
	}
	return w.history.runByID(ctx, w.run, fmt.Sprint(w.run))
}

// States returns the states of hosts.
func (w *followed) States(ctx context.Context, positions []int) ([]store.HostState, error) {
	if positions == nil {
		return w.hostStates(ctx, "run_id = $1", w.run)
	}
	return w.hostStates(ctx, "run_id = $1 AND position = ANY($2::bigint[])", w.run, positions)
}

// States returns the states of the hosts of a run, in the order of its plan.
func (h *History) States(ctx context.Context, run int64) ([]store.HostState, error) {
	states, err := h.hostStates(ctx, "run_id = $1", run)
	return states, h.fault("read", err)
}

func (h *handle) hostStates(ctx context.Context, where string, args ...any) ([]store.HostState, error) {
	return tables.All(ctx, on(h.pool), tables.ScanHostState,
		"SELECT "+tables.HostStateColumns+" FROM results WHERE "+where+" ORDER BY position", args...)
}
