package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// Firing returns a firing, or ErrTaken if it does not exist any more.
func (h *History) Firing(ctx context.Context, id int64) (scheduler.FiringRecord, error) {
	f, err := firingByID(ctx, h.r, id)
	if errors.Is(err, sql.ErrNoRows) {
		return f, store.ErrTaken
	}
	return f, h.fault("read", err)
}

// Firings returns the firings that match q, newest first. One that cannot be read is failed,
// and its reason is why; of one whose run or notification cannot be read, the reason or the
// notification's error is.
func (h *History) Firings(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error) {
	rows, err := h.firings(ctx, q)
	return rows, h.fault("read", err)
}

func (h *History) firings(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error) {
	where, args := whereFirings(q)
	firings, err := selectFirings(ctx, h.r, tables.FailFiring, where, args...)
	if err != nil {
		return nil, err
	}
	rows := make([]store.FiringRow, len(firings))
	var ids, runIDs []int64
	for i, f := range firings {
		rows[i] = tables.FiringRow(&f)
		ids, runIDs = append(ids, f.ID), append(runIDs, f.Run)
	}
	unreadable := make(map[int64]error)
	runs, err := h.runs.runsByID(ctx, h.r, runIDs, func(r *store.Run, err error) error {
		unreadable[r.ID] = fmt.Errorf("run %d: %w", r.ID, err)
		r.Summary.Started, r.Summary.Ended = time.Time{}, time.Time{} // one of them may be missing
		return nil
	})
	if err != nil {
		return nil, err
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	notes, err := tables.Notifications(ctx, reader{h.r}, "IN "+inPlaces, string(list))
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].Run, rows[i].Notifications = runs[rows[i].RunID], notes[rows[i].ID]
		if err := unreadable[rows[i].RunID]; err != nil && rows[i].Decision != scheduler.Failed {
			rows[i].Reason = err.Error()
		}
	}
	return rows, nil
}

func whereFirings(q store.FiringQuery) (string, []any) {
	where, args := "1", []any{}
	if q.Job != "" {
		where, args = where+" AND job = ?", append(args, q.Job)
	}
	if q.Decisions != nil {
		where += " AND decision IN (" + placeholders(len(q.Decisions)) + ")"
		for _, d := range q.Decisions {
			args = append(args, d.String())
		}
	}
	if !q.Since.IsZero() {
		where, args = where+" AND decided_at >= ?", append(args, timeText(q.Since))
	}
	if q.Before != 0 {
		where, args = where+" AND id < ?", append(args, q.Before)
	}
	where += " ORDER BY id DESC"
	if q.Limit > 0 {
		where += " LIMIT " + strconv.Itoa(q.Limit)
	}
	return where, args
}

// runsByID returns the runs of these numbers that exist; unreadable is that of selectRuns.
func (r *runReader) runsByID(ctx context.Context, q queryer, ids []int64, unreadable func(*store.Run, error) error) (map[int64]*store.Run, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	runs, err := r.selectRuns(ctx, q, unreadable, "SELECT "+tables.RunColumns+" FROM runs WHERE id IN (SELECT value FROM json_each(?))", string(list))
	byID := make(map[int64]*store.Run, len(runs))
	for i := range runs {
		byID[runs[i].ID] = &runs[i]
	}
	return byID, err
}
