package postgres

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// A moveWriter collects what moves write.
type moveWriter struct {
	held    *heldJobs
	nonce   string // of the transaction
	batch   pgx.Batch
	removed []*scheduler.Move
	notes   []*access.Entry // that no user's request has
}

// write adds the statements of a move, or none and an error.
func (w *moveWriter) write(m *scheduler.Move) error {
	var b pgx.Batch
	if err := w.writeNext(&b, m); err != nil {
		return err
	}
	fresh := len(m.Firings) - m.New
	for i := range m.Firings {
		write := updateFiring
		if i >= fresh {
			write = insertFiring
		}
		if err := write(&b, &m.Firings[i]); err != nil {
			return err
		}
	}
	for i := range m.Stops {
		writeStop(&b, &m.Stops[i])
	}
	for i := range m.Messages {
		if err := w.enqueue(&b, &m.Next.Notify, &m.Messages[i], m.At); err != nil {
			return err
		}
	}
	w.batch.QueuedQueries = append(w.batch.QueuedQueries, b.QueuedQueries...)
	return nil
}

// writeNext writes the job and its state, except the firings.
func (w *moveWriter) writeNext(b *pgx.Batch, m *scheduler.Move) error {
	next := &m.Next
	if next.Removed {
		if err := w.deleteJob(b, m); err != nil {
			return err
		}
		closeUnreadable(b, m)
		if len(next.Open) == 0 {
			b.Queue("DELETE FROM job_states WHERE job_id = $1", next.ID)
			b.Queue("INSERT INTO job_states_deleted (job_id) VALUES ($1)", next.ID)
			return nil
		}
	} else if next.Damaged() { // unreadable values are not overwritten
		b.Queue("UPDATE job_states SET "+nextRevision+", nonce = $2 WHERE job_id = $1", next.ID, tables.Text(w.nonce))
		return nil
	} else if edited, err := w.updateJob(b, &next.StoredJob); err != nil {
		return err
	} else if edited {
		closeUnreadable(b, m)
	}
	ahead, err := tables.Spans(next.Ahead)
	if err != nil {
		return err
	}
	b.Queue("UPDATE job_states SET "+nextRevision+", nonce = $4, since = $1, ahead = $2 WHERE job_id = $3", tables.Time(next.Since), ahead, next.ID, tables.Text(w.nonce))
	return nil
}

// nextRevision is what each change of a row of job_states sets.
const nextRevision = "revision = revision + 1, changed_by = pg_current_xact_id()"

// closeUnreadable settles, as failed, the open firings of a job that was edited or removed
// which the state does not have, since their rows cannot be read.
func closeUnreadable(b *pgx.Batch, m *scheduler.Move) {
	known := []int64{}
	for _, list := range [][]scheduler.FiringRecord{m.Next.Open, m.Firings} {
		for i := range list {
			known = append(known, list[i].ID)
		}
	}
	b.Queue("UPDATE firings SET settled_at = $1, decision = $2, reason = $3, ended = NULL WHERE job_id = $4 AND "+openFirings+" AND NOT id = ANY($5)",
		tables.Time(m.At), scheduler.Failed.String(), scheduler.ReasonUnreadable, m.Next.ID, known)
}

// setProgress sets the columns of a job's scheduling state, see progressOf.
const setProgress = `cursor = coalesce(@cursor, cursor), failures = @failures::bigint,
	failing_since = CASE WHEN @failures::bigint > 0 THEN coalesce(@since, failing_since) END, alarm = @alarm`

// progressOf are the arguments of setProgress.
func progressOf(k *scheduler.StoredJob) pgx.NamedArgs {
	return pgx.NamedArgs{
		"id": k.ID, "version": k.Version, "cursor": tables.Time(k.Cursor), "failures": k.ConsecutiveFailures.Count,
		"since": tables.Time(k.ConsecutiveFailures.Since), "alarm": tables.Text(k.Alarm),
	}
}

// updateJob writes the scheduling state of a job, and the job itself if it was edited: it
// is at another version then. A time that could not be read and is still unknown stays as
// it is.
func (w *moveWriter) updateJob(b *pgx.Batch, k *scheduler.StoredJob) (edited bool, err error) {
	old, args := w.held.jobs[k.ID], progressOf(k)
	if old.version == k.Version {
		b.Queue("UPDATE jobs SET "+setProgress+" WHERE id = @id", args)
		return false, nil
	}
	spec, err := json.Marshal(k.Job)
	if err != nil {
		return false, err
	}
	scope, err := tables.List(k.Scopes)
	if err != nil {
		return false, err
	}
	var was scheduler.Job
	same := json.Unmarshal([]byte(old.spec), &was) == nil && slices.Equal(was.Schedules, k.Schedules)
	for name, value := range map[string]any{
		"spec": string(spec), "paused": k.Paused, "at": tables.Time(k.UpdatedAt), "by": tables.Text(k.UpdatedBy), "scope": scope,
		"webhook_by": tables.Text(k.Notify.WebhookBy), "paused_by": tables.Text(k.Pause.By), "paused_at": tables.Time(k.Pause.At),
		"until": tables.Time(k.Pause.Until), "note": tables.Text(k.Pause.Note), "same": same,
	} {
		args[name] = value
	}
	// An edit of the schedule needs no announcement of the new rules any more.
	b.Queue(`
		UPDATE jobs SET version = @version, spec = @spec, paused = @paused, `+setProgress+`, updated_at = @at, updated_by = @by, scope = @scope,
			webhook_by = @webhook_by, paused_by = @paused_by, paused_at = @paused_at, paused_until = @until, paused_note = @note,
			untold = CASE WHEN @same THEN untold ELSE 0 END WHERE id = @id`, args)
	what := store.JobChanged
	switch {
	case k.Paused && !old.paused:
		what = store.JobPaused
	case !k.Paused && old.paused:
		what = store.JobResumed
	}
	noteChange(b, k, what, string(spec))
	*old = heldJob{version: k.Version, spec: string(spec), paused: k.Paused}
	if what == store.JobResumed && k.UpdatedBy == scheduler.ResumedBy {
		w.notes = append(w.notes, &access.Entry{
			By: access.By{Actor: k.UpdatedBy, Via: access.ViaLocal, At: k.UpdatedAt}, Action: "job.resume", Object: "job:" + k.Name, Outcome: access.Done,
			After: access.Details{"version": k.Version}.JSON(),
		})
	}
	return true, nil
}

// deleteJob removes a job, unless that was done before.
func (w *moveWriter) deleteJob(b *pgx.Batch, m *scheduler.Move) error {
	old := w.held.jobs[m.Next.ID]
	if old == nil {
		return nil
	}
	b.Queue("DELETE FROM jobs WHERE id = $1", m.Next.ID)
	noteChange(b, &m.Next.StoredJob, store.JobRemoved, old.spec)
	w.removed = append(w.removed, m)
	return nil
}

// noteChange records a change of a job and its user.
func noteChange(b *pgx.Batch, k *scheduler.StoredJob, what, spec string) {
	b.Queue(`INSERT INTO job_changes (job_id, version, job, at, "user", what, spec) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.ID, k.Version, k.Name, tables.Time(k.UpdatedAt), k.UpdatedBy, what, spec)
}

// enqueue puts a message into the outbox, once for each receiver that the job names. The
// message has the number of its first row.
func (w *moveWriter) enqueue(b *pgx.Batch, to *scheduler.Notify, m *scheduler.Message, now time.Time) error {
	m.ID, m.Machine = 0, tables.MachineName()
	for _, r := range tables.Receivers(to) {
		id := w.held.nextMessage()
		m.ID = cmp.Or(m.ID, id)
		said, err := json.Marshal(m)
		if err != nil {
			return err
		}
		b.Queue(`
			INSERT INTO outbox (id, firing_id, occasion, kind, target, secret, set_by, message, due_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			id, m.Firing, m.Type, r.Kind, r.Target, tables.Text(r.Secret), tables.Text(r.By), string(said), tables.Time(now))
	}
	return nil
}
