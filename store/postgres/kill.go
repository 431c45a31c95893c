package postgres

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// Stop requests a stop of a run that belongs to no job; see [scheduler.Ledger].
func (l *Ledger) Stop(ctx context.Context, x scheduler.Stop) error {
	return l.change(ctx, func(tx pgx.Tx) error {
		var state store.State
		err := tx.QueryRow(ctx, "SELECT state FROM runs WHERE id = $1 FOR UPDATE", x.Run).Scan(&state)
		switch {
		case errors.Is(err, pgx.ErrNoRows) || err == nil && state.Ended():
			return scheduler.ErrConflict
		case err != nil:
			return err
		}
		var b pgx.Batch
		writeStop(&b, &x)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		if state == store.Queued {
			if err := endQueued(ctx, tx, x.Run, store.Finished, fanout.StoppedKill, "", x.At); err != nil {
				return err
			}
		}
		return tables.NoteRun(ctx, on(tx), x.Run, nil)
	})
}

// Stops returns the requests to stop any of the runs; see [scheduler.Ledger].
func (l *Ledger) Stops(ctx context.Context, runs []int64) ([]scheduler.Stop, error) {
	stops, err := scanAll(ctx, l.pool, scanStop, `
		SELECT id, kill_by, kill_at, kill_how = 'halt', replaced_by FROM runs
		WHERE id = ANY($1) AND kill_at IS NOT NULL ORDER BY id`, runs)
	return stops, l.fault("read", err)
}

func scanStop(rows pgx.Rows) (x scheduler.Stop, err error) {
	var at sql.NullString
	var replacedBy sql.NullInt64
	if err := rows.Scan(&x.Run, &x.By, &at, &x.Halt, &replacedBy); err != nil {
		return x, err
	}
	x.ReplacedBy = replacedBy.Int64
	x.At, err = tables.ParseTime(at)
	return x, err
}

// The values of runs.kill_how.
const (
	killHalt = "halt"
	killEnd  = "end"
)

func killHow(x *scheduler.Stop) string {
	if x.Halt {
		return killHalt
	}
	return killEnd
}

// writeStop writes a request to stop a run, as [scheduler.Stop.Then] says.
func writeStop(b *pgx.Batch, x *scheduler.Stop) {
	const counts = "kill_at IS NULL OR kill_how = 'halt' AND @how = 'end'"
	b.Queue(`
		UPDATE runs SET kill_at = CASE WHEN `+counts+` THEN @at ELSE kill_at END, kill_by = CASE WHEN `+counts+` THEN @by ELSE kill_by END,
			kill_how = CASE WHEN `+counts+` THEN @how ELSE kill_how END, replaced_by = coalesce(@replaced_by, replaced_by)
		WHERE id = @run AND state IN ('queued', 'running')`,
		pgx.NamedArgs{"at": tables.Time(x.At), "by": x.By, "how": killHow(x), "replaced_by": tables.Number(x.ReplacedBy), "run": x.Run})
}
