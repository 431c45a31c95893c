package sqlite

import (
	"context"
	"database/sql"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// A table is the file as package tables uses it.
type table struct{ *fileHandle }

var _ tables.DB = table{}

// Reader reads what is committed.
func (t table) Reader() tables.Conn { return on(t.r) }

// Change is that of the handle.
func (t table) Change(ctx context.Context, f func(tx tables.Conn) error) error {
	return t.change(ctx, func(tx *sql.Tx) error { return f(on(tx)) })
}

// A conn is a connection, or a transaction, as package tables uses it.
type conn struct{ db database }

func on(db database) tables.Conn { return conn{db} }

// Query returns the rows of a query.
func (c conn) Query(ctx context.Context, query string, args ...any) (tables.Rows, error) {
	return c.db.QueryContext(ctx, query, args...)
}

// Exec returns how many rows a query has changed.
func (c conn) Exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	res, err := c.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// A reader is a connection, or a transaction, that only reads.
type reader struct{ queryer }

// Query returns the rows of a query.
func (r reader) Query(ctx context.Context, query string, args ...any) (tables.Rows, error) {
	return r.QueryContext(ctx, query, args...)
}

// Access is who may do what, as the file has it.
func (s *Store) Access() access.Store { return tables.Accounts(table{s.fileHandle}) }

// Maintenance is which hosts runs leave out.
func (s *Store) Maintenance() store.Maintenance { return tables.Maintenance(table{s.fileHandle}) }

// Heartbeats are the newest of each host.
func (s *Store) Heartbeats() store.Heartbeats { return tables.Heartbeats(table{s.fileHandle}) }

// Callbacks are those of submitted runs.
func (s *Store) Callbacks() store.Callbacks { return tables.Callbacks(table{s.fileHandle}) }

// Messages are those of the outbox.
func (s *Store) Messages() store.Messages { return tables.Messages(table{s.fileHandle}) }

// note adds a line to the audit.
func note(ctx context.Context, tx *sql.Tx, e *access.Entry) error { return tables.Note(ctx, on(tx), e) }

// noteAudited adds the entry that goes with a change, if there is one; see [store.Audited].
func noteAudited(ctx context.Context, tx *sql.Tx, object string, outcome access.Outcome, after access.Details) error {
	return tables.NoteAudited(ctx, on(tx), object, outcome, after)
}

// noteJob is noteAudited for a change of a job.
func noteJob(ctx context.Context, tx *sql.Tx, k *scheduler.StoredJob, outcome access.Outcome) error {
	return tables.NoteJob(ctx, on(tx), k, outcome)
}

// noteRun is noteAudited for a change of a run.
func noteRun(ctx context.Context, tx *sql.Tx, run int64, after access.Details) error {
	return tables.NoteRun(ctx, on(tx), run, after)
}
