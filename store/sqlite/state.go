package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"tutti/scheduler"
)

// states reads and writes the jobs and their open firings. Its methods work in a
// transaction of their caller.
type states struct{ specs specCache }

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
	subjects, place := make([]scheduler.Subject, len(ids)), make(map[int64]*scheduler.Subject, len(ids))
	for i, id := range ids {
		subjects[i].State.ID, subjects[i].State.Removed = id, true
		place[id] = &subjects[i]
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	for _, load := range []func(context.Context, queryer, string, map[int64]*scheduler.Subject) error{
		s.loadJobs, loadRevisions, loadFirings,
	} {
		if err := load(ctx, q, string(list), place); err != nil {
			return nil, err
		}
	}
	return subjects, nil
}

// ofJobs are the rows whose job is in a list in JSON.
const ofJobs = " IN (SELECT value FROM json_each(?))"

// damaged marks a job whose state cannot be read: it does not fire, and the others do.
func damaged(s *scheduler.JobState, what string, err error) {
	s.Broken = errors.Join(s.Broken, &scheduler.StateError{What: what, Err: err})
}

func loadRevisions(ctx context.Context, q queryer, list string, place map[int64]*scheduler.Subject) error {
	rows, err := q.QueryContext(ctx, "SELECT job_id, revision, since, ahead FROM job_states WHERE job_id"+ofJobs, list)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var id int64
		var rev scheduler.Revision
		var since, ahead sql.NullString
		if err := rows.Scan(&id, &rev, &since, &ahead); err != nil {
			return err
		}
		x := place[id]
		x.Rev = rev
		if x.State.Since, err = parseTime(since); err != nil {
			damaged(&x.State, "since", err)
		}
		if ahead.Valid {
			if err := json.Unmarshal([]byte(ahead.String), &x.State.Ahead); err != nil {
				damaged(&x.State, "ahead", err)
			}
		}
	}
	return rows.Err()
}

func (s *states) loadJobs(ctx context.Context, q queryer, list string, place map[int64]*scheduler.Subject) error {
	jobs, err := s.selectJobs(ctx, q, " WHERE id"+ofJobs, list)
	for _, k := range jobs {
		place[k.ID].State.StoredJob, place[k.ID].State.Removed = k, false
	}
	return err
}

// openOfJobs are the open firings of jobs, with the request to stop their runs.
const openOfJobs = "SELECT " + firingColumns + `, kill_at, kill_by, kill_how = 'halt', replaced_by,
		(SELECT coalesce(later.scheduled_at, later.decided_at) FROM firings AS later WHERE later.id = replaced_by)
	FROM firings LEFT JOIN (SELECT id AS run, kill_at, kill_by, kill_how, replaced_by FROM runs) ON run = run_id
	WHERE ` + openFirings + " AND job_id" + ofJobs + " ORDER BY job_id, id"

func loadFirings(ctx context.Context, q queryer, list string, place map[int64]*scheduler.Subject) error {
	rows, err := q.QueryContext(ctx, openOfJobs, list)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var stopAt, by, replacedAt sql.NullString
		var halt sql.NullBool
		var replacedBy sql.NullInt64
		f, err := scanFiring(rows, &stopAt, &by, &halt, &replacedBy, &replacedAt)
		if err == nil && by.Valid {
			f.Stop = scheduler.Stop{Run: f.Run, By: by.String, Halt: halt.Bool, ReplacedBy: replacedBy.Int64}
			err = wrongFiring(f.ID, parseTimes(timeCell(&f.Stop.At, stopAt), timeCell(&f.Stop.ReplacedAt, replacedAt)))
		}
		if _, ok := errors.AsType[*scheduler.StateError](err); err != nil && !ok {
			return err
		}
		state := &place[f.JobID].State
		if state.Removed {
			state.Name = f.Job
		}
		if err != nil {
			state.Broken = errors.Join(state.Broken, err)
			continue
		}
		state.Open = append(state.Open, f)
	}
	return rows.Err()
}

// Numbers are the next numbers of firings; see [scheduler.States].
func (l *Ledger) Numbers(ctx context.Context, _ int) (first int64, err error) {
	first, err = nextFiring(ctx, l.r)
	return first, l.fault("read", err)
}

func nextFiring(ctx context.Context, q queryer) (next int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'firings'").Scan(&next)
	return next, err
}
