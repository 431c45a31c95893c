package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// A Daemon fires jobs when they are due: it applies the rules of this package
// to the jobs of a ledger. Several may share one. Set its fields, then call Run once.
type Daemon struct {
	// Member is the daemon's registration with the ledger that keeps the jobs.
	Member Membership
	// Rejoin registers the daemon again after its registration is over, which others may
	// end if they have not heard of it for too long. Nothing is fired in between; what
	// runs goes on. Run leaves the registration it replaces, and not the last. Nil: a
	// daemon whose registration is over fires nothing any more.
	Rejoin func(ctx context.Context) (Membership, error)
	// Ends says how those of the runs ended that run no more, from the history; what
	// was cut off is marked there first, whatever it is of. It is how an end gets into the ledger
	// whose process was gone before it had written it.
	Ends func(ctx context.Context, runs []int64) ([]Ended, error)
	// Execute runs the job of a ticket, which the registration by has claimed, to its
	// end. It calls begun once, when the run has its number and before anything
	// connects. An error before that closes the firing as failed, with its text as the
	// reason; one after it is only logged, because the result of the run is on record. Each
	// call has a goroutine of its own, and has written into the ledger how the run ended
	// when it returns, unless its error says otherwise. Its ctx ends with the cause
	// fanout.ErrKill after a request to stop the run, and with the cause of Run's ctx when
	// StopTimeout is over.
	Execute func(ctx context.Context, by Membership, t Assignment, begun func(run int64)) error
	// StopTimeout is how long the firings that run have to come to their end
	// once Run's ctx has ended; 0: no time at all.
	StopTimeout time.Duration
	// Observer is told what happens; nil: nobody is.
	Observer Observer
	// Logger gets what an operator has to know; nil: nobody does.
	Logger *slog.Logger
	// Now is the wall clock, which may be put forward and back at any time; nil
	// is time.Now.
	Now func() time.Time
}

// An Observer is told what a daemon does. It must not block. Begun is called by
// many goroutines at once, the others by one at a time.
type Observer interface {
	// Decided says what became of instants, and why unless they are run: one
	// firing, or count missed instants. A firing that was queued, or was to be
	// run and could not be, is decided once more when that is known. What
	// another daemon decided is told there.
	Decided(job string, d Decision, reason string, count int)
	// Begun says that a run has its number, lag after it was due; no lag is
	// known for a job that is run out of turn or again.
	Begun(t Assignment, run int64, lag time.Duration)
	// Ended tells each ending once, to one of the daemons: also those of runs
	// that another one carried out, and of firings that were never begun.
	Ended(e Completion)
	// Beat is called at each turn, at least about once a second while nothing
	// hangs, also while the daemon is being stopped.
	Beat(now time.Time)
	// Turned ends a turn. trouble is why something could not be done with the ledger
	// or the history in it, by what that was; it is tried again. Empty: all could.
	Turned(trouble map[string]error)
}

const (
	// pollEvery is how often jobs are looked at that somebody else may have
	// changed, and how long a change of the wall clock can go unnoticed.
	pollEvery = time.Second
	// repairEvery is how often the runs of processes that are gone are looked
	// for.
	repairEvery = 10 * time.Second
	// conflictPause is how long somebody who was faster is left alone.
	conflictPause = 50 * time.Millisecond
	// lastWords bounds what is written down after everything has ended.
	lastWords = 10 * time.Second
)

// Run fires jobs until ctx ends. Then it fires nothing more, waits StopTimeout
// for what runs, ends the rest, and returns when all of it has ended. Trouble
// with the ledger is logged and tried again, for as long as it takes; the error is
// what could not be written down in the end.
func (d *Daemon) Run(ctx context.Context) error {
	l := newLoop(d, ctx.Done())
	// A firing ends by its own means, not in the moment Run is told to stop, and
	// what is to be written is short and better written than not.
	lasting := context.WithoutCancel(ctx)
	l.log.Info("scheduler started")
	for ctx.Err() == nil {
		l.wait(ctx, l.turn(lasting))
	}
	return l.stop(lasting, context.Cause(ctx))
}

// A loop is a daemon at work. Everything in it belongs to Run's goroutine,
// except what says otherwise.
type loop struct {
	*Daemon
	reporter
	// halt is closed when nothing more is to be fired.
	halt    <-chan struct{}
	trouble trouble
	desk    *Desk
	// agenda is what is planned, and executions what is under way.
	agenda     agenda
	executions executions
	repaired   time.Time
	// unsettled are firings that were not started and still have to be closed.
	unsettled []unstarted
}

func newLoop(d *Daemon, halt <-chan struct{}) *loop {
	l := &loop{Daemon: d, reporter: newReporter(d), halt: halt, desk: NewDesk(d.Member)}
	l.trouble.log = l.log
	l.agenda = agenda{log: l.log, now: l.now, stale: true}
	l.executions = executions{
		reporter: l.reporter, execute: d.Execute, now: l.now,
		finished: make(chan *execution), running: map[*execution]bool{},
	}
	return l
}

// now reads the wall clock.
func (l *loop) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// halted reports whether nothing more is to be fired.
func (l *loop) halted() bool {
	select {
	case <-l.halt:
		return true
	default:
		return false
	}
}

// turn does all there is to do, and returns how long there is nothing more.
func (l *loop) turn(ctx context.Context) time.Duration {
	if l.trouble.any() {
		// What cannot be written now leaves runs without an end, which keep their
		// jobs from running: they are closed as soon as that can be written.
		l.repaired = time.Time{}
	}
	l.trouble.turn()
	defer func() { l.observer.Turned(l.trouble.now) }()
	if l.sync(ctx); l.isLost() {
		l.observer.Beat(l.now())
		return pollEvery
	}
	l.repair(ctx)
	l.closeAll(ctx)
	l.settle(ctx)
	l.agenda.load(l.desk.ListJobs())
	// The time is read after the cursors: a time before them is a clock that was
	// put back, and not one that was read before this process was suspended.
	now := l.now()
	l.observer.Beat(now)
	pause := pollEvery
	if !l.halted() {
		// What somebody left behind is closed or begun before it can keep an
		// instant that is due from being run.
		l.claim(ctx)
		pause = l.decideAll(ctx, now)
	}
	l.executions.stop(l.desk.Stopped())
	if l.trouble.any() {
		return pollEvery
	}
	return pause
}

// wait returns when the pause is over, something may have changed, a firing has
// ended or ctx has.
func (l *loop) wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case x := <-l.executions.finished:
		l.finish(x)
	case <-timer.C:
	case <-l.Member.Wake():
	case <-l.awaitLost():
	case <-ctx.Done():
	}
	for {
		select {
		case x := <-l.executions.finished:
			l.finish(x)
		default:
			return
		}
	}
}

// finish takes in a firing that has ended. One that ended with an error may have
// left a run without an end. What an earlier registration claimed and did not begin is
// claimed again, and nothing has to be closed.
func (l *loop) finish(x *execution) {
	if u, ok := l.executions.finish(x); ok && x.by == l.Member {
		l.unsettled = append(l.unsettled, u)
	}
	if x.err != nil {
		l.repaired = time.Time{}
	}
}

// stop lets what runs come to its end, and ends it for the given cause when the
// time is up.
func (l *loop) stop(ctx context.Context, cause error) error {
	l.log.Info("scheduler stopping", "running", len(l.executions.running), "stop_timeout", l.StopTimeout)
	began, ending := time.Now(), false
	for len(l.executions.running) > 0 {
		pause := l.turn(ctx)
		left := l.StopTimeout - time.Since(began)
		if left <= 0 && !ending {
			l.log.Warn("stopping running jobs", "running", len(l.executions.running), "stop_timeout", l.StopTimeout)
			l.executions.cancelAll(cause)
			ending = true
		}
		if !ending {
			pause = min(pause, left)
		}
		l.wait(ctx, pause)
	}
	err := l.lastTurn(ctx)
	l.log.Info("scheduler stopped")
	return err
}

// lastTurn writes down what there still is to write.
func (l *loop) lastTurn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	var all []error
	for _, u := range l.unsettled {
		all = append(all, l.close(ctx, u))
	}
	_, err := l.desk.Sync(ctx, l.Member)
	return errors.Join(append(all, err, l.settleOnce(ctx))...)
}
