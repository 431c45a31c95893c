package tables

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// heartbeats are the newest of each host, see [store.Heartbeats].
type heartbeats struct{ db DB }

// Heartbeats are the newest of each host of a database.
func Heartbeats(db DB) store.Heartbeats { return &heartbeats{db} }

// beatsAtOnce is how many heartbeats a statement writes: a database may be far away.
const beatsAtOnce = 500

// Beat records heartbeats.
func (h *heartbeats) Beat(ctx context.Context, all []store.Heartbeat, now time.Time) error {
	return h.db.Change(ctx, func(tx Conn) error {
		for some := range slices.Chunk(all, beatsAtOnce) {
			if err := putBeats(ctx, tx, some); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "DELETE FROM heartbeats WHERE at < ?", Time(now.Add(-store.KeptHeartbeats)))
		return err
	})
}

func putBeats(ctx context.Context, tx Conn, some []store.Heartbeat) error {
	var args []any
	for i := range some {
		x := &some[i]
		at := Time(x.At)
		if x.Failed {
			args = append(args, x.Host, at, nil, at, Text(string(x.Op)), Text(x.Error))
		} else {
			args = append(args, x.Host, at, at, nil, nil, nil)
		}
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO heartbeats (host, at, reached_at, since, error_op, error)
		VALUES `+strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?), ", len(some)), ", ")+`
		ON CONFLICT (host) DO UPDATE SET at = excluded.at, error_op = excluded.error_op, error = excluded.error,
			reached_at = coalesce(excluded.reached_at, heartbeats.reached_at),
			since = CASE WHEN excluded.since IS NOT NULL THEN coalesce(heartbeats.since, excluded.since) END
		WHERE excluded.at >= heartbeats.at`, args...)
	return err
}

// PulseColumns are the columns of heartbeats that ScanPulse reads.
const PulseColumns = "host, at, reached_at, since, error_op, error"

// ScanPulse reads PulseColumns.
func ScanPulse(rows Rows) (p store.Pulse, err error) {
	var at, reached, since, op, cause sql.NullString
	if err := rows.Scan(&p.Last.Host, &at, &reached, &since, &op, &cause); err != nil {
		return p, err
	}
	p.Last.Failed, p.Last.Op, p.Last.Error = since.Valid, fanout.Op(op.String), cause.String
	return p, ParseTimes(TimeCell{&p.Last.At, at}, TimeCell{&p.Reached, reached}, TimeCell{&p.Since, since})
}
