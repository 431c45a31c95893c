package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// begin ties the run to its firing, in the transaction that writes the run.
func (d *Daemon) begin(ctx context.Context, tx pgx.Tx, firing, run int64) error {
	if d == nil || d.isOver() {
		return store.ErrTaken
	}
	var job int64
	err := tx.QueryRow(ctx, "SELECT job_id FROM firings WHERE id = $1", firing).Scan(&job)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrTaken
	}
	if err != nil {
		return err
	}
	err = d.ledger.states.apply(ctx, tx, d, job, func(s scheduler.JobState) (scheduler.Transition, error) {
		return s.Begin(firing, run, d.id, scheduler.Moment{Now: d.clock()})
	})
	return taken(err)
}

// apply applies a rule to a job in a transaction that writes more than the job.
func (s *states) apply(ctx context.Context, tx pgx.Tx, by *Daemon, job int64, rule func(scheduler.JobState) (scheduler.Transition, error)) error {
	var b pgx.Batch
	lockJob(&b, job)
	subjects := s.queueSubjects(&b, []int64{job})
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	t, err := rule(subjects.All[0].State)
	if err != nil {
		return err
	}
	done := make([]scheduler.Committed, 1)
	if err := s.moveAll(ctx, tx, by, "", []scheduler.Move{{From: subjects.All[0].Rev, Transition: t}}, done); err != nil {
		return err
	}
	return done[0].Err
}

// lockJob locks the state of a job. A transaction that locks rows of runs and of jobs
// locks those of jobs first.
func lockJob(b *pgx.Batch, job int64) {
	b.Queue("SELECT 1 FROM job_states WHERE job_id = $1 FOR UPDATE", job)
}

// The claims of a run, locked: who takes one over waits for the end of the transaction.
// Its arguments are the numbers of the run and, of a job's, of the firing and the daemon.
const (
	claimedRun    = "SELECT 1 FROM runs WHERE id = $1 AND state = 'running' FOR SHARE"
	claimedFiring = "SELECT 1 FROM firings WHERE run_id = $1 AND id = $2 AND daemon_id = $3 AND ended IS NULL AND " + openFirings + " FOR SHARE"
)

// claimed is the query for a claim that is held, and its arguments.
func claimed(c scheduler.Claim) (query string, args []any) {
	if c.Firing == 0 {
		return claimedRun, []any{c.Run}
	}
	return claimedFiring, []any{c.Run, c.Firing, c.Fence}
}

// Mark makes starts durable; see [scheduler.Membership]. The registration and the claim
// are locked by the statement that writes the marks, so that a process that takes the run
// over sees them. A recorder does so together with its other writes.
func (d *Daemon) Mark(ctx context.Context, c scheduler.Claim, positions []int) error {
	return d.ledger.change(ctx, func(tx pgx.Tx) error {
		if err := d.registered(ctx, tx); err != nil {
			return taken(err)
		}
		query, args := claimed(c)
		at := len(args)
		args = append(args, positions, tables.Time(time.Now()), d.id)
		var held bool
		err := tx.QueryRow(ctx, `
			WITH claim AS (`+query+`),
			marks AS (
				INSERT INTO starts (run_id, position, attempt, at, epoch)
				SELECT $1, p, 1, `+places(at+2, 1)+`, `+places(at+3, 1)+` FROM claim, unnest(`+places(at+1, 1)+`::bigint[]) AS p
				ON CONFLICT DO NOTHING)
			SELECT EXISTS (SELECT 1 FROM claim)`, args...).Scan(&held)
		if err == nil && !held {
			err = store.ErrTaken
		}
		return err
	})
}

// Marks returns the hosts of a run that were marked; see [scheduler.Membership].
func (d *Daemon) Marks(ctx context.Context, run int64) ([]int, error) {
	marks, err := column[int](ctx, d.ledger.pool, "SELECT position FROM results WHERE run_id = $1 AND started ORDER BY position", run)
	return marks, d.ledger.fault("read", err)
}

// endFiring records the end of a run in its firing, in the transaction that writes it
// into the history. The job is locked before the run is.
func (s *states) endFiring(ctx context.Context, tx pgx.Tx, e scheduler.Ended) error {
	jobs, err := column[int64](ctx, tx, "SELECT job_id FROM firings WHERE run_id = $1 AND "+openFirings, e.Run)
	if err != nil || len(jobs) == 0 {
		return err
	}
	var broken error
	err = s.apply(ctx, tx, nil, jobs[0], func(state scheduler.JobState) (scheduler.Transition, error) {
		if state.Damaged() {
			broken = state.Broken // the firing may be unreadable
		}
		return state.End(e, scheduler.Moment{})
	})
	if errors.Is(err, scheduler.ErrConflict) {
		return broken // nil: the ledger has it already
	}
	return err
}
