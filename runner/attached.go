package runner

import (
	"context"
	"errors"
	"time"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/scheduler"
	"tutti/store"
)

// turnPoll is how often is asked whether it is the turn of a firing that waits.
const turnPoll = 200 * time.Millisecond

// AwaitTurn waits until the firing of t may begin, or never may.
func AwaitTurn(ctx context.Context, s store.Store, owner store.Daemon, t scheduler.Ticket, now func() time.Time) (scheduler.Ticket, error) {
	tick := time.NewTicker(turnPoll)
	defer tick.Stop()
	for t.Decision == scheduler.Queued {
		select {
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

// CheckRun is an error if it was decided that the firing of t is not run.
func CheckRun(t *scheduler.Ticket) error {
	if t.Decision == scheduler.Run || t.Decision == scheduler.Queued {
		return nil
	}
	return fault.Usagef("job %s is not run: %s", t.Job.Name, t.Reason)
}

// FireAttached is [Launch.Fire] without a daemon: the run ends when it is killed,
// and a firing that does not come to a run is closed with the reason.
func (l *Launch) FireAttached(ctx context.Context, f *Firing) error {
	err := l.fireWatched(ctx, f)
	if l.run != 0 || err == nil {
		return err
	}
	// What was to be done and why it was not is on record for all who look.
	decision := scheduler.Failed
	if errors.Is(err, fanout.ErrSignal) {
		decision = scheduler.Skipped // nobody wants it any more
	}
	return errors.Join(err, f.Owner.Fail(context.WithoutCancel(ctx), f.Ticket, decision, err.Error()))
}

// killPoll is how often an attached run looks whether somebody wants its end.
const killPoll = time.Second

// fireWatched is Fire, and ends the run when it is killed.
func (l *Launch) fireWatched(ctx context.Context, f *Firing) error {
	ctx, cancel := context.WithCancelCause(ctx)
	number := make(chan int64, 1)
	f.Begun = func(id int64) { number <- id }
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		awaitKill(ctx, f.Owner, number, func() { cancel(fanout.ErrKill) })
	}()
	defer func() {
		cancel(nil)
		<-watched
	}()
	return l.Fire(ctx, f)
}

// awaitKill calls kill once somebody wants the end of the run whose number comes.
// It returns when ctx has ended at the latest.
func awaitKill(ctx context.Context, owner store.Daemon, number <-chan int64, kill func()) {
	tick := time.NewTicker(killPoll)
	defer tick.Stop()
	var run int64
	for {
		select {
		case run = <-number:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if run == 0 {
			continue
		}
		// A history that cannot be read now can be read later.
		if stops, err := owner.Stops(ctx, []int64{run}); err == nil && len(stops) > 0 {
			kill()
			return
		}
	}
}
