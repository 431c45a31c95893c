package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// Commit commits moves; see [scheduler.States]. They share a transaction.
func (l *Ledger) Commit(ctx context.Context, moves []scheduler.Move) ([]scheduler.Committed, error) {
	return l.commitFor(ctx, anyCaller, moves)
}

// anyCaller is a check of commitFor that lets every caller commit.
func anyCaller(context.Context, queryer) error { return nil }

// commitFor is Commit if may, which is called in the same transaction, returns nil.
func (l *Ledger) commitFor(ctx context.Context, may func(context.Context, queryer) error, moves []scheduler.Move) ([]scheduler.Committed, error) {
	done := make([]scheduler.Committed, len(moves))
	err := l.change(ctx, func(tx *sql.Tx) error {
		if err := may(ctx, tx); err != nil {
			return err
		}
		for i := range moves {
			if err := l.commitOne(ctx, tx, &moves[i], &done[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// commitOne makes a move or nothing of it. Its own error means that the transaction
// cannot go on.
func (l *Ledger) commitOne(ctx context.Context, tx *sql.Tx, m *scheduler.Move, done *scheduler.Committed) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT move"); err != nil {
		return err
	}
	err := l.states.move(ctx, tx, m)
	if err != nil {
		if _, failed := tx.ExecContext(ctx, "ROLLBACK TO move"); failed != nil {
			return err // SQLite has rolled back more than the move
		}
	}
	done.Rev, done.Err = m.From+1, l.fault("change", err)
	_, err = tx.ExecContext(ctx, "RELEASE move")
	return err
}

func (s *states) move(ctx context.Context, tx *sql.Tx, m *scheduler.Move) error {
	if err := tables.CheckOnce(ctx, on(tx)); err != nil {
		return err
	}
	if err := checkMove(ctx, tx, m); err != nil {
		return err
	}
	if err := s.writeNext(ctx, tx, m); err != nil {
		return err
	}
	fresh := len(m.Firings) - m.New
	for i := range m.Firings {
		write := updateFiring
		if i >= fresh {
			write = insertFiring
		}
		if err := write(ctx, tx, &m.Firings[i]); err != nil {
			return err
		}
	}
	for i := range m.Stops {
		if err := writeStop(ctx, tx, &m.Stops[i]); err != nil {
			return err
		}
	}
	for i := range m.Messages {
		if err := enqueueMessage(ctx, tx, &m.Next.Notify, &m.Messages[i], m.At); err != nil {
			return err
		}
	}
	outcome := access.Done
	for i := fresh; i < len(m.Firings); i++ {
		f := &m.Firings[i]
		switch {
		case f.RequestedBy == "":
		case f.Decision != scheduler.Run && f.Decision != scheduler.Queued:
			outcome = access.Refused
		default:
			if err := tables.KeepOnce(ctx, on(tx), tables.Made{Job: f.JobID, Firing: f.ID}); err != nil {
				return err
			}
		}
	}
	return noteJob(ctx, tx, &m.Next.StoredJob, outcome)
}

// checkMove returns why a move is refused.
func checkMove(ctx context.Context, tx *sql.Tx, m *scheduler.Move) error {
	var rev scheduler.Revision
	err := tx.QueryRowContext(ctx, "SELECT revision FROM job_states WHERE job_id = ?", m.Next.ID).Scan(&rev)
	if errors.Is(err, sql.ErrNoRows) || err == nil && rev != m.From {
		return scheduler.ErrConflict
	}
	if err != nil || m.New == 0 {
		return err
	}
	fresh := m.Firings[len(m.Firings)-m.New:]
	next, err := nextFiring(ctx, tx)
	if err != nil {
		return err
	}
	if fresh[0].ID < next {
		return scheduler.ErrConflict
	}
	for i := range fresh {
		if fresh[i].At.IsZero() {
			continue
		}
		known, err := exists(ctx, tx, "SELECT 1 FROM firings WHERE job_id = ? AND scheduled_at = ?", m.Next.ID, timeText(fresh[i].At))
		if err != nil {
			return err
		}
		if known {
			return scheduler.ErrKnown
		}
	}
	return nil
}

// writeNext writes the job and its state, except the firings.
func (s *states) writeNext(ctx context.Context, tx *sql.Tx, m *scheduler.Move) error {
	next := &m.Next
	if next.Removed {
		if err := s.deleteJob(ctx, tx, m); err != nil {
			return err
		}
		if err := closeUnreadable(ctx, tx, m); err != nil {
			return err
		}
		if len(next.Open) == 0 {
			_, err := tx.ExecContext(ctx, "DELETE FROM job_states WHERE job_id = ?", next.ID)
			return err
		}
	} else if next.Damaged() { // unreadable values are not overwritten
		_, err := tx.ExecContext(ctx, "UPDATE job_states SET revision = revision + 1 WHERE job_id = ?", next.ID)
		return err
	} else if edited, err := s.updateJob(ctx, tx, &next.StoredJob); err != nil {
		return err
	} else if edited {
		if err := closeUnreadable(ctx, tx, m); err != nil {
			return err
		}
	}
	ahead, err := tables.Spans(next.Ahead)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE job_states SET revision = revision + 1, since = ?, ahead = ? WHERE job_id = ?",
		timeText(next.Since), ahead, next.ID)
	return err
}

// closeUnreadable settles, as failed, the open firings of a job that was edited or removed
// which the state does not have, since their rows cannot be read.
func closeUnreadable(ctx context.Context, tx *sql.Tx, m *scheduler.Move) error {
	known := []int64{} // nil would be no JSON list
	for _, list := range [][]scheduler.FiringRecord{m.Next.Open, m.Firings} {
		for i := range list {
			known = append(known, list[i].ID)
		}
	}
	list, err := json.Marshal(known)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE firings SET settled_at = ?, decision = ?, reason = ?, ended = NULL WHERE job_id = ? AND "+openFirings+
		" AND id NOT IN (SELECT value FROM json_each(?))", timeText(m.At), scheduler.Failed.String(), scheduler.ReasonUnreadable, m.Next.ID, string(list))
	return err
}

// updateJob writes the scheduling state of a job, and the job itself if it was edited: it
// is at another version then. A time that could not be read and is still unknown stays as
// it is.
func (s *states) updateJob(ctx context.Context, tx *sql.Tx, k *scheduler.StoredJob) (edited bool, err error) {
	res, err := tx.ExecContext(ctx, "UPDATE jobs SET "+setProgress+" WHERE id = @id AND version = @version",
		append(progressOf(k), sql.Named("id", k.ID), sql.Named("version", k.Version))...)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return false, err
	}
	old, err := s.jobByID(ctx, tx, k.ID)
	if err != nil {
		return false, err
	}
	spec, err := json.Marshal(k.Job)
	if err != nil {
		return false, err
	}
	scope, err := tables.List(k.Scopes)
	if err != nil {
		return false, err
	}
	// An edit of the schedule needs no announcement of the new rules any more.
	_, err = tx.ExecContext(ctx, `
		UPDATE jobs SET version = @version, spec = @spec, paused = @paused, `+setProgress+`, updated_at = @at, updated_by = @by, scope = @scope,
			webhook_by = @webhook_by, paused_by = @paused_by, paused_at = @paused_at, paused_until = @until, paused_note = @note,
			untold = CASE WHEN @same THEN untold ELSE 0 END WHERE id = @id`,
		append(progressOf(k), sql.Named("version", k.Version), sql.Named("spec", string(spec)), sql.Named("paused", k.Paused),
			sql.Named("at", timeText(k.UpdatedAt)), sql.Named("by", k.UpdatedBy), sql.Named("scope", scope),
			sql.Named("webhook_by", text(k.Notify.WebhookBy)),
			sql.Named("paused_by", text(k.Pause.By)), sql.Named("paused_at", timeText(k.Pause.At)),
			sql.Named("until", timeText(k.Pause.Until)), sql.Named("note", text(k.Pause.Note)),
			sql.Named("same", slices.Equal(old.Schedules, k.Schedules)), sql.Named("id", k.ID))...)
	if err != nil {
		return false, err
	}
	what := store.JobChanged
	switch {
	case k.Paused && !old.Paused:
		what = store.JobPaused
	case !k.Paused && old.Paused:
		what = store.JobResumed
	}
	if err := noteChange(ctx, tx, k, what, string(spec)); err != nil {
		return true, err
	}
	if what != store.JobResumed || k.UpdatedBy != scheduler.ResumedBy {
		return true, nil
	}
	return true, note(ctx, tx, &access.Entry{ // no user's request has it
		By: access.By{Actor: k.UpdatedBy, Via: access.ViaLocal, At: k.UpdatedAt}, Action: "job.resume", Object: "job:" + k.Name, Outcome: access.Done,
		After: access.Details{"version": k.Version}.JSON(),
	})
}

// setProgress sets the columns of a job's scheduling state, see progressOf.
const setProgress = `cursor = coalesce(@cursor, cursor), failures = @failures,
	failing_since = CASE WHEN @failures > 0 THEN coalesce(@since, failing_since) END, alarm = @alarm`

// progressOf are the arguments of setProgress.
func progressOf(k *scheduler.StoredJob) []any {
	return []any{
		sql.Named("cursor", timeText(k.Cursor)), sql.Named("failures", k.ConsecutiveFailures.Count),
		sql.Named("since", timeText(k.ConsecutiveFailures.Since)), sql.Named("alarm", text(k.Alarm)),
	}
}

// deleteJob removes a job, unless that was done before.
func (s *states) deleteJob(ctx context.Context, tx *sql.Tx, m *scheduler.Move) error {
	k := &m.Next.StoredJob
	var spec string
	err := tx.QueryRowContext(ctx, "DELETE FROM jobs WHERE id = ? RETURNING spec", k.ID).Scan(&spec)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tables.DropMessages(ctx, on(tx), k.ID, scheduler.ReasonRemoved, m.At); err != nil {
		return err
	}
	return noteChange(ctx, tx, k, store.JobRemoved, spec)
}

// noteChange records a change of a job and its user.
func noteChange(ctx context.Context, tx *sql.Tx, k *scheduler.StoredJob, what, spec string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO job_changes (job_id, version, job, at, user, what, spec) VALUES (?, ?, ?, ?, ?, ?, ?)",
		k.ID, k.Version, k.Name, timeText(k.UpdatedAt), k.UpdatedBy, what, spec)
	return err
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
func writeStop(ctx context.Context, tx *sql.Tx, x *scheduler.Stop) error {
	const counts = "kill_at IS NULL OR kill_how = 'halt' AND @how = 'end'"
	_, err := tx.ExecContext(ctx, `
		UPDATE runs SET kill_at = iif(`+counts+`, @at, kill_at), kill_by = iif(`+counts+`, @by, kill_by), kill_how = iif(`+counts+`, @how, kill_how),
			replaced_by = coalesce(@replaced_by, replaced_by)
		WHERE id = @run AND state IN ('queued', 'running')`, sql.Named("at", timeText(x.At)), sql.Named("by", x.By), sql.Named("how", killHow(x)),
		sql.Named("replaced_by", number(x.ReplacedBy)), sql.Named("run", x.Run))
	return err
}

// Create stores a new job; see [scheduler.Ledger].
func (l *Ledger) Create(ctx context.Context, job scheduler.Job, by string, now time.Time) (created scheduler.Subject, err error) {
	spec, err := json.Marshal(job)
	if err != nil {
		return created, l.fault("change", err)
	}
	scope, err := tables.List(job.Scopes)
	if err != nil {
		return created, l.fault("change", err)
	}
	err = l.change(ctx, func(tx *sql.Tx) error {
		if err := tables.CheckOnce(ctx, on(tx)); err != nil {
			return err
		}
		if there, err := exists(ctx, tx, "SELECT 1 FROM jobs WHERE name = ?", job.Name); err != nil || there {
			return cmp.Or(err, scheduler.ErrConflict)
		}
		res, err := tx.ExecContext(ctx, `
			INSERT INTO jobs (name, version, spec, paused, cursor, updated_at, updated_by, scope, webhook_by, paused_by, paused_at)
			VALUES (@name, 1, @spec, @paused, @now, @now, @by, @scope, @webhook_by, iif(@paused, @by, NULL), iif(@paused, @now, NULL))`,
			sql.Named("name", job.Name), sql.Named("spec", string(spec)), sql.Named("paused", job.Paused), sql.Named("now", timeText(now)),
			sql.Named("by", by), sql.Named("scope", scope), sql.Named("webhook_by", text(job.Notify.WebhookBy)))
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO job_states (job_id, revision, since) VALUES (?, 1, ?)", id, timeText(now)); err != nil {
			return err
		}
		subjects, err := l.states.loadSubjects(ctx, tx, []int64{id})
		if err != nil {
			return err
		}
		created = subjects[0]
		if err := noteChange(ctx, tx, &created.State.StoredJob, store.JobAdded, string(spec)); err != nil {
			return err
		}
		if err := tables.KeepOnce(ctx, on(tx), tables.Made{Job: id}); err != nil {
			return err
		}
		return noteJob(ctx, tx, &created.State.StoredJob, access.Done)
	})
	return created, err
}
