package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
)

// note adds a line to the audit.
func note(ctx context.Context, tx *sql.Tx, e *access.Entry) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO audit (at, actor, via, remote, action, object, outcome, before, after, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		timeText(e.At), text(e.Actor), text(string(e.Via)), text(e.Remote), e.Action, text(e.Object), string(e.Outcome),
		text(string(e.Before)), text(string(e.After)), text(e.Request))
	return err
}

// noteAudited adds the entry that goes with a change, if there is one; see [store.Audited].
// after is for an entry that has none; nil: it stays without.
func noteAudited(ctx context.Context, tx *sql.Tx, object string, outcome access.Outcome, after access.Details) error {
	e, ok := store.AuditOf(ctx)
	if !ok {
		return nil
	}
	e.Object, e.Outcome = cmp.Or(e.Object, object), cmp.Or(e.Outcome, outcome)
	if e.After == nil && after != nil {
		e.After = after.JSON()
	}
	return note(ctx, tx, &e)
}

// noteJob is noteAudited for a change of a job.
func noteJob(ctx context.Context, tx *sql.Tx, k *scheduler.StoredJob, outcome access.Outcome) error {
	details := access.Details{"version": k.Version}
	if e, _ := store.AuditOf(ctx); e.Action == "job.pause" {
		if !k.Pause.Until.IsZero() {
			details["until"] = timeText(k.Pause.Until)
		}
		if k.Pause.Note != "" {
			details["note"] = k.Pause.Note
		}
	}
	return noteAudited(ctx, tx, "job:"+k.Name, outcome, details)
}

// noteRun is noteAudited for a change of a run.
func noteRun(ctx context.Context, tx *sql.Tx, run int64, after access.Details) error {
	return noteAudited(ctx, tx, fmt.Sprintf("run:%d", run), access.Done, after)
}

// A notedDatabase adds the entry that goes with a change to the audit, in the transaction of
// the first statement that changes a row. It is for one goroutine.
type notedDatabase struct {
	*History
	noted bool
}

// QueryContext implements [queryer].
func (n *notedDatabase) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return n.w.QueryContext(ctx, query, args...)
}

// QueryRowContext implements [queryer].
func (n *notedDatabase) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return n.w.QueryRowContext(ctx, query, args...)
}

// ExecContext implements [database].
func (n *notedDatabase) ExecContext(ctx context.Context, query string, args ...any) (res sql.Result, err error) {
	if n.noted {
		return n.w.ExecContext(ctx, query, args...)
	}
	changed := int64(0)
	err = n.change(ctx, func(tx *sql.Tx) error {
		if res, err = tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
		if changed, err = res.RowsAffected(); err != nil || changed == 0 {
			return err
		}
		return noteAudited(ctx, tx, "history", access.Done, nil)
	})
	n.noted = err == nil && changed > 0
	return res, err
}

// Record adds a line to the audit about something that is kept elsewhere, or that was
// refused.
func (a *Accounts) Record(ctx context.Context, e access.Entry) error {
	return a.change(ctx, func(tx *sql.Tx) error { return note(ctx, tx, &e) })
}

// Audit are the entries that fit q, newest first.
func (a *Accounts) Audit(ctx context.Context, q access.AuditQuery) ([]access.Entry, error) {
	entries, err := selectAudit(ctx, a.r, q)
	return entries, a.fault("read", err)
}

func selectAudit(ctx context.Context, db queryer, q access.AuditQuery) ([]access.Entry, error) {
	var where []string
	var args []any
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if q.Actor != "" {
		add("actor = ?", q.Actor)
	}
	if q.Action != "" {
		add("(action = ? OR substr(action, 1, ?) = ?)", q.Action, len(q.Action)+1, q.Action+".")
	}
	if q.Object != "" {
		add("object = ?", q.Object)
	}
	if !q.Since.IsZero() {
		add("at >= ?", timeText(q.Since))
	}
	if q.Before > 0 {
		add("id < ?", q.Before)
	}
	query := "SELECT id, at, actor, via, remote, action, object, outcome, before, after, request FROM audit"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY id DESC"
	if q.Limit > 0 {
		query += " LIMIT ?"
		args = append(args, q.Limit)
	}
	return scanAll(ctx, db, scanEntry, query, args...)
}

func scanEntry(rows *sql.Rows) (e access.Entry, err error) {
	var at, actor, via, remote, object, before, after, request sql.NullString
	if err := rows.Scan(&e.ID, &at, &actor, &via, &remote, &e.Action, &object, &e.Outcome, &before, &after, &request); err != nil {
		return e, err
	}
	e.Actor, e.Via, e.Remote, e.Object, e.Request = actor.String, access.Via(via.String), remote.String, object.String, request.String
	if before.Valid {
		e.Before = json.RawMessage(before.String)
	}
	if after.Valid {
		e.After = json.RawMessage(after.String)
	}
	e.At, err = parseTime(at)
	return e, err
}
