package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"tutti/scheduler"
	"tutti/store/tables"
)

// states reads and writes the jobs and their open firings. Its methods work in a
// transaction of their caller.
type states struct{ specs tables.Specs }

// A jobPrint identifies a state of a job.
type jobPrint struct{ revision, version int64 }

// jobPrints returns those of all jobs that exist or have open firings.
func jobPrints(ctx context.Context, q queryer) (map[int64]jobPrint, error) {
	rows, err := q.QueryContext(ctx, "SELECT job_id, revision, coalesce(version, 0) FROM job_states LEFT JOIN jobs ON id = job_id")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	prints := make(map[int64]jobPrint)
	for rows.Next() {
		var id int64
		var p jobPrint
		if err := rows.Scan(&id, &p.revision, &p.version); err != nil {
			return nil, err
		}
		prints[id] = p
	}
	return prints, rows.Err()
}

// readTogether calls f in a read transaction, so that all its reads are of one state.
func (h *fileHandle) readTogether(ctx context.Context, f func(q queryer) error) error {
	tx, err := h.r.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it has written nothing
	return f(tx)
}

// Load reads the subjects of jobs; see [scheduler.States].
func (l *Ledger) Load(ctx context.Context, jobs []int64) (subjects []scheduler.Subject, err error) {
	err = l.readTogether(ctx, func(q queryer) error {
		subjects, err = l.states.loadSubjects(ctx, q, jobs)
		return err
	})
	return subjects, l.fault("read", err)
}

// Find returns the subjects of the jobs of that name; see [scheduler.States].
func (l *Ledger) Find(ctx context.Context, name string) (subjects []scheduler.Subject, err error) {
	err = l.readTogether(ctx, func(q queryer) error {
		ids, err := column[int64](ctx, q, "SELECT id FROM jobs WHERE name = ? UNION SELECT job_id FROM firings WHERE job = ? AND "+openFirings, name, name)
		if err != nil || len(ids) == 0 {
			return err
		}
		subjects, err = l.states.loadSubjects(ctx, q, ids)
		return err
	})
	return subjects, l.fault("read", err)
}

// loadSubjects reads what there is of the jobs, in their order.
func (s *states) loadSubjects(ctx context.Context, q queryer, ids []int64) ([]scheduler.Subject, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	subjects := tables.NewSubjects(ids)
	jobs, err := s.selectJobs(ctx, q, " WHERE id"+ofJobs, string(list))
	if err != nil {
		return nil, err
	}
	for _, k := range jobs {
		subjects.Job(k)
	}
	for _, load := range []struct {
		query string
		take  func(*sql.Rows) error
	}{
		{"SELECT " + tables.RevisionColumns + " FROM job_states WHERE job_id" + ofJobs, func(rows *sql.Rows) error { return subjects.Revision(rows.Scan) }},
		{openOfJobs, func(rows *sql.Rows) error { return subjects.Firing(rows.Scan, firstOf(rows)) }},
	} {
		if err := eachRow(ctx, q, load.take, load.query, string(list)); err != nil {
			return nil, err
		}
	}
	return subjects.All, nil
}

// eachRow calls take for each row of a query.
func eachRow(ctx context.Context, q queryer, take func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		if err := take(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ofJobs are the rows whose job is in a list in JSON.
const ofJobs = " IN (SELECT value FROM json_each(?))"

// openOfJobs are the open firings of jobs.
const openOfJobs = tables.OpenFirings + ofJobs + " ORDER BY job_id, id"

// Numbers are the next numbers of firings; see [scheduler.States].
func (l *Ledger) Numbers(ctx context.Context, _ int) (first int64, err error) {
	first, err = nextFiring(ctx, l.r)
	return first, l.fault("read", err)
}

func nextFiring(ctx context.Context, q queryer) (next int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'firings'").Scan(&next)
	return next, err
}
