package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// A writer is the [store.Writer] of a run.
type writer struct {
	history *History
	lock    *runLock // of the run
	// claim is the right to execute the run.
	claim scheduler.Claim
	args  []any // of the current statement; reused
	// finished: the end of the run is durable.
	finished bool
}

var _ store.Writer = (*writer)(nil)

// Write writes a batch in one transaction, or nothing if another process owns the run
// by now.
func (w *writer) Write(ctx context.Context, b *store.Batch) error {
	if w.history.beforeCommit != nil {
		w.history.beforeCommit()
	}
	tx, err := w.history.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	for _, write := range []func(context.Context, *sql.Tx, *store.Batch) error{
		w.checkClaim, w.writeAttempts, w.writeOutput, w.writeHosts, w.writeRun,
	} {
		if err := write(ctx, tx, b); err != nil {
			return err
		}
	}
	if err := w.history.commit(tx); err != nil {
		return err
	}
	w.finished = b.Run.Finished
	return nil
}

// checkClaim returns ErrTaken if the run is not the caller's any more.
func (w *writer) checkClaim(ctx context.Context, tx *sql.Tx, b *store.Batch) error {
	if w.finished {
		return nil // what comes after its own end
	}
	err := checkClaim(ctx, tx, w.claim)
	b.Taken = errors.Is(err, store.ErrTaken)
	return err
}

func (w *writer) writeAttempts(ctx context.Context, tx *sql.Tx, b *store.Batch) error {
	if len(b.Attempts) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `
		INSERT OR REPLACE INTO attempts (run_id, host, attempt, delay_ms, `+tables.ReportColumns+`)
		VALUES (?, ?, ?, ?, `+placeholders(tables.NumReportColumns)+`)`)
	if err != nil {
		return err
	}
	for i := range b.Attempts {
		a := &b.Attempts[i]
		w.args = append(w.args[:0], w.claim.Run, a.Host, a.Attempt, a.Delay.Milliseconds())
		w.args = tables.AppendReport(w.args, &a.Result, a.Hash)
		if _, err := insert.ExecContext(ctx, w.args...); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeOutput(ctx context.Context, tx *sql.Tx, b *store.Batch) error {
	if len(b.Output) == 0 {
		return nil
	}
	// A gap grows while the run goes on, and one that the tail of the stream
	// filled to its last byte is none.
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO output (run_id, host, attempt, stream, seq, at, start, codec, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run_id, host, attempt, seq) DO UPDATE SET data = excluded.data`)
	if err != nil {
		return err
	}
	for i := range b.Output {
		row := &b.Output[i]
		if row.Void {
			_, err = tx.ExecContext(ctx, "DELETE FROM output WHERE run_id = ? AND host = ? AND attempt = ? AND seq = ?",
				w.claim.Run, row.Host, row.Attempt, row.Seq)
		} else {
			_, err = insert.ExecContext(ctx, w.claim.Run, row.Host, row.Attempt, row.Stream.String(), row.Seq, timeText(row.At), row.Start, row.Codec, row.Data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeHosts(ctx context.Context, tx *sql.Tx, b *store.Batch) error {
	if len(b.Hosts) == 0 {
		return nil
	}
	ended, err := tx.PrepareContext(ctx, `
		UPDATE results SET (attempts, `+tables.ReportColumns+`) = (?, `+placeholders(tables.NumReportColumns)+`)
		WHERE run_id = ? AND position = ?`)
	if err != nil {
		return err
	}
	// All other columns are NULL until the end.
	running, err := tx.PrepareContext(ctx, `
		UPDATE results SET attempts = ?, address = ?, started = ?, started_at = ?,
			stdout_bytes = ?, stderr_bytes = ?, omitted_bytes = ?
		WHERE run_id = ? AND position = ?`)
	if err != nil {
		return err
	}
	for i := range b.Hosts {
		h := &b.Hosts[i]
		r, update := &h.Result, running
		w.args = append(w.args[:0], r.Attempts)
		if h.Ended {
			update = ended
			w.args = tables.AppendReport(w.args, r, h.Hash)
		} else {
			w.args = append(w.args, text(r.Report.Address), r.Report.Started, timeText(r.StartedAt), r.StdoutBytes, r.StderrBytes, r.OmittedBytes)
		}
		w.args = append(w.args, w.claim.Run, h.Position)
		if _, err := update.ExecContext(ctx, w.args...); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeRun(ctx context.Context, tx *sql.Tx, b *store.Batch) error {
	s := &b.Run.Summary
	args := []any{timeText(b.Run.Started), s.Stopped.String(), text(s.SpentBy), s.RemoteCode, b.Run.Bytes}
	for _, o := range fanout.Outcomes() {
		args = append(args, s.Counts[o])
	}
	state, was := store.Running, store.Running
	if b.Run.Finished {
		state = store.Finished
	}
	if w.finished {
		was = store.Finished
	}
	res, err := tx.ExecContext(ctx, `
		UPDATE runs SET started_at = coalesce(?, started_at), stopped = ?, spent_by = ?, remote_code = ?, recorded_bytes = ?,
			(`+tables.CountColumns+`) = (`+placeholders(tables.NumCounts)+`), ended_at = ?, state = ?, exit_code = ?
		WHERE id = ? AND state = ?`, append(args, timeText(s.Ended), string(state), b.Run.ExitCode, w.claim.Run, string(was))...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		b.Taken = err == nil
		return cmp.Or(err, store.ErrTaken)
	}
	if b.Run.Finished {
		if err := leaveQueue(ctx, tx, w.claim.Run); err != nil {
			return err
		}
	}
	if b.Ended == nil || w.claim.Firing == 0 {
		return nil
	}
	return w.history.repairer.tellLedger(ctx, tx, w.claim.Run, func() error { return w.history.states.endFiring(ctx, tx, *b.Ended) })
}

// Interrupt marks a run as interrupted whose end was not written.
func (w *writer) Interrupt(ctx context.Context) error {
	_, err := w.history.repairer.interrupt(ctx, w.claim.Run)
	return err
}

// Release releases the lock of the run.
func (w *writer) Release() error { return w.lock.release() }

// Fault adds the history to an error.
func (w *writer) Fault(err error) error { return w.history.fault("record", err) }
