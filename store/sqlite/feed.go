package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"

	"tutti/scheduler"
)

// A feed returns the jobs that have changed since its member's last Sync.
type feed struct {
	ledger *Ledger
	// registered returns why the member must not go on; nil: it may.
	registered func(context.Context, queryer) error
	// db has the connection that only watches for writes: SQLite reports to each
	// connection the writes of the others.
	db *sql.DB

	// looking guards the fields below. It is held during reads of the history, which
	// take time.
	looking sync.Mutex
	conn    *sql.Conn
	version int64              // that conn saw last
	seen    bool               // whether it saw any
	known   map[int64]jobPrint // what Sync has returned
}

// changed reports whether this or another process has written since the last call. The
// error wraps ErrMoved if the path leads to another file, to which other processes
// write.
func (f *feed) changed(ctx context.Context) (bool, error) {
	if err := f.ledger.inPlace("read"); err != nil {
		return false, err
	}
	f.looking.Lock()
	defer f.looking.Unlock()
	version, err := f.pollChanges(ctx)
	if err != nil {
		if f.conn != nil {
			_ = f.conn.Close() // a new connection has seen no writes yet
			f.conn = nil
		}
		f.seen = false
		return false, f.ledger.fault("read", err)
	}
	changed := !f.seen || version != f.version
	f.version, f.seen = version, true
	return changed, nil
}

// pollChanges returns a number that changes with each write of another connection.
func (f *feed) pollChanges(ctx context.Context) (version int64, err error) {
	if f.conn == nil {
		if f.conn, err = f.db.Conn(ctx); err != nil {
			return 0, err
		}
	}
	err = f.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
	return version, err
}

// next returns the jobs whose states have changed; see [scheduler.Membership].
func (f *feed) next(ctx context.Context) (scheduler.Changes, error) {
	changed, err := f.changed(ctx)
	if err != nil || !changed {
		return scheduler.Changes{}, err
	}
	changes, err := f.read(ctx)
	if err != nil {
		f.looking.Lock()
		defer f.looking.Unlock()
		f.seen = false // the changes are still to be returned
	}
	return changes, f.ledger.fault("read", err)
}

func (f *feed) read(ctx context.Context) (changes scheduler.Changes, err error) {
	f.looking.Lock()
	known := f.known
	f.looking.Unlock()
	var now map[int64]jobPrint
	err = f.ledger.readTogether(ctx, func(q queryer) error {
		if err := f.registered(ctx, q); err != nil {
			return err
		}
		if now, err = jobPrints(ctx, q); err != nil {
			return err
		}
		var changed []int64
		for id, is := range now {
			if known[id] != is {
				changed = append(changed, id)
			}
		}
		slices.Sort(changed)
		changes.Subjects, err = f.ledger.states.loadSubjects(ctx, q, changed)
		for i := range changes.Subjects {
			if s := &changes.Subjects[i].State; s.Damaged() {
				now[s.ID] = jobPrint{} // a repair by hand changes no revision
			}
		}
		return err
	})
	if err != nil {
		return scheduler.Changes{}, err
	}
	for id := range known {
		if _, there := now[id]; !there {
			changes.Gone = append(changes.Gone, id)
		}
	}
	f.looking.Lock()
	defer f.looking.Unlock()
	f.known = now
	return changes, nil
}

// close ends the feed.
func (f *feed) close() error {
	f.looking.Lock()
	defer f.looking.Unlock()
	var err error
	if f.conn != nil {
		err = f.conn.Close()
		f.conn = nil
	}
	return errors.Join(err, f.db.Close())
}
