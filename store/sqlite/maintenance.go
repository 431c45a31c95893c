package sqlite

import (
	"context"
	"database/sql"
	"time"

	"tutti/access"
	"tutti/store"
)

// Maintenance is which hosts are in maintenance, see [store.Maintenance].
type Maintenance struct{ *fileHandle }

var _ store.Maintenance = (*Maintenance)(nil)

// Rests are the hosts that are in maintenance at now, by name.
func (m *Maintenance) Rests(ctx context.Context, now time.Time) ([]store.Rest, error) {
	rests, err := selectRests(ctx, m.r, " WHERE until IS NULL OR until > ? ORDER BY host", timeText(now))
	return rests, m.fault("read", err)
}

func selectRests(ctx context.Context, q queryer, where string, args ...any) ([]store.Rest, error) {
	return scanAll(ctx, q, scanRest, "SELECT host, until, note, by, since FROM maintenance"+where, args...)
}

func scanRest(rows *sql.Rows) (r store.Rest, err error) {
	var until, note, since sql.NullString
	if err := rows.Scan(&r.Host, &until, &note, &r.By, &since); err != nil {
		return r, err
	}
	r.Note = note.String
	return r, parseTimes(timeCell{&r.Until, until}, timeCell{&r.Since, since})
}

// restDetails are what the audit says of it.
func restDetails(r *store.Rest) access.Details {
	d := access.Details{}
	if !r.Until.IsZero() {
		d["until"] = timeText(r.Until)
	}
	if r.Note != "" {
		d["note"] = r.Note
	}
	return d
}

// Start takes a host out.
func (m *Maintenance) Start(ctx context.Context, r store.Rest, by access.By) error {
	return m.change(ctx, func(tx *sql.Tx) error {
		e := access.Entry{By: by, Action: "maintenance.start", Object: "host:" + r.Host, Outcome: access.Done, After: restDetails(&r).JSON()}
		old, err := selectRests(ctx, tx, " WHERE host = ?", r.Host)
		if err != nil {
			return err
		}
		if len(old) > 0 {
			e.Before = restDetails(&old[0]).JSON()
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO maintenance (host, until, note, by, since) VALUES (?, ?, ?, ?, ?)",
			r.Host, timeText(r.Until), text(r.Note), by.Actor, timeText(by.At))
		if err != nil {
			return err
		}
		return note(ctx, tx, &e)
	})
}

// Stop takes a host back.
func (m *Maintenance) Stop(ctx context.Context, host string, by access.By) (in bool, err error) {
	err = m.change(ctx, func(tx *sql.Tx) error {
		old, err := selectRests(ctx, tx, " WHERE host = ?", host)
		if err != nil || len(old) == 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM maintenance WHERE host = ?", host); err != nil {
			return err
		}
		in = old[0].Until.IsZero() || old[0].Until.After(by.At)
		return note(ctx, tx, &access.Entry{
			By: by, Action: "maintenance.stop", Object: "host:" + host, Outcome: access.Done, Before: restDetails(&old[0]).JSON(),
		})
	})
	return in, err
}
