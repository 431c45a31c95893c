package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// A writer is the [store.Writer] of a run. What it writes is only inserted, and has keys,
// so that a batch of which nobody knows whether it was written is written again.
type writer struct {
	history *History
	// claim is the right to execute the run, and controller who records it.
	claim      scheduler.Claim
	controller int64
	// submitted: the run came from the queue.
	submitted bool
	// recorded gives up the registration under which the run is recorded.
	recorded func()
	// marked is the last attempt of each host that is marked as started.
	marked map[int]int
	// finished: the end of the run is durable.
	finished bool
}

var _ store.Writer = (*writer)(nil)

const (
	// writeLimit bounds one try to write a batch.
	writeLimit = 20 * time.Second
	// writePatience is how long a batch is tried to be written to a server that does not
	// answer: meanwhile results wait in memory, and no host is started.
	writePatience = 5 * time.Minute
)

// Write writes a batch in one round trip, or nothing if another process owns the run by
// now.
func (w *writer) Write(ctx context.Context, b *store.Batch) error {
	patience := time.After(writePatience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := w.writeOnce(ctx, b)
		if err == nil {
			w.noteWritten(b)
			return nil
		}
		if b.Taken = errors.Is(err, store.ErrTaken) || errors.Is(kindOf(err), store.ErrTaken); b.Taken {
			return store.ErrTaken
		}
		if kind := kindOf(err); !errors.Is(kind, store.ErrUnreachable) && !errors.Is(kind, store.ErrBusy) && !errors.Is(kind, store.ErrStandby) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-patience:
			return err
		}
	}
}

func (w *writer) noteWritten(b *store.Batch) {
	w.finished = b.Run.Finished
	for i := range b.Hosts {
		if h := &b.Hosts[i]; h.Ended {
			delete(w.marked, h.Position)
		} else if h.Result.Report.Started {
			w.marked[h.Position] = h.Result.Attempts
		}
	}
}

func (w *writer) writeOnce(ctx context.Context, b *store.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	var batch pgx.Batch
	w.queueRun(&batch, b)
	w.queueAttempts(&batch, b)
	w.queueOutput(&batch, b)
	w.queueStarts(&batch, b)
	w.queueEnded(&batch, b)
	if b.Run.Finished && !w.finished && (w.submitted || w.claim.Firing != 0) {
		return w.finish(ctx, &batch, b)
	}
	batch.Queue(announce)
	return w.history.pool.SendBatch(ctx, &batch).Close()
}

// finish writes the last batch together with what the end of the run means elsewhere.
func (w *writer) finish(ctx context.Context, batch *pgx.Batch, b *store.Batch) error {
	return w.history.change(ctx, func(tx pgx.Tx) error {
		if err := lockJobOf(ctx, tx, w.claim.Run); err != nil {
			return err
		}
		again := pgx.Batch{QueuedQueries: batch.QueuedQueries} // f may be called again
		if err := tx.SendBatch(ctx, &again).Close(); err != nil {
			return err
		}
		if err := leaveQueue(ctx, tx, w.claim.Run); err != nil {
			return err
		}
		if b.Ended == nil || w.claim.Firing == 0 {
			return nil
		}
		return w.history.repairer.tellLedger(ctx, tx, w.claim.Run, func(tx pgx.Tx) error { return w.history.states.endFiring(ctx, tx, *b.Ended) })
	})
}

// queueRun adds the state of the run, which ends the transaction if the run is not the
// writer's any more: who takes it over changes its row, or that of its firing, for which
// the other waits.
func (w *writer) queueRun(batch *pgx.Batch, b *store.Batch) {
	s := &b.Run.Summary
	state := store.Running
	if b.Run.Finished {
		state = store.Finished
	}
	args := pgx.NamedArgs{
		"run": w.claim.Run, "controller": w.controller, "firing": w.claim.Firing, "fence": w.claim.Fence,
		"started_at": timeText(b.Run.Started), "stopped": s.Stopped.String(), "spent_by": text(s.SpentBy), "code": s.RemoteCode,
		"bytes": b.Run.Bytes, "ended_at": timeText(s.Ended), "state": string(state), "exit_code": b.Run.ExitCode,
	}
	for _, o := range fanout.Outcomes() {
		args[o.String()] = s.Counts[o]
	}
	query := holdRun
	if w.claim.Firing != 0 && !w.finished {
		query = holdFiring
	}
	batch.Queue(query, args)
}

// A run that is finished may be written again, since its last batch may have been.
const (
	updateRun = `run AS (
		UPDATE runs SET started_at = coalesce(@started_at, started_at), stopped = @stopped, spent_by = @spent_by, remote_code = @code,
			recorded_bytes = @bytes, ok = @ok, failed = @failed, timeout = @timeout, lost = @lost, unreachable = @unreachable,
			canceled = @canceled, skipped = @skipped, ended_at = @ended_at, state = @state, exit_code = @exit_code
		WHERE id = @run AND controller = @controller AND (state = 'running' OR state = 'finished' AND @state = 'finished')
		RETURNING id)`
	holdRun    = "WITH " + updateRun + " SELECT hold(EXISTS (SELECT 1 FROM run))"
	holdFiring = `WITH claim AS (
		SELECT 1 FROM firings WHERE id = @firing AND run_id = @run
			AND (daemon_id = @fence AND ended IS NULL AND settled_at IS NULL OR @state = 'finished' AND ended IS NOT NULL) FOR SHARE), ` +
		updateRun + " SELECT hold(EXISTS (SELECT 1 FROM claim) AND EXISTS (SELECT 1 FROM run))"
)

func (w *writer) queueAttempts(batch *pgx.Batch, b *store.Batch) {
	for i := range b.Attempts {
		a := &b.Attempts[i]
		args := []any{w.claim.Run, a.Host, a.Attempt, a.Delay.Milliseconds()}
		batch.Queue(insertAttempt, tables.AppendReport(args, &a.Result, a.Hash)...)
	}
}

var (
	insertAttempt = "INSERT INTO attempts (run_id, host, attempt, delay_ms, " + tables.ReportColumns + ") VALUES (" +
		places(1, 4+tables.NumReportColumns) + ") ON CONFLICT DO NOTHING"
	insertEnded = "INSERT INTO ended (run_id, position, attempts, " + tables.ReportColumns + ") VALUES (" +
		places(1, 3+tables.NumReportColumns) + ") ON CONFLICT DO NOTHING"
)

// queueOutput adds pieces of output. A gap grows while the run goes on, and one that the
// tail of the stream filled to its last byte is none.
func (w *writer) queueOutput(batch *pgx.Batch, b *store.Batch) {
	for i := range b.Output {
		row := &b.Output[i]
		if row.Void {
			batch.Queue("DELETE FROM output WHERE run_id = $1 AND host = $2 AND attempt = $3 AND seq = $4", w.claim.Run, row.Host, row.Attempt, row.Seq)
			continue
		}
		data := row.Data
		if _, omitted := data.(int64); omitted {
			data = nil
		}
		batch.Queue(`
			INSERT INTO output (run_id, host, attempt, stream, seq, at, start, size, codec, data)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (run_id, host, attempt, seq) DO UPDATE SET size = excluded.size, data = excluded.data`,
			w.claim.Run, row.Host, row.Attempt, row.Stream.String(), row.Seq, timeText(row.At), row.Start, row.Size, row.Codec, data)
	}
}

// queueStarts adds the marks, in one statement.
func (w *writer) queueStarts(batch *pgx.Batch, b *store.Batch) {
	var positions, attempts []int64
	var addresses, times []string
	for i := range b.Hosts {
		h := &b.Hosts[i]
		if h.Ended || !h.Result.Report.Started || w.marked[h.Position] == h.Result.Attempts {
			continue
		}
		positions, attempts = append(positions, int64(h.Position)), append(attempts, int64(h.Result.Attempts))
		addresses, times = append(addresses, h.Result.Report.Address), append(times, started(h.Result.StartedAt))
	}
	if positions == nil {
		return
	}
	batch.Queue(`
		INSERT INTO starts (run_id, position, attempt, address, at, epoch)
		SELECT $1, s.position, s.attempt, nullif(s.address, ''), nullif(s.at, ''), $2
		FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[]) AS s (position, attempt, address, at)
		ON CONFLICT DO NOTHING`, w.claim.Run, w.controller, positions, attempts, addresses, times)
}

// started is when a command was started; empty: that is not known.
func started(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return fanout.FormatTime(at)
}

// queueEnded adds the results of hosts.
func (w *writer) queueEnded(batch *pgx.Batch, b *store.Batch) {
	for i := range b.Hosts {
		if h := &b.Hosts[i]; h.Ended {
			batch.Queue(insertEnded, tables.AppendReport([]any{w.claim.Run, h.Position, h.Result.Attempts}, &h.Result, h.Hash)...)
		}
	}
}

// Interrupt marks a run as interrupted whose end was not written.
func (w *writer) Interrupt(ctx context.Context) error {
	_, err := w.history.repairer.interrupt(ctx, w.claim.Run)
	return err
}

// Release gives up the registration under which the run was recorded.
func (w *writer) Release() error {
	w.recorded()
	return nil
}

// Fault adds the history to an error.
func (w *writer) Fault(err error) error { return w.history.fault("record", err) }
