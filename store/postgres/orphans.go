package postgres

import (
	"context"
	"sync"
	"time"
)

// orphans are the runs that this process may have begun and does not execute, since the
// answer to their begin was lost. The zero value is empty; its methods may be called by
// many goroutines at once.
type orphans struct {
	mu   sync.Mutex // guards runs
	runs map[int64]orphan
}

// An orphan is the registration under which a run may have been begun, and since when that
// is not known.
type orphan struct {
	controller int64
	since      time.Time
}

// orphanFor is how long the server may still be about to commit a run.
const orphanFor = time.Minute

func (o *orphans) add(run, controller int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.runs == nil {
		o.runs = map[int64]orphan{}
	}
	o.runs[run] = orphan{controller, time.Now()}
}

// each calls disown for all, and forgets those of which it reports that they are gone, or
// that were not there for long enough.
func (o *orphans) each(disown func(run, controller int64) (gone bool, err error)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for run, x := range o.runs {
		gone, err := disown(run, x.controller)
		if err != nil {
			return err
		}
		if gone || time.Since(x.since) > orphanFor {
			delete(o.runs, run)
		}
	}
	return nil
}

// disown has nobody record the orphans, so that they are repaired as the runs of processes
// that are gone, although their process is alive.
func (h *handle) disown(ctx context.Context) error {
	return h.orphans.each(func(run, controller int64) (gone bool, err error) {
		tag, err := h.pool.Exec(ctx, "UPDATE runs SET controller = NULL WHERE id = $1 AND controller = $2 AND state = 'running'", run, controller)
		return tag.RowsAffected() > 0, err
	})
}

// disownSoon disowns a run if it was begun; what fails now the repair does.
func (h *handle) disownSoon(run, controller int64) {
	h.orphans.add(run, controller)
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	if err := h.disown(ctx); err != nil {
		h.options.Logger.Warn("it is not known whether a run was begun", "run", run, "error", err)
	}
}
