package daemon

import (
	"context"
	"time"

	"tutti/fanout"
	"tutti/internal/sdnotify"
	"tutti/scheduler"
	"tutti/store"
)

const (
	// pruneEvery is how often old runs are pruned, in addition to after each run.
	pruneEvery = time.Hour
	// seededRuns is how many of a job's newest runs are searched for its last success.
	seededRuns = 50
)

// seedMetrics sets, from the history, when each job last succeeded, if one of its
// newest runs did.
func (d *Daemon) seedMetrics(ctx context.Context) error {
	stored, err := d.store.ListJobs(ctx)
	if err != nil {
		return err
	}
	for i := range stored {
		rows, err := d.store.Firings(ctx, store.FiringQuery{
			Job: stored[i].Name, Decisions: []scheduler.Decision{scheduler.Run}, Limit: seededRuns,
		})
		if err != nil { // a job whose runs cannot be read must not stop the others
			d.c.Logger.Error("cannot read when a job last succeeded", "job", stored[i].Name, "error", err)
			continue
		}
		for _, row := range rows {
			if r := row.Run; r != nil && r.State == store.Finished && r.Summary.Counts[fanout.OK] == r.Summary.Hosts {
				d.metrics.SetLastSuccess(stored[i].Name, r.Summary.Ended)
				break
			}
		}
	}
	return nil
}

// keepHouse prunes old runs, and checks the jobs at each Reload, until ctx ends.
func (d *Daemon) keepHouse(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	if err := d.tellFewerDays(ctx); err != nil && ctx.Err() == nil {
		d.c.Logger.Error("cannot report changes in job behavior", "error", err)
	}
	d.prune(ctx)
	for {
		select {
		case <-tick.C:
			d.prune(ctx)
		case <-d.reloads:
			d.reload(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// tellFewerDays logs once which jobs fire on fewer days than under an earlier
// version.
func (d *Daemon) tellFewerDays(ctx context.Context) error {
	if d.c.FewerDays == nil {
		return nil
	}
	return d.service.AnnounceFewerDays(ctx, store.InLog, func(names []string) { d.c.Logger.Warn(d.c.FewerDays(names)) })
}

// prune deletes the runs that the retention does not keep.
func (d *Daemon) prune(ctx context.Context) {
	switch pruned, err := d.store.Prune(ctx, d.c.History.Retention); {
	case ctx.Err() != nil: // the next daemon prunes
	case err != nil:
		d.c.Logger.Error("cannot prune old runs", "error", err)
	case pruned.Runs > 0:
		d.c.Logger.Info("old runs pruned", "runs", pruned.Runs, "bytes", pruned.Bytes)
	}
}

// reload checks all jobs as they are now, and logs their problems. It reports its end
// to the service manager before it logs it.
func (d *Daemon) reload(ctx context.Context) {
	d.c.Manager.Tell(sdnotify.Reloading)
	jobs, bad, err := d.checkAll(ctx)
	d.c.Manager.Tell(sdnotify.Ready)
	if err != nil {
		d.c.Logger.Error("cannot read jobs", "error", err)
		return
	}
	d.c.Logger.Info("reloaded", "jobs", jobs, "bad", bad)
}

// checkAll logs the problems of jobs, and counts all jobs and those with problems.
func (d *Daemon) checkAll(ctx context.Context) (jobs, bad int, err error) {
	stored, err := d.store.ListJobs(ctx)
	if err != nil {
		return 0, 0, err
	}
	for i := range stored {
		problems := Check(ctx, d.launch(d.c.Logger.With("job", stored[i].Name), nil), &stored[i])
		for _, p := range problems {
			d.c.Logger.Warn("job would fail", "job", stored[i].Name, "problem", d.c.Explain(p))
		}
		bad += min(1, len(problems))
	}
	return len(stored), bad, nil
}
