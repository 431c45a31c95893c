package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// vacuumPages is how many pages are freed in one transaction, so that other processes
// can write in between.
const vacuumPages = 2048

// Prune deletes the runs that the retention does not keep, and firings of the same age,
// and returns their space to the file system. It keeps running runs, and those whose
// firing a daemon has still to settle. If there is nothing to delete, it costs a few
// queries.
func (h *History) Prune(ctx context.Context, keep store.Retention) (store.Pruned, error) {
	if h.unwritable != nil {
		return store.Pruned{}, h.readOnlyError("prune")
	}
	p, err := h.prune(ctx, keep)
	return p, h.fault("prune", err)
}

func (h *History) prune(ctx context.Context, keep store.Retention) (store.Pruned, error) {
	var p store.Pruned
	before, err := pageUseOf(ctx, h.w)
	if err != nil {
		return p, err
	}
	jobs, err := h.states.selectJobs(ctx, h.r, "")
	if err != nil {
		return p, err
	}
	ids, err := outdated(ctx, h.r, keep, jobs)
	if err != nil {
		return p, err
	}
	db := database(h.w)
	if _, audited := store.AuditOf(ctx); audited {
		db = &notedDatabase{History: h}
	}
	if err := removeRuns(ctx, db, ids, keep, &p); err != nil {
		return p, err
	}
	unreadable := pruneFirings(ctx, h.r, db, keep, jobs)
	if err := tables.ForgetExpired(ctx, on(h.r), on(h.w), time.Now()); err != nil {
		return p, errors.Join(unreadable, err)
	}
	if p.Runs == 0 && (keep.MaxSize == 0 || before.total*before.size <= keep.MaxSize) {
		return p, unreadable
	}
	if err := vacuum(ctx, h.w); err != nil {
		return p, errors.Join(unreadable, err)
	}
	after, err := pageUseOf(ctx, h.w)
	p.Bytes = max(0, before.total-after.total) * before.size
	return p, errors.Join(unreadable, err)
}

// WouldPrune returns what Prune would delete: it does the same in a transaction that it
// rolls back.
func (h *History) WouldPrune(ctx context.Context, keep store.Retention) (store.Pruned, error) {
	var p store.Pruned
	undone := errors.New("undone")
	err := h.change(ctx, func(tx *sql.Tx) error {
		jobs, err := h.states.selectJobs(ctx, tx, "")
		if err != nil {
			return err
		}
		ids, err := outdated(ctx, h.r, keep, jobs)
		if err != nil {
			return err
		}
		before, err := pageUseOf(ctx, tx)
		if err != nil {
			return err
		}
		if err := removeRuns(ctx, tx, ids, keep, &p); err != nil {
			return err
		}
		after, err := pageUseOf(ctx, tx)
		if err != nil {
			return err
		}
		p.Bytes = max(0, after.free-before.free) * after.size
		return undone
	})
	if errors.Is(err, undone) {
		err = nil
	}
	return p, err
}

// A database is what runs are deleted from.
type database interface {
	queryer
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// removeRuns deletes the runs that are outdated, and those that do not fit.
func removeRuns(ctx context.Context, db database, outdated []int64, keep store.Retention, p *store.Pruned) error {
	for _, id := range outdated {
		if err := remove(ctx, db, id, p); err != nil {
			return err
		}
	}
	if keep.MaxSize > 0 {
		return shrink(ctx, db, keep.MaxSize, p)
	}
	return nil
}

// outdated lists the runs that are too old or too many: for all, or for their
// job.
func outdated(ctx context.Context, q queryer, keep store.Retention, jobs []scheduler.StoredJob) ([]int64, error) {
	var ids []int64
	add := func(query string, args ...any) error {
		more, err := column[int64](ctx, q, query, args...)
		ids = append(ids, more...)
		return err
	}
	own, err := json.Marshal(tables.KeepTheirOwn(jobs))
	if err != nil {
		return nil, err
	}
	const others = "coalesce(job_id, 0) NOT IN (SELECT value FROM json_each(?))"
	if keep.KeepRuns > 0 {
		err := add("SELECT id FROM runs WHERE "+others+" AND id <= (SELECT id FROM runs WHERE "+others+" ORDER BY id DESC LIMIT 1 OFFSET ?) ORDER BY id",
			string(own), string(own), keep.KeepRuns)
		if err != nil {
			return nil, err
		}
	}
	if keep.Keep > 0 {
		if err := add("SELECT id FROM runs WHERE started_at < ? AND "+others+" ORDER BY id", timeText(time.Now().Add(-keep.Keep)), string(own)); err != nil {
			return nil, err
		}
	}
	for i := range jobs {
		if err := outdatedOfJob(&jobs[i], add); err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil // more than one rule may be about a run
}

// shrink deletes the oldest runs until the rest fits into limit bytes.
func shrink(ctx context.Context, db database, limit int64, p *store.Pruned) error {
	for after := int64(0); ; {
		use, err := pageUseOf(ctx, db)
		if err != nil || (use.total-use.free)*use.size <= limit {
			return err
		}
		oldest, err := column[int64](ctx, db,
			"SELECT id FROM runs WHERE id > ? AND "+endedState+" ORDER BY id LIMIT 1", after)
		if err != nil || len(oldest) == 0 {
			return err
		}
		after = oldest[0]
		if err := remove(ctx, db, after, p); err != nil {
			return err
		}
	}
}

// remove deletes a run, each in its own transaction so that others can write
// in between. One that is gone already, or has to stay, is not counted as deleted.
func remove(ctx context.Context, db database, id int64, p *store.Pruned) error {
	res, err := db.ExecContext(ctx, "DELETE FROM runs WHERE id = ? AND "+endedState+" AND NOT "+tables.LookedAt+" AND NOT "+tables.ToldLater, id)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n > 0 {
		p.Runs, p.Newest = p.Runs+1, max(p.Newest, id)
		return nil
	}
	held, err := exists(ctx, db, "SELECT 1 FROM runs WHERE id = ? AND "+endedState, id)
	if held {
		p.Held++
	}
	return err
}

// vacuum returns the free pages to the file system, and truncates the write-ahead log
// unless a reader uses it.
func vacuum(ctx context.Context, w *sql.DB) error {
	for left := int64(math.MaxInt64); ; {
		use, err := pageUseOf(ctx, w)
		if err != nil {
			return err
		}
		if use.free == 0 || use.free >= left {
			break // the latter if other processes write faster than this frees
		}
		left = use.free
		if err := vacuumSome(ctx, w); err != nil {
			return err
		}
	}
	var busy, log, done int
	return w.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done)
}

// vacuumSome frees vacuumPages: one with each step of the statement, which therefore
// has to be read to its end.
func vacuumSome(ctx context.Context, w *sql.DB) error {
	rows, err := w.QueryContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		continue // nothing to read: the step itself is the work
	}
	return rows.Err()
}

// A pageUse is how the file is used, in pages of size bytes.
type pageUse struct{ total, free, size int64 }

func pageUseOf(ctx context.Context, q queryer) (u pageUse, err error) {
	err = q.QueryRowContext(ctx, `
		SELECT (SELECT page_count FROM pragma_page_count),
		       (SELECT freelist_count FROM pragma_freelist_count),
		       (SELECT page_size FROM pragma_page_size)`).Scan(&u.total, &u.free, &u.size)
	return u, err
}
