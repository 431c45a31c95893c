package scheduler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"tutti/fanout"
)

// A flight is a claimed firing on its way.
type flight struct {
	ticket Ticket
	cancel context.CancelCauseFunc
	// run is the number of the run; 0: it has none yet. flights.mu guards it.
	run int64
	// killed: somebody wanted the run to be ended, and it was told. Run's.
	killed bool
	// err is what went wrong, and stack where, if it was a panic. They are set
	// before the flight has ended.
	err   error
	stack []byte
}

// flights are all of them.
type flights struct {
	// ended takes those that have ended. Each is waited for.
	ended chan *flight
	// aloft are the others. Run's.
	aloft map[*flight]bool
	// mu guards the numbers of the runs.
	mu sync.Mutex
}

// runOf is the number of the flight's run.
func (f *flights) runOf(of *flight) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return of.run
}

// cancelAll ends what runs.
func (f *flights) cancelAll(cause error) {
	for each := range f.aloft {
		each.cancel(cause)
	}
}

// A closing is a firing that was not begun, and how it is closed.
type closing struct {
	ticket   Ticket
	decision Decision
	reason   string
}

// claim begins the firings that may.
func (l *loop) claim(ctx context.Context) {
	now := l.now()
	tickets, err := l.desk.Claim(ctx, l.Member, now, l.has)
	l.trouble.note("claim firings", err)
	for _, t := range tickets {
		switch {
		case t.Decision != Run:
			l.sayTicket(t)
		case l.tooLate(t, now):
			l.closeNow(ctx, closing{t, Missed, MissedLate})
		default:
			l.begin(ctx, t)
		}
	}
}

// has reports whether the loop has a firing in its hands.
func (l *loop) has(firing int64) bool {
	for f := range l.flights.aloft {
		if f.ticket.ID == firing {
			return true
		}
	}
	return slices.ContainsFunc(l.unclosed, func(c closing) bool { return c.ticket.ID == firing })
}

// tooLate reports whether a firing whose daemon has ended has been found too
// late to be run.
func (l *loop) tooLate(t Ticket, now time.Time) bool {
	if t.Firing.Due.IsZero() || t.Waited || t.Repeats != 0 {
		return false
	}
	late := now.Sub(t.Firing.Due)
	if late <= t.Job.Grace || t.Job.CatchUp == CatchUpAll {
		return false
	}
	if t.Job.CatchUp == CatchUpNone {
		return true
	}
	timing, err := t.Job.Timing(now)
	if err != nil {
		return false // Carry says it better
	}
	// What was decided just in time may be found a moment later.
	return late > timing.window()+t.Job.Grace
}

// begin carries a firing out in a goroutine of its own, which wait waits for.
func (l *loop) begin(ctx context.Context, t Ticket) {
	ctx, cancel := context.WithCancelCause(ctx)
	f := &flight{ticket: t, cancel: cancel}
	l.flights.aloft[f] = true
	go func() {
		defer func() { l.flights.ended <- f }()
		defer cancel(nil)
		defer func() {
			if r := recover(); r != nil {
				f.err, f.stack = fmt.Errorf("panic: %v", r), debug.Stack()
			}
		}()
		f.err = l.Carry(ctx, t, func(run int64) { l.begun(f, run) })
	}()
}

// begun takes down the number of a run; it is called by the firing.
func (l *loop) begun(f *flight, run int64) {
	l.flights.mu.Lock()
	f.run = run
	l.flights.mu.Unlock()
	var lag time.Duration
	attrs := append(ticketAttrs(f.ticket), "run", run)
	if due := f.ticket.Firing.Due; !due.IsZero() && f.ticket.Repeats == 0 {
		lag = max(0, l.now().Sub(due))
		attrs = append(attrs, "lag_ms", lag.Milliseconds())
	}
	l.log.Info("job started", attrs...)
	l.observer.Begun(f.ticket, run, lag)
}

// land takes in a firing that has ended.
func (l *loop) land(f *flight) {
	delete(l.flights.aloft, f)
	run := l.flights.runOf(f)
	attrs := append(ticketAttrs(f.ticket), "run", run, "error", f.err)
	if f.stack != nil {
		l.log.Error("firing panicked", append(attrs, "stack", string(f.stack))...)
	}
	switch {
	case run == 0:
		if f.err == nil {
			f.err = errors.New("not started (unknown reason)")
		}
		decision := Failed
		if errors.Is(f.err, fanout.ErrSignal) {
			decision = Skipped // the daemon ends, for which the job cannot help
		}
		l.unclosed = append(l.unclosed, closing{f.ticket, decision, f.err.Error()})
	case f.err != nil && f.stack == nil:
		l.log.Error("job failed with an error", attrs...)
	}
}

// closeAll closes what could not be begun.
func (l *loop) closeAll(ctx context.Context) {
	todo := l.unclosed
	l.unclosed = nil
	for _, c := range todo {
		l.closeNow(ctx, c)
	}
}

// closeNow closes a firing, in a later turn if it cannot be done in this one.
func (l *loop) closeNow(ctx context.Context, c closing) {
	if !l.trouble.note("close firings", l.close(ctx, c)) {
		l.unclosed = append(l.unclosed, c)
	}
}

// close writes down that a firing is not begun.
func (l *loop) close(ctx context.Context, c closing) error {
	err := l.desk.Fail(ctx, l.Member, l.now(), c.ticket, c.decision, c.reason)
	if errors.Is(err, ErrConflict) {
		l.log.Debug("firing is closed already", ticketAttrs(c.ticket)...)
		return nil
	}
	if err != nil {
		return fmt.Errorf("firing %d of job %s: %w", c.ticket.ID, c.ticket.Job.Name, err)
	}
	c.ticket.Decision, c.ticket.Reason = c.decision, c.reason
	l.sayTicket(c.ticket)
	return nil
}

// killAll ends the runs that somebody wants to be ended.
func (l *loop) killAll() {
	stopped := l.desk.Stopped()
	for f := range l.flights.aloft {
		run := l.flights.runOf(f)
		if f.killed || !stopped[run] {
			continue
		}
		f.killed = true
		l.log.Warn("stopping a run on request", append(ticketAttrs(f.ticket), "run", run)...)
		f.cancel(fanout.ErrKill)
	}
}

// settle tells what has ended.
func (l *loop) settle(ctx context.Context) {
	l.trouble.note("settle firings", l.settleOnce(ctx))
}

func (l *loop) settleOnce(ctx context.Context) error {
	endings, err := l.desk.Settle(ctx, l.now())
	for _, e := range endings {
		l.sayEnded(e)
	}
	return err
}

// sayEnded tells how a run ended; of a firing that was not begun it is known.
func (l *loop) sayEnded(e Ending) {
	if e.Run != 0 {
		level, outcome := l.log.Info, "ok"
		switch {
		case e.Interrupted:
			level, outcome = l.log.Error, "interrupted"
		case e.OnRequest:
			level, outcome = l.log.Warn, "stopped"
		case !e.OK:
			level, outcome = l.log.Warn, "failed"
		}
		attrs := append(ticketAttrs(e.Ticket), "run", e.Run, "outcome", outcome, "hosts", e.Summary.Hosts)
		if e.Reason != "" {
			attrs = append(attrs, "reason", e.Reason)
		}
		for _, o := range fanout.Outcomes() {
			if n := e.Summary.Counts[o]; n > 0 {
				attrs = append(attrs, "hosts_"+o.String(), n)
			}
		}
		if !e.Interrupted { // of which nobody knows when it ended
			attrs = append(attrs, "duration_ms", e.Summary.Ended.Sub(e.Summary.Started).Milliseconds())
		}
		level("job finished", append(attrs, "failures", e.Streak.Failures)...)
	}
	l.observer.Ended(e)
}
