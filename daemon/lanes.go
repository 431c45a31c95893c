package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tutti/access"
	"tutti/runner"
	"tutti/store"
)

// DefaultLanes is how many submitted runs a daemon executes at once by default.
const DefaultLanes = 8

// againAfter is when the history is tried again that could not be read or written.
const againAfter = time.Second

// lanes execute runs that were submitted, as many at once as there are lanes: the first
// of the queue are claimed as soon as there is room for them.
type lanes struct {
	*Daemon
	queue store.Queue
	gate  *access.Gate
	vault vault
	// nudge has something when this process has submitted a run, or has registered
	// again: it needs not wait for what watches the history.
	nudge chan struct{}
}

func newLanes(d *Daemon) *lanes {
	return &lanes{Daemon: d, queue: d.store.Queue(), gate: &access.Gate{Store: d.store.Access(), Now: d.c.Now}, nudge: make(chan struct{}, 1)}
}

// look has the queue looked at now.
func (l *lanes) look() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

// waiting is how many runs wait in the queue.
func (l *lanes) waiting(ctx context.Context) (int, error) {
	all, err := l.queue.Waiting(ctx)
	return len(all), err
}

// A lane is one of the lanes while it executes a run.
type lane struct {
	run    store.ClaimedRun
	cancel context.CancelCauseFunc
	// unsettled is what is still to be written of a run that has not begun; nil:
	// nothing.
	unsettled func(context.Context) error
}

// run executes runs until ctx ends, and until those that have begun have come to their
// end: within the stop timeout, or at its end for the cause of ctx.
func (l *lanes) run(ctx context.Context) {
	wake, end := l.store.Wake()
	defer end()
	b := &board{lanes: l, log: l.c.Logger, busy: map[*lane]bool{}, done: make(chan *lane)}
	// What is written goes on when ctx has ended.
	lasting := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		b.turn(ctx, lasting)
		select {
		case <-wake:
		case <-l.nudge:
		case x := <-b.done:
			b.finish(x)
		case <-b.again():
		case <-ctx.Done():
		}
	}
	b.drain(ctx, lasting)
}

// A board is the lanes of a daemon at work. It belongs to the goroutine of run.
type board struct {
	*lanes
	log       *slog.Logger
	busy      map[*lane]bool
	done      chan *lane
	unsettled []func(context.Context) error
	// trouble is what could not be done with the history in the last turn; nil: nothing.
	trouble error
}

// again receives when the history is to be tried again.
func (b *board) again() <-chan time.Time {
	if b.trouble == nil && len(b.unsettled) == 0 && !b.waitsOnItsOwn() {
		return nil
	}
	return time.After(againAfter)
}

// waitsOnItsOwn reports whether there may be room again without anything that is heard of.
func (b *board) waitsOnItsOwn() bool {
	why := b.waits.get()
	return why == waitsMemory || why == waitsClock
}

// turn settles what could not begin, and claims as many runs as there is room for.
func (b *board) turn(ctx, lasting context.Context) {
	b.settle(lasting)
	err := b.vault.forgetOthers(func() (map[int64]bool, error) { return b.inQueueOrBusy(lasting) })
	for err == nil {
		room := b.room()
		if room == 0 {
			break
		}
		var claimed int
		if claimed, err = b.claim(ctx, lasting, room); claimed < room {
			break
		}
	}
	b.report(err)
}

// room is how many runs may be claimed at once, and notes why none may.
func (b *board) room() (room int) {
	_, hosts := b.load.now()
	room = b.c.Lanes - len(b.busy)
	switch {
	case b.draining.Load():
		b.waits.set(waitsDraining)
	case skewed(b.registration.member()) != "":
		b.waits.set(waitsClock)
	case b.c.Lanes > 0 && room <= 0:
		b.waits.set(waitsRuns)
	case b.c.MaxHosts > 0 && hosts >= b.c.MaxHosts:
		b.waits.set(waitsHosts)
	case b.c.Lanes > 0 && shortOfMemory():
		b.waits.set(waitsMemory)
	default:
		b.waits.set("")
		if b.c.MaxHosts > 0 {
			return min(room, 1) // the next one may have many hosts
		}
		return max(room, 0)
	}
	return 0
}

func (b *board) claim(ctx, lasting context.Context, most int) (claimed int, err error) {
	owner := b.registration.member()
	runs, err := b.queue.Claim(lasting, owner, most)
	if errors.Is(err, store.ErrTaken) {
		return 0, nil // the registration is over: rejoin looks again
	}
	for _, run := range runs {
		b.start(ctx, lasting, owner, run)
	}
	return len(runs), err
}

// report logs trouble with the history once, until it is over.
func (b *board) report(err error) {
	if err != nil && b.trouble == nil {
		b.log.Error("cannot read the queue of submitted runs", "error", b.c.Explain(err))
	}
	b.trouble = err
}

func (b *board) inQueueOrBusy(ctx context.Context) (map[int64]bool, error) {
	waiting, err := b.queue.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	runs := make(map[int64]bool, len(waiting)+len(b.busy))
	for i := range waiting {
		runs[waiting[i].QueueEntry.Run] = true
	}
	for x := range b.busy {
		runs[x.run.QueueEntry.Run] = true
	}
	return runs, nil
}

// start executes a run in a lane, which is sent to done when it is free again.
func (b *board) start(ctx, lasting context.Context, owner store.Daemon, run store.ClaimedRun) {
	running, cancel := context.WithCancelCause(lasting)
	x := &lane{run: run, cancel: cancel}
	b.busy[x] = true
	taken := b.load.take(len(run.Hosts))
	b.metrics.SetBusyLanes(len(b.busy))
	go func() {
		defer cancel(nil)
		defer context.AfterFunc(b.hurried, func() { cancel(context.Cause(b.hurried)) })()
		x.unsettled = b.execute(running, ctx, owner, run, taken)
		taken.end()
		b.done <- x
	}()
}

func (b *board) finish(x *lane) {
	delete(b.busy, x)
	b.metrics.SetBusyLanes(len(b.busy))
	if x.unsettled != nil {
		b.unsettled = append(b.unsettled, x.unsettled)
	}
}

// settle writes down what has become of runs that could not begin. What cannot be
// written is tried again.
func (b *board) settle(ctx context.Context) {
	left := b.unsettled[:0]
	for _, write := range b.unsettled {
		if err := write(ctx); err != nil && !errors.Is(err, store.ErrTaken) {
			left = append(left, write)
		}
	}
	b.unsettled = left
}

// drain waits for the runs that have begun; the others give up by themselves.
func (b *board) drain(ctx, lasting context.Context) {
	timer := time.NewTimer(b.c.StopTimeout)
	defer timer.Stop()
	for len(b.busy) > 0 {
		select {
		case x := <-b.done:
			b.finish(x)
			b.settle(lasting)
		case <-timer.C:
			b.log.Warn("stopping submitted runs", "running", len(b.busy), "stop_timeout", b.c.StopTimeout)
			for x := range b.busy {
				x.cancel(context.Cause(ctx))
			}
		}
	}
	b.settle(lasting) // what could not be written is given back when the daemon leaves
}

// execute executes a run to its end, and returns what is to be written if it has not
// begun; nil: nothing. It begins only while stopping has not ended.
func (l *lanes) execute(ctx, stopping context.Context, owner store.Daemon, run store.ClaimedRun, taken *share) (unsettled func(context.Context) error) {
	id := run.QueueEntry.Run
	log := l.c.Logger.With("run", id)
	begun, err := l.startRun(ctx, stopping, owner, run, taken, log)
	switch {
	case begun && err != nil && !errors.As(err, new(*runner.ExitError)): // that not every host is ok is on record
		log.Error("a submitted run ended with an error", "error", l.c.Explain(err))
		fallthrough
	case begun:
		l.vault.forget(id)
		return nil
	case errors.Is(err, store.ErrTaken):
		return nil // it was stopped, or the daemon counts as gone
	case stopping.Err() != nil, errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrFull):
		return func(ctx context.Context) error { return l.queue.Release(ctx, run.QueueEntry) }
	}
	reason := l.c.Explain(err)
	log.Warn("a submitted run cannot start", "reason", reason)
	return l.failure(&run, err)
}

// failure returns what ends a run that cannot begin, and is called until it returns nil.
// That rights did not allow the run is in the audit.
func (l *lanes) failure(run *store.ClaimedRun, why error) func(context.Context) error {
	now := l.c.Now()
	return func(ctx context.Context) error {
		if errors.As(why, new(*access.ScopeError)) || errors.As(why, new(*access.DeniedError)) || errors.As(why, new(*access.AuthError)) {
			ctx = store.Audited(ctx, access.Entry{
				By:     access.By{Actor: run.Run.Principal, Via: access.Via(run.Run.Via), At: now},
				Action: "run.start", Outcome: access.Refused, After: access.Details{"reason": why.Error()}.JSON(),
			})
		}
		return l.queue.Fail(ctx, run.QueueEntry, why.Error(), now)
	}
}

// errSecretsGone is why a run does not begin whose secrets this daemon should have.
var errSecretsGone = errors.New("its secrets are gone")

// startRun decides a run again, with the present rights of its principal, and executes
// it. begun reports whether it has begun, and err why not, or how it ended.
func (l *lanes) startRun(ctx, stopping context.Context, owner store.Daemon, run store.ClaimedRun, taken *share, log *slog.Logger) (begun bool, err error) {
	s := &runner.Submitted{ClaimedRun: run, Owner: owner, Stopping: stopping, Begun: func() { begun = true }}
	if run.Secrets != 0 {
		var ok bool
		if s.With, ok = l.vault.of(run.QueueEntry.Run); !ok {
			return false, errSecretsGone
		}
	}
	p, err := l.gate.Recall(ctx, run.Run.Principal, access.Via(run.Run.Via))
	if err == nil {
		err = checkRun(&p, run.Request.Keys)
	}
	if err != nil {
		return false, err
	}
	s.Scopes = p.Scopes
	launch := l.launch(log, taken)
	launch.Connections = l.connections
	err = launch.Start(ctx, s)
	return begun, err
}

// checkRun is an [*access.DeniedError] if the principal may not make a run with these
// keys, on whatever hosts.
func checkRun(p *access.Principal, keys map[string][]string) error {
	if err := p.Check(access.Run); err != nil {
		return err
	}
	return checkRights(p, keys)
}

// checkRights is an [*access.DeniedError] if these keys log in to hosts, or use sudo
// there, as the principal may not.
func checkRights(p *access.Principal, keys map[string][]string) error {
	for _, user := range keys["user"] {
		if err := p.CheckLogin(user); err != nil {
			return err
		}
	}
	if len(keys["sudo"]) > 0 {
		return p.CheckSudo()
	}
	return nil
}
