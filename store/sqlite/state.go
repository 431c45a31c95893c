package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// A jobPrint is what tells one state of a job from another.
type jobPrint struct{ revision, version int64 }

// jobPrints are those of all jobs that are kept or have open firings.
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

// readTogether runs f in a transaction that reads, so that all it reads is of one
// time.
func (s *Store) readTogether(ctx context.Context, f func(q queryer) error) error {
	tx, err := s.r.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it has written nothing
	return f(tx)
}

// Load reads the subjects of jobs; see [scheduler.States].
func (s *Store) Load(ctx context.Context, jobs []int64) (subjects []scheduler.Subject, err error) {
	err = s.readTogether(ctx, func(q queryer) error {
		subjects, err = s.loadSubjects(ctx, q, jobs)
		return err
	})
	return subjects, s.fault("read", err)
}

// Find returns the subjects of the jobs of that name; see [scheduler.States].
func (s *Store) Find(ctx context.Context, name string) (subjects []scheduler.Subject, err error) {
	err = s.readTogether(ctx, func(q queryer) error {
		ids, err := column[int64](ctx, q, "SELECT id FROM jobs WHERE name = ? UNION SELECT job_id FROM firings WHERE job = ? AND "+openFirings, name, name)
		if err != nil || len(ids) == 0 {
			return err
		}
		subjects, err = s.loadSubjects(ctx, q, ids)
		return err
	})
	return subjects, s.fault("read", err)
}

// loadSubjects reads what there is of the jobs, in their order.
func (s *Store) loadSubjects(ctx context.Context, q queryer, ids []int64) ([]scheduler.Subject, error) {
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
		loadRevisions, s.loadJobs, loadFirings,
	} {
		if err := load(ctx, q, string(list), place); err != nil {
			return nil, err
		}
	}
	return subjects, nil
}

// ofJobs are the rows whose job is in a list in JSON.
const ofJobs = " IN (SELECT value FROM json_each(?))"

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
			return err
		}
		if ahead.Valid {
			if err := json.Unmarshal([]byte(ahead.String), &x.State.Ahead); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

func (s *Store) loadJobs(ctx context.Context, q queryer, list string, place map[int64]*scheduler.Subject) error {
	jobs, err := s.selectJobs(ctx, q, " WHERE id"+ofJobs, list)
	for _, k := range jobs {
		place[k.ID].State.Kept, place[k.ID].State.Removed = k, false
	}
	return err
}

// openOfJobs are the open firings of jobs, with the request to stop their runs.
const openOfJobs = "SELECT " + firingColumns + `, kill_at, kill_by, replaced_by,
		(SELECT coalesce(later.scheduled_at, later.decided_at) FROM firings AS later WHERE later.id = replaced_by)
	FROM firings LEFT JOIN (SELECT id AS run, kill_at, kill_by, replaced_by FROM runs) ON run = run_id
	WHERE ` + openFirings + " AND job_id" + ofJobs + " ORDER BY job_id, id"

func loadFirings(ctx context.Context, q queryer, list string, place map[int64]*scheduler.Subject) error {
	rows, err := q.QueryContext(ctx, openOfJobs, list)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var stopAt, by, replacedAt sql.NullString
		var replacedBy sql.NullInt64
		f, err := scanFiring(rows, &stopAt, &by, &replacedBy, &replacedAt)
		if err != nil {
			return err
		}
		if by.Valid {
			f.Stop = scheduler.Stop{Run: f.Run, By: by.String, ReplacedBy: replacedBy.Int64}
			if err := parseTimes(timeCell{&f.Stop.At, stopAt}, timeCell{&f.Stop.ReplacedAt, replacedAt}); err != nil {
				return err
			}
		}
		state := &place[f.JobID].State
		state.Open = append(state.Open, f)
		if state.Removed {
			state.Name = f.Job
		}
	}
	return rows.Err()
}

// Numbers are the next numbers of firings; see [scheduler.States].
func (s *Store) Numbers(ctx context.Context, _ int) (first int64, err error) {
	first, err = nextFiring(ctx, s.r)
	return first, s.fault("read", err)
}

func nextFiring(ctx context.Context, q queryer) (next int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'firings'").Scan(&next)
	return next, err
}

// Commit carries moves out; see [scheduler.States]. They share a transaction.
func (s *Store) Commit(ctx context.Context, moves []scheduler.Move) ([]scheduler.Committed, error) {
	done := make([]scheduler.Committed, len(moves))
	err := s.change(ctx, func(tx *sql.Tx) error {
		for i := range moves {
			if err := s.commitOne(ctx, tx, &moves[i], &done[i]); err != nil {
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

// commitOne carries a move out, or nothing of it. The error is for all of the
// transaction, which cannot go on.
func (s *Store) commitOne(ctx context.Context, tx *sql.Tx, m *scheduler.Move, done *scheduler.Committed) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT move"); err != nil {
		return err
	}
	err := s.move(ctx, tx, m)
	if err != nil {
		if _, failed := tx.ExecContext(ctx, "ROLLBACK TO move"); failed != nil {
			return err // SQLite has taken back more than the move
		}
	}
	done.Rev, done.Err = m.From+1, s.fault("change", err)
	_, err = tx.ExecContext(ctx, "RELEASE move")
	return err
}

func (s *Store) move(ctx context.Context, tx *sql.Tx, m *scheduler.Move) error {
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
	return nil
}

// checkMove says why a move cannot be carried out.
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

// writeNext writes the job, and what belongs to its state beside its firings.
func (s *Store) writeNext(ctx context.Context, tx *sql.Tx, m *scheduler.Move) error {
	next := &m.Next
	if next.Removed {
		if err := s.deleteJob(ctx, tx, m); err != nil {
			return err
		}
		if len(next.Open) == 0 {
			_, err := tx.ExecContext(ctx, "DELETE FROM job_states WHERE job_id = ?", next.ID)
			return err
		}
	} else if err := s.updateJob(ctx, tx, &next.Kept); err != nil {
		return err
	}
	ahead, err := spansText(next.Ahead)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE job_states SET revision = revision + 1, since = ?, ahead = ? WHERE job_id = ?",
		timeText(next.Since), ahead, next.ID)
	return err
}

// spansText is NULL for none.
func spansText(spans []scheduler.Span) (any, error) {
	if len(spans) == 0 {
		return nil, nil
	}
	said, err := json.Marshal(spans)
	return string(said), err
}

// updateJob writes what has become of a job, and the job itself if it is another
// version.
func (s *Store) updateJob(ctx context.Context, tx *sql.Tx, k *scheduler.Kept) error {
	res, err := tx.ExecContext(ctx, "UPDATE jobs SET cursor = ?, failures = ?, failing_since = ?, alarm = ? WHERE id = ? AND version = ?",
		timeText(k.Cursor), k.Streak.Failures, timeText(k.Streak.Since), text(k.Alarm), k.ID, k.Version)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	old, err := s.jobByID(ctx, tx, k.ID)
	if err != nil {
		return err
	}
	spec, err := json.Marshal(k.Job)
	if err != nil {
		return err
	}
	// Whoever changes a schedule has been told what that means.
	_, err = tx.ExecContext(ctx, `
		UPDATE jobs SET version = ?, spec = ?, paused = ?, cursor = ?, failures = ?, failing_since = ?, alarm = ?, updated_at = ?, updated_by = ?,
			untold = CASE WHEN ? THEN untold ELSE 0 END WHERE id = ?`,
		k.Version, string(spec), k.Paused, timeText(k.Cursor), k.Streak.Failures, timeText(k.Streak.Since), text(k.Alarm),
		timeText(k.UpdatedAt), k.UpdatedBy, slices.Equal(old.Schedules, k.Schedules), k.ID)
	if err != nil {
		return err
	}
	what := store.JobChanged
	switch {
	case k.Paused && !old.Paused:
		what = store.JobPaused
	case !k.Paused && old.Paused:
		what = store.JobResumed
	}
	return noteChange(ctx, tx, k, what, string(spec))
}

// deleteJob removes a job, unless that was done before.
func (s *Store) deleteJob(ctx context.Context, tx *sql.Tx, m *scheduler.Move) error {
	k := &m.Next.Kept
	var spec string
	err := tx.QueryRowContext(ctx, "DELETE FROM jobs WHERE id = ? RETURNING spec", k.ID).Scan(&spec)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := dropMessages(ctx, tx, k.ID, scheduler.ReasonRemoved, m.At); err != nil {
		return err
	}
	return noteChange(ctx, tx, k, store.JobRemoved, spec)
}

// noteChange keeps who made the job what it is now.
func noteChange(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, what, spec string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO job_changes (job_id, version, job, at, user, what, spec) VALUES (?, ?, ?, ?, ?, ?, ?)",
		k.ID, k.Version, k.Name, timeText(k.UpdatedAt), k.UpdatedBy, what, spec)
	return err
}

// writeStop writes a request to stop a run. Who was first is kept.
func writeStop(ctx context.Context, tx *sql.Tx, x *scheduler.Stop) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE runs SET kill_at = coalesce(kill_at, ?), kill_by = coalesce(kill_by, ?), replaced_by = coalesce(?, replaced_by)
		WHERE id = ? AND state = 'running'`, timeText(x.At), x.By, number(x.ReplacedBy), x.Run)
	return err
}

// Create keeps a new job; see [scheduler.Ledger].
func (s *Store) Create(ctx context.Context, job scheduler.Job, by string, now time.Time) (created scheduler.Subject, err error) {
	spec, err := json.Marshal(job)
	if err != nil {
		return created, s.fault("change", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		if there, err := exists(ctx, tx, "SELECT 1 FROM jobs WHERE name = ?", job.Name); err != nil || there {
			return cmp.Or(err, scheduler.ErrConflict)
		}
		res, err := tx.ExecContext(ctx, `
			INSERT INTO jobs (name, version, spec, paused, cursor, updated_at, updated_by) VALUES (?, 1, ?, ?, ?, ?, ?)`,
			job.Name, string(spec), job.Paused, timeText(now), timeText(now), by)
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
		subjects, err := s.loadSubjects(ctx, tx, []int64{id})
		if err != nil {
			return err
		}
		created = subjects[0]
		return noteChange(ctx, tx, &created.State.Kept, store.JobAdded, string(spec))
	})
	return created, err
}
