package sqlite

import (
	"context"
	"database/sql"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// Heartbeats are the newest of each host, see [store.Heartbeats].
type Heartbeats struct{ *fileHandle }

var _ store.Heartbeats = (*Heartbeats)(nil)

// Beat records heartbeats.
func (b *Heartbeats) Beat(ctx context.Context, all []store.Heartbeat, now time.Time) error {
	return b.change(ctx, func(tx *sql.Tx) error {
		put, err := tx.PrepareContext(ctx, `
			INSERT INTO heartbeats (host, at, reached_at, since, error_op, error)
			VALUES (@host, @at, iif(@failed, NULL, @at), iif(@failed, @at, NULL), @op, @error)
			ON CONFLICT (host) DO UPDATE SET at = excluded.at, error_op = excluded.error_op, error = excluded.error,
				reached_at = coalesce(excluded.reached_at, reached_at), since = iif(@failed, coalesce(since, excluded.since), NULL)
			WHERE excluded.at >= at`)
		if err != nil {
			return err
		}
		defer func() { _ = put.Close() }() // the transaction has it
		for i := range all {
			x := &all[i]
			op, cause := "", ""
			if x.Failed {
				op, cause = string(x.Op), x.Error
			}
			_, err := put.ExecContext(ctx, sql.Named("host", x.Host), sql.Named("at", timeText(x.At)), sql.Named("failed", x.Failed),
				sql.Named("op", text(op)), sql.Named("error", text(cause)))
			if err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM heartbeats WHERE at < ?", timeText(now.Add(-store.KeptHeartbeats)))
		return err
	})
}

// addPulses adds to healths what heartbeats know of the hosts.
func (v views) addPulses(ctx context.Context, all []store.HostHealth) error {
	byHost := make(map[string]*store.HostHealth, len(all))
	names := make([]string, len(all))
	for i := range all {
		byHost[all[i].Host], names[i] = &all[i], all[i].Host
	}
	pulses, err := scanAll(ctx, v.r, scanPulse, `
		SELECT host, at, reached_at, since, error_op, error FROM heartbeats WHERE host IN (SELECT value FROM json_each(?))`, jsonList(names))
	for i := range pulses {
		if h := byHost[pulses[i].Last.Host]; h != nil {
			h.Feel(&pulses[i])
		}
	}
	return err
}

func scanPulse(rows *sql.Rows) (p store.Pulse, err error) {
	var at, reached, since, op, cause sql.NullString
	if err := rows.Scan(&p.Last.Host, &at, &reached, &since, &op, &cause); err != nil {
		return p, err
	}
	p.Last.Failed, p.Last.Op, p.Last.Error = since.Valid, fanout.Op(op.String), cause.String
	return p, parseTimes(timeCell{&p.Last.At, at}, timeCell{&p.Reached, reached}, timeCell{&p.Since, since})
}
