package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

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
	err = l.change(ctx, func(tx pgx.Tx) error {
		if err := tables.CheckOnce(ctx, on(tx)); err != nil {
			return err
		}
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO jobs (name, version, spec, paused, cursor, updated_at, updated_by, scope, webhook_by, paused_by, paused_at)
			VALUES (@name, 1, @spec, @paused, @now, @now, @by, @scope, @webhook_by,
				CASE WHEN @paused THEN @by END, CASE WHEN @paused THEN @now END)
			ON CONFLICT (name) DO NOTHING RETURNING id`,
			pgx.NamedArgs{
				"name": job.Name, "spec": string(spec), "paused": job.Paused, "now": tables.Time(now), "by": by,
				"scope": scope, "webhook_by": tables.Text(job.Notify.WebhookBy),
			}).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return scheduler.ErrConflict
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO job_states (job_id, revision, since) VALUES ($1, 1, $2)", id, tables.Time(now)); err != nil {
			return err
		}
		subjects, err := l.states.loadSubjects(ctx, tx, []int64{id})
		if err != nil {
			return err
		}
		created = subjects[0]
		var b pgx.Batch
		noteChange(&b, &created.State.StoredJob, store.JobAdded, string(spec))
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		if err := tables.KeepOnce(ctx, on(tx), tables.Made{Job: id}); err != nil {
			return err
		}
		return tables.NoteJob(ctx, on(tx), &created.State.StoredJob, access.Done)
	})
	return created, err
}
