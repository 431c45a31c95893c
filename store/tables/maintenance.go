package tables

import (
	"context"
	"database/sql"
	"time"

	"tutti/access"
	"tutti/store"
)

// maintenance is which hosts are in maintenance, see [store.Maintenance].
type maintenance struct{ db DB }

// Maintenance has the hosts of a database that are in maintenance.
func Maintenance(db DB) store.Maintenance { return &maintenance{db} }

// Rests are the hosts that are in maintenance at now, by name.
func (m *maintenance) Rests(ctx context.Context, now time.Time) ([]store.Rest, error) {
	rests, err := selectRests(ctx, m.db.Reader(), " WHERE until IS NULL OR until > ? ORDER BY host", Time(now))
	return rests, m.db.Fault("read", err)
}

func selectRests(ctx context.Context, q Conn, where string, args ...any) ([]store.Rest, error) {
	return All(ctx, q, scanRest, "SELECT host, until, note, by, since FROM maintenance"+where, args...)
}

func scanRest(rows Rows) (r store.Rest, err error) {
	var until, note, since sql.NullString
	if err := rows.Scan(&r.Host, &until, &note, &r.By, &since); err != nil {
		return r, err
	}
	r.Note = note.String
	return r, ParseTimes(TimeCell{&r.Until, until}, TimeCell{&r.Since, since})
}

// restDetails are what the audit says of it.
func restDetails(r *store.Rest) access.Details {
	d := access.Details{}
	if !r.Until.IsZero() {
		d["until"] = Time(r.Until)
	}
	if r.Note != "" {
		d["note"] = r.Note
	}
	return d
}

// Start takes a host out.
func (m *maintenance) Start(ctx context.Context, r store.Rest, by access.By) error {
	return m.db.Change(ctx, func(tx Conn) error {
		e := access.Entry{By: by, Action: "maintenance.start", Object: "host:" + r.Host, Outcome: access.Done, After: restDetails(&r).JSON()}
		old, err := selectRests(ctx, tx, " WHERE host = ?", r.Host)
		if err != nil {
			return err
		}
		if len(old) > 0 {
			e.Before = restDetails(&old[0]).JSON()
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO maintenance (host, until, note, by, since) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (host) DO UPDATE SET until = excluded.until, note = excluded.note, by = excluded.by, since = excluded.since`,
			r.Host, Time(r.Until), Text(r.Note), by.Actor, Time(by.At))
		if err != nil {
			return err
		}
		return Note(ctx, tx, &e)
	})
}

// Stop takes a host back.
func (m *maintenance) Stop(ctx context.Context, host string, by access.By) (in bool, err error) {
	err = m.db.Change(ctx, func(tx Conn) error {
		old, err := selectRests(ctx, tx, " WHERE host = ?", host)
		if err != nil || len(old) == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM maintenance WHERE host = ?", host); err != nil {
			return err
		}
		in = old[0].Until.IsZero() || old[0].Until.After(by.At)
		return Note(ctx, tx, &access.Entry{
			By: by, Action: "maintenance.stop", Object: "host:" + host, Outcome: access.Done, Before: restDetails(&old[0]).JSON(),
		})
	})
	return in, err
}
