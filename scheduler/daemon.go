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
	// Member is the daemon's registration with the ledger.
	Member Membership
	// Rejoin registers the daemon again after other processes ended its registration,
	// because they had not heard of it for too long. In between nothing fires and
	// running commands go on. Run leaves each registration that it replaces, and not
	// the last. Nil: a daemon that loses its registration fires nothing any more.
	Rejoin func(ctx context.Context) (Membership, error)
	// Ends marks the runs of dead processes as interrupted in the history, and returns
	// the ends of those of runs that have ended. It brings ends into the ledger that
	// the process of the run could not write before it died.
	Ends func(ctx context.Context, runs []int64) ([]Ended, error)
	// Execute runs the job of an assignment, which the registration by has claimed, to
	// its end. It calls started once, when the run has its number and before anything
	// connects. An error before that closes the firing as failed, with the error's text
	// as the reason; one after it is only logged, because the history has the result of
	// the run. Each call has its own goroutine. When it returns nil, the ledger has the
	// end of the run. After a request to stop the run halt is closed, if running commands
	// are to go on, or ctx ends with the cause fanout.ErrKill; it ends with the cause of
	// Run's ctx when StopTimeout is over.
	Execute func(ctx context.Context, by Membership, t Assignment, halt <-chan struct{}, started func(run int64)) error
	// StopTimeout is how long running firings may go on once Run's ctx has ended; 0:
	// they are stopped at once.
	StopTimeout time.Duration
	// Stagger is how much longer than the one before it each daemon leaves a job that is
	// due to the others, in an order that differs from job to job; 0: all decide at once,
	// which costs the slower ones a write in vain.
	Stagger time.Duration
	// Hold is why the daemon is to decide and start nothing now; empty: it does. What it
	// executes goes on. It is called at each turn; nil: nothing holds it.
	Hold func() string
	// Observer receives what the daemon does; nil: none does.
	Observer Observer
	// Logger gets what an operator has to know; nil: nothing is logged.
	Logger *slog.Logger
	// Now reads the wall clock, which may be set forward and back at any time; nil is
	// time.Now.
	Now func() time.Time
}

// An Observer receives what a daemon does. Its methods must not block. Many goroutines
// call Started at once; the others are called by one at a time.
type Observer interface {
	// Decided reports a decision and, unless it is Run, its reason: of one firing, or
	// of count missed scheduled times. A firing that was queued, or could not be run,
	// is reported once more with its final decision. Each daemon reports its own
	// decisions.
	Decided(job string, d Decision, reason string, count int)
	// Started reports that a run has its number, lag after it was due; lag is 0 for a
	// manual run and for a repetition.
	Started(t Assignment, run int64, lag time.Duration)
	// Ended reports a completion, once and to one daemon only: also of runs that
	// another daemon executed, and of firings that never started.
	Ended(e Completion)
	// Beat is called at each turn: about once a second or more often unless the daemon
	// hangs, also while it stops.
	Beat(now time.Time)
	// Turned reports the end of a turn. trouble has the errors of what the daemon could
	// not do with the ledger or the history, by activity; it tries again in the next
	// turn. Empty: no errors.
	Turned(trouble map[string]error)
}

const (
	// pollEvery is how often the daemon looks for changes by other processes, and how
	// long a step of the wall clock can go unnoticed.
	pollEvery = time.Second
	// repairEvery is how often the daemon looks for runs of dead processes.
	repairEvery = 10 * time.Second
	// conflictPause is the wait after another daemon was faster.
	conflictPause = 50 * time.Millisecond
	// lastTurnTimeout bounds the writes after all firings have ended.
	lastTurnTimeout = 10 * time.Second
)

// Run fires jobs until ctx ends. Then it fires nothing more, gives running firings
// StopTimeout to finish, stops the rest, and returns when all have ended. It logs
// errors of the ledger and tries again for as long as it takes; the error it returns is
// what it could not write in the end.
func (d *Daemon) Run(ctx context.Context) error {
	l := newLoop(d, ctx.Done())
	// The end of ctx does not cancel firings, which StopTimeout governs, nor short
	// writes that complete what has been done.
	lasting := context.WithoutCancel(ctx)
	l.log.Info("scheduler started")
	for ctx.Err() == nil {
		l.wait(ctx, l.turn(lasting))
	}
	return l.stop(lasting, context.Cause(ctx))
}

// A loop is the state of Run. It belongs to Run's goroutine, except what says
// otherwise.
type loop struct {
	*Daemon
	reporter
	// halt is closed when nothing more is to be fired.
	halt    <-chan struct{}
	trouble trouble
	desk    *Desk
	// agenda has the jobs and when they are due, executions the firings under way.
	agenda     agenda
	preference preference
	executions executions
	repaired   time.Time
	// why is what held the last turn; empty: nothing.
	why string
	// unsettled are firings that were not started and still have to be closed.
	unsettled []unstarted
}

func newLoop(d *Daemon, halt <-chan struct{}) *loop {
	l := &loop{Daemon: d, reporter: newReporter(d), halt: halt}
	l.desk = l.newDesk()
	l.trouble.log = l.log
	l.preference.step = d.Stagger
	l.agenda = agenda{log: l.log, now: l.now, stale: true}
	l.executions = executions{
		reporter: l.reporter, execute: d.Execute, now: l.now,
		finished: make(chan *execution), running: map[*execution]bool{},
	}
	return l
}

// newDesk returns a desk for the registration.
func (l *loop) newDesk() *Desk {
	d := NewDesk(l.Member)
	d.leave = func(f *FiringRecord, now time.Time) bool { return l.preference.leave(f, l.Member.Fence(), now) }
	return d
}

// now reads the wall clock.
func (l *loop) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// halted reports whether halt is closed.
func (l *loop) halted() bool {
	select {
	case <-l.halt:
		return true
	default:
		return false
	}
}

// held reports whether something holds the daemon.
func (l *loop) held() bool {
	if l.Hold == nil {
		return false
	}
	why := l.Hold()
	switch {
	case why != "" && why != l.why:
		l.log.Warn("the daemon starts nothing", "reason", why)
	case why == "" && l.why != "":
		l.log.Info("the daemon starts jobs again")
	}
	l.why = why
	return why != ""
}

// turn does all there is to do, and returns the time until there is more.
func (l *loop) turn(ctx context.Context) time.Duration {
	if l.trouble.any() {
		// A failed write can leave a run without an end, which keeps its job from
		// running: repair in the first turn that can write.
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
	// The time is read after the cursors: if it is before them, the clock was set back;
	// it cannot be a reading from before this process was suspended.
	now := l.now()
	l.observer.Beat(now)
	pause := pollEvery
	if !l.halted() && !l.held() {
		// Firings that a dead daemon left are started or closed first, since they could
		// keep a due firing from running.
		l.claim(ctx)
		l.resume(ctx, now)
		l.trouble.note("look for other daemons", l.preference.look(ctx, l.Member))
		pause = l.decideAll(ctx, now)
	}
	l.executions.stop(l.desk.Stopped())
	if l.trouble.any() {
		return pollEvery
	}
	return pause
}

// wait returns when the pause is over, the ledger may have changed, an execution has
// finished, or ctx has ended.
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

// finish removes an execution that has finished. If it returned an error, it may have
// left a run without an end, so that the next turn repairs. A firing that an earlier
// registration claimed and did not start is claimed again, and is not closed.
func (l *loop) finish(x *execution) {
	if u, ok := l.executions.finish(x); ok && x.by == l.Member {
		l.unsettled = append(l.unsettled, u)
	}
	if x.err != nil {
		l.repaired = time.Time{}
	}
}

// stop waits for running firings to finish, and cancels them with the cause after
// StopTimeout.
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

// lastTurn makes the writes that are still to be made.
func (l *loop) lastTurn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastTurnTimeout)
	defer cancel()
	var all []error
	for _, u := range l.unsettled {
		all = append(all, l.close(ctx, u))
	}
	_, err := l.desk.Sync(ctx, l.Member)
	return errors.Join(append(all, err, l.settleOnce(ctx))...)
}
