package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// Follow sends the run to sink while it is running; see [store.History].
func (h *History) Follow(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error {
	wake, end := h.Wake()
	defer end()
	w := newFollowed(h, run)
	defer w.close()
	return store.Follow(ctx, w, f, sink, wake)
}

// A followed run is one that is read while it goes on.
type followed struct {
	pages
	history *History
}

var _ store.Watched = (*followed)(nil)

func newFollowed(h *History, run int64) *followed {
	return &followed{pages: pages{fileHandle: h.fileHandle, run: run}, history: h}
}

// Now returns the run as it is.
func (w *followed) Now(ctx context.Context) (store.Run, error) {
	run, err := w.history.runByID(ctx, w.run, fmt.Sprint(w.run))
	if err != nil || run.State != store.Running {
		return run, err
	}
	held, err := w.locks.held(w.run)
	switch {
	case err != nil:
		return run, w.fault("read", err)
	case held:
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
		return w.hostStates(ctx, "run_id = ?", w.run)
	}
	list, err := json.Marshal(positions)
	if err != nil {
		return nil, err
	}
	return w.hostStates(ctx, "run_id = ? AND position IN "+inPlaces, w.run, string(list))
}

// States returns the states of the hosts of a run, in the order of its plan.
func (h *History) States(ctx context.Context, run int64) ([]store.HostState, error) {
	states, err := h.hostStates(ctx, "run_id = ?", run)
	return states, h.fault("read", err)
}

func (h *fileHandle) hostStates(ctx context.Context, where string, args ...any) (states []store.HostState, err error) {
	rows, err := h.r.QueryContext(ctx, `
		SELECT `+tables.HostStateColumns+` FROM results WHERE `+where+` ORDER BY position`, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		x, err := tables.ScanHostState(rows)
		if err != nil {
			return nil, err
		}
		states = append(states, x)
	}
	return states, rows.Err()
}
