package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"

	"tutti/access"
)

// note adds a line to the audit.
func note(ctx context.Context, tx *sql.Tx, e *access.Entry) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO audit (at, actor, via, remote, action, object, outcome, before, after, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		timeText(e.At), text(e.Actor), text(string(e.Via)), text(e.Remote), e.Action, text(e.Object), string(e.Outcome),
		text(string(e.Before)), text(string(e.After)), text(e.Request))
	return err
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
