package tables

import (
	"context"
	"fmt"

	"tutti/store"
)

// KeepScript writes the text of the script that a run was submitted with; nil: it was with
// none.
func KeepScript(ctx context.Context, tx Conn, script *store.QueuedScript, run int64) error {
	if script == nil {
		return nil
	}
	codec, kept, err := store.Encode(script.Text)
	if err == nil {
		_, err = tx.Exec(ctx, "INSERT INTO scripts (run_id, codec, data) VALUES (?, ?, ?)", run, codec, append([]byte{}, kept...))
	}
	return err
}

// Script is that of a [store.Queue].
func Script(ctx context.Context, db DB, run int64) ([]byte, error) {
	kept, err := All(ctx, db.Reader(), scanScript, "SELECT codec, data FROM scripts WHERE run_id = ?", run)
	if err != nil || len(kept) == 0 {
		return nil, db.Fault("read", err)
	}
	text, _, err := store.Decode(kept[0].codec, kept[0].data)
	if err != nil {
		return nil, db.Fault("read", fmt.Errorf("script of run %d: %w", run, err))
	}
	return text, nil
}

type keptScript struct {
	codec string
	data  []byte
}

func scanScript(rows Rows) (k keptScript, err error) { return k, rows.Scan(&k.codec, &k.data) }
