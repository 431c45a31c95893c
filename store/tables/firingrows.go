package tables

import (
	"cmp"
	"context"
	"database/sql"

	"tutti/scheduler"
	"tutti/store"
)

// FiringRow is a firing as lists show it, without its run and notifications.
func FiringRow(f *scheduler.FiringRecord) store.FiringRow {
	r := store.FiringRow{
		ID: f.ID, Job: f.Job, JobID: f.JobID, ScheduledAt: f.At, DueAt: f.Due, Decision: f.Decision, Reason: f.Reason,
		RunID: f.Run, DecidedAt: f.Decided, RequestedBy: f.RequestedBy, Repeats: f.Repeats,
		CaughtUp: f.CaughtUp,
	}
	if !f.Gap.First.IsZero() {
		r.Missed = f.Gap
	}
	return r
}

// Notifications returns those of firings, by the numbers of these. within is a condition of
// a number, with firings as its argument.
func Notifications(ctx context.Context, c Reader, within string, firings any) (map[int64][]store.NotificationRow, error) {
	rows, err := c.Query(ctx, `
		SELECT firing_id, at, occasion, kind, target, attempt, coalesce(error, ''), EXISTS (
			SELECT 1 FROM outbox AS o WHERE o.firing_id = n.firing_id AND o.occasion = n.occasion AND o.kind = n.kind)
		FROM notifications AS n WHERE firing_id `+within+` ORDER BY id`, firings)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	notes := make(map[int64][]store.NotificationRow)
	for rows.Next() {
		var firing int64
		var n store.NotificationRow
		var at sql.NullString
		if err := rows.Scan(&firing, &at, &n.Event, &n.Kind, &n.Target, &n.Attempt, &n.Error, &n.Waiting); err != nil {
			return nil, err
		}
		if n.At, err = ParseTime(at); err != nil {
			n.Error = cmp.Or(n.Error, "its time cannot be read: "+err.Error())
		}
		notes[firing] = append(notes[firing], n)
	}
	return notes, rows.Err()
}
