package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tutti/store"
)

// keepScript writes the text of the script that a run was submitted with.
func keepScript(ctx context.Context, tx *sql.Tx, script *store.QueuedScript, run int64) error {
	if script == nil {
		return nil
	}
	codec, kept, err := store.Encode(script.Text)
	if err == nil {
		_, err = tx.ExecContext(ctx, "INSERT INTO scripts (run_id, codec, data) VALUES (?, ?, ?)", run, codec, append([]byte{}, kept...))
	}
	return err
}

// Script returns the text of the script of a run; see [store.Queue].
func (q *Queue) Script(ctx context.Context, run int64) ([]byte, error) {
	var codec string
	var kept any
	err := q.r.QueryRowContext(ctx, "SELECT codec, data FROM scripts WHERE run_id = ?", run).Scan(&codec, &kept)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, q.fault("read", err)
	}
	text, _, err := store.Decode(codec, kept)
	if err != nil {
		return nil, q.fault("read", fmt.Errorf("script of run %d: %w", run, err))
	}
	return text, nil
}
