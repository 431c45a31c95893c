package runner

import (
	"context"
	"errors"
	"time"

	"tutti/internal/fault"
	"tutti/scheduler"
	"tutti/store"
)

// turnPoll is how often AwaitTurn tries to claim a queued firing even if nothing was
// written: it may have waited for long enough.
const turnPoll = time.Second

// AwaitTurn waits until the firing of t may start, or never may.
func AwaitTurn(ctx context.Context, s store.Store, owner store.Daemon, t scheduler.Assignment, now func() time.Time) (scheduler.Assignment, error) {
	wake, end := s.Wake()
	defer end()
	tick := time.NewTicker(turnPoll)
	defer tick.Stop()
	for t.Decision == scheduler.Queued {
		select {
		case <-wake:
		case <-tick.C:
		case <-ctx.Done():
			return t, context.Cause(ctx)
		}
		var err error
		if t, err = s.ClaimFiring(ctx, owner, t.ID, now()); err != nil {
			return t, err
		}
	}
	return t, nil
}

// CheckRun returns an error if the firing of t was not to be run.
func CheckRun(t *scheduler.Assignment) error {
	if t.Decision == scheduler.Run || t.Decision == scheduler.Queued {
		return nil
	}
	return fault.Usagef("job %s was not run: %s", t.Job.Name, t.Reason)
}

// FireAttached is [Launch.Fire] without a daemon: the launch itself watches for
// requests to stop the run, and closes a firing that does not become a run with the
// reason.
func (l *Launch) FireAttached(ctx context.Context, f *Firing) error {
	f.attached = true
	err := l.Fire(ctx, f)
	if l.run != 0 || err == nil {
		return err
	}
	// The log of the job shows why there is no run.
	return errors.Join(err, f.Owner.Fail(context.WithoutCancel(ctx), f.Assignment, scheduler.NotStarted(err), err.Error()))
}
