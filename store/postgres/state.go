package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
	"tutti/store/tables"
)

// states reads and writes the jobs and their open firings.
type states struct{ specs tables.Specs }

// Load reads the subjects of jobs; see [scheduler.States].
func (l *Ledger) Load(ctx context.Context, jobs []int64) ([]scheduler.Subject, error) {
	subjects, err := l.states.loadSubjects(ctx, l.pool, jobs)
	return subjects, l.fault("read", err)
}

// Find returns the subjects of the jobs of that name; see [scheduler.States].
func (l *Ledger) Find(ctx context.Context, name string) ([]scheduler.Subject, error) {
	ids, err := column[int64](ctx, l.pool, "SELECT id FROM jobs WHERE name = $1 UNION SELECT job_id FROM firings WHERE job = $1 AND "+openFirings, name)
	if err != nil {
		return nil, l.fault("read", err)
	}
	return l.Load(ctx, ids)
}

// loadSubjects reads what there is of the jobs, in their order, in one round trip.
func (s *states) loadSubjects(ctx context.Context, q batcher, ids []int64) ([]scheduler.Subject, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var b pgx.Batch
	subjects := s.queueSubjects(&b, ids)
	return subjects.All, q.SendBatch(ctx, &b).Close()
}

// queueSubjects adds the queries for jobs to a batch, whose end fills the subjects. The
// revision is read first: what a job has become since is refused for it.
func (s *states) queueSubjects(b *pgx.Batch, ids []int64) *tables.Subjects {
	subjects := tables.NewSubjects(ids)
	for _, load := range []struct {
		query string
		take  func(pgx.Rows) error
	}{
		{"SELECT " + tables.RevisionColumns + " FROM job_states WHERE job_id = ANY($1)", func(rows pgx.Rows) error { return subjects.Revision(rows.Scan) }},
		{"SELECT " + tables.JobColumns + " FROM jobs WHERE id = ANY($1)", func(rows pgx.Rows) error {
			k, err := s.specs.Scan(rows.Scan, refuseRow)
			if err == nil {
				subjects.Job(k)
			}
			return err
		}},
		{tables.OpenFirings + "= ANY($1) ORDER BY job_id, id", func(rows pgx.Rows) error { return subjects.Firing(rows.Scan, refuseRow) }},
	} {
		b.Queue(load.query, ids).Query(eachRow(load.take))
	}
	return subjects
}

// eachRow calls take for each row.
func eachRow(take func(pgx.Rows) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := take(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// takeNumbers takes consecutive numbers of a sequence, one call after the other.
const (
	takeNumbers = `
	WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock($1))
	SELECT setval('firing_numbers', nextval('firing_numbers') + $2::bigint - 1) - $2 + 1 FROM turn`
	numbersLock = 0x74757474690001
)

// Numbers reserves numbers of firings; see [scheduler.States]. They are of no other
// process, whatever becomes of the commit, so that the numbers of a history have gaps.
func (l *Ledger) Numbers(ctx context.Context, n int) (first int64, err error) {
	err = l.pool.QueryRow(ctx, takeNumbers, numbersLock, n).Scan(&first)
	return first, l.fault("read", err)
}
