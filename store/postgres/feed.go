package postgres

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
)

const (
	// listAgain is after what time without a Sync all jobs are listed again: the numbers
	// of deleted ones are not kept for ever.
	listAgain = 10 * time.Minute
	// keptDeleted is how long those are kept.
	keptDeleted = "1 day"
)

// A jobPrint identifies a state of a job.
type jobPrint struct{ revision, version int64 }

// A feed returns the jobs that have changed since its member's last Sync. It belongs to
// the goroutine that calls Sync, except what says otherwise.
type feed struct {
	ledger *Ledger
	// queueRegistered has a batch fail if the member must not go on.
	queueRegistered func(*pgx.Batch)

	mu sync.Mutex // guards what follows
	// listed is when all that had changed was read last; zero: all is to be listed.
	listed time.Time
	// horizon: transactions from this one on may not have been seen.
	horizon uint64
	known   map[int64]jobPrint // what Sync has returned
}

// next returns the jobs whose states have changed; see [scheduler.Membership]. After an
// error all jobs are listed again.
func (f *feed) next(ctx context.Context) (scheduler.Changes, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes, err := f.read(ctx)
	if err != nil {
		f.listed = time.Time{}
	}
	return changes, f.ledger.fault("read", err)
}

// A look is what a feed reads at once.
type look struct {
	horizon uint64
	prints  map[int64]jobPrint
	gone    []int64
}

func (f *feed) read(ctx context.Context) (changes scheduler.Changes, err error) {
	full := f.listed.IsZero() || time.Since(f.listed) > listAgain
	now := time.Now()
	seen, err := f.look(ctx, full)
	if err != nil {
		return changes, err
	}
	var changed []int64
	for id, is := range seen.prints {
		if f.known[id] != is {
			changed = append(changed, id)
		}
	}
	slices.Sort(changed)
	if changes.Subjects, err = f.ledger.states.loadSubjects(ctx, f.ledger.pool, changed); err != nil {
		return scheduler.Changes{}, err
	}
	for id := range f.known {
		if _, there := seen.prints[id]; full && !there || slices.Contains(seen.gone, id) {
			changes.Gone = append(changes.Gone, id)
		}
	}
	slices.Sort(changes.Gone)
	f.take(&changes, seen)
	f.listed, f.horizon = now, seen.horizon
	return changes, nil
}

// take notes what is returned.
func (f *feed) take(changes *scheduler.Changes, seen *look) {
	if f.known == nil {
		f.known = map[int64]jobPrint{}
	}
	for _, id := range changes.Gone {
		delete(f.known, id)
	}
	for i := range changes.Subjects {
		s := &changes.Subjects[i]
		f.known[s.State.ID] = seen.prints[s.State.ID]
	}
}

// look reads what has changed since the horizon, or all. The horizon is read first: what
// is committed meanwhile is seen now and again, and never missed.
func (f *feed) look(ctx context.Context, full bool) (*look, error) {
	seen := &look{prints: map[int64]jobPrint{}}
	var b pgx.Batch
	f.queueRegistered(&b)
	b.Queue("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").QueryRow(func(row pgx.Row) error { return row.Scan(&seen.horizon) })
	const prints = "SELECT job_id, revision, coalesce(version, 0) FROM job_states LEFT JOIN jobs ON id = job_id"
	if full {
		b.Queue(prints).Query(seen.takePrints)
	} else {
		since := strconv.FormatUint(f.horizon, 10)
		b.Queue(prints+" WHERE changed_by >= $1::text::xid8", since).Query(seen.takePrints)
		b.Queue("SELECT job_id FROM job_states_deleted WHERE changed_by >= $1::text::xid8", since).Query(func(rows pgx.Rows) (err error) {
			seen.gone, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
	}
	return seen, f.ledger.pool.SendBatch(ctx, &b).Close()
}

func (l *look) takePrints(rows pgx.Rows) error {
	for rows.Next() {
		var id int64
		var p jobPrint
		if err := rows.Scan(&id, &p.revision, &p.version); err != nil {
			return err
		}
		l.prints[id] = p
	}
	return rows.Err()
}
