package tables

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

// Note adds a line to the audit.
func Note(ctx context.Context, tx Conn, e *access.Entry) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO audit (at, actor, via, remote, action, object, outcome, before, after, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		Time(e.At), Text(e.Actor), Text(string(e.Via)), Text(e.Remote), e.Action, Text(e.Object), string(e.Outcome),
		Text(string(e.Before)), Text(string(e.After)), Text(e.Request))
	return err
}

// NoteAudited adds the entry that goes with a change, if there is one; see [store.Audited].
// after is for an entry that has none; nil: it stays without.
func NoteAudited(ctx context.Context, tx Conn, object string, outcome access.Outcome, after access.Details) error {
	e, ok := store.AuditOf(ctx)
	if !ok {
		return nil
	}
	e.Object, e.Outcome = cmp.Or(e.Object, object), cmp.Or(e.Outcome, outcome)
	if e.After == nil && after != nil {
		e.After = after.JSON()
	}
	return Note(ctx, tx, &e)
}

// NoteJob is NoteAudited for a change of a job.
func NoteJob(ctx context.Context, tx Conn, k *scheduler.StoredJob, outcome access.Outcome) error {
	details := access.Details{"version": k.Version}
	if e, _ := store.AuditOf(ctx); e.Action == "job.pause" {
		if !k.Pause.Until.IsZero() {
			details["until"] = Time(k.Pause.Until)
		}
		if k.Pause.Note != "" {
			details["note"] = k.Pause.Note
		}
	}
	return NoteAudited(ctx, tx, "job:"+k.Name, outcome, details)
}

// NoteRun is NoteAudited for a change of a run.
func NoteRun(ctx context.Context, tx Conn, run int64, after access.Details) error {
	return NoteAudited(ctx, tx, fmt.Sprintf("run:%d", run), access.Done, after)
}

// Record adds a line to the audit about something that is kept elsewhere, or that was
// refused.
func (a *accounts) Record(ctx context.Context, e access.Entry) error {
	return a.db.Change(ctx, func(tx Conn) error { return Note(ctx, tx, &e) })
}

// Audit are the entries that fit q, newest first.
func (a *accounts) Audit(ctx context.Context, q access.AuditQuery) ([]access.Entry, error) {
	entries, err := selectAudit(ctx, a.db.Reader(), q)
	return entries, a.db.Fault("read", err)
}

func selectAudit(ctx context.Context, db Conn, q access.AuditQuery) ([]access.Entry, error) {
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
		add("at >= ?", Time(q.Since))
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
	return All(ctx, db, scanEntry, query, args...)
}

func scanEntry(rows Rows) (e access.Entry, err error) {
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
	e.At, err = ParseTime(at)
	return e, err
}
