package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// Firings returns the firings that match q, newest first; see [store.History].
func (h *History) Firings(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error) {
	rows, err := h.firings(ctx, q)
	return rows, h.fault("read", err)
}

func (h *History) firings(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error) {
	where, args := whereFirings(&q)
	firings, err := selectFirings(ctx, h.pool, tables.FailFiring, where, args...)
	if err != nil {
		return nil, err
	}
	unreadable := make(map[int64]error)
	var runIDs, ids []int64
	for i := range firings {
		ids, runIDs = append(ids, firings[i].ID), append(runIDs, firings[i].Run)
	}
	runs, err := h.runs.runsByID(ctx, h.pool, runIDs, func(r *store.Run, err error) error {
		unreadable[r.ID] = fmt.Errorf("run %d: %w", r.ID, err)
		r.Summary.Started, r.Summary.Ended = time.Time{}, time.Time{} // one of them may be missing
		return nil
	})
	if err != nil {
		return nil, err
	}
	notes, err := tables.Notifications(ctx, on(h.pool), "= ANY(?)", ids)
	if err != nil {
		return nil, err
	}
	rows := make([]store.FiringRow, len(firings))
	for i := range firings {
		rows[i] = tables.FiringRow(&firings[i])
		rows[i].Run, rows[i].Notifications = runs[rows[i].RunID], notes[rows[i].ID]
		if err := unreadable[rows[i].RunID]; err != nil && rows[i].Decision != scheduler.Failed {
			rows[i].Reason = err.Error()
		}
	}
	return rows, nil
}

// whereFirings is which firings match q, in their order.
func whereFirings(q *store.FiringQuery) (string, []any) {
	var c conditions
	c.add("true")
	if q.Job != "" {
		c.add("job = ?", q.Job)
	}
	if q.Decisions != nil {
		names := make([]string, len(q.Decisions))
		for i, d := range q.Decisions {
			names[i] = d.String()
		}
		c.add("decision = ANY(?)", names)
	}
	if !q.Since.IsZero() {
		c.add("decided_at >= ?", timeText(q.Since))
	}
	if q.Before != 0 {
		c.add("id < ?", q.Before)
	}
	where, args := c.clause(newestFirst(q.Limit))
	return strings.TrimPrefix(where, " WHERE "), args
}

// JobChanges returns the changes of all jobs that have or had the name, newest first.
func (h *History) JobChanges(ctx context.Context, name string) ([]store.JobChange, error) {
	changes, err := tables.JobChanges(ctx, on(h.pool), name)
	if err == nil && len(changes) == 0 {
		err = noJob(ctx, h.pool, name)
	}
	return changes, h.fault("read", err)
}
