package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxRefusals is of how many jobs that could not be decided in a turn is told.
const maxRefusals = 3

// sync looks what has become of the jobs. A daemon that finds its registration over
// registers again, and looks then.
func (l *loop) sync(ctx context.Context) {
	if l.isLost() && !l.register(ctx) {
		return
	}
	changed, err := l.desk.Sync(ctx, l.Member)
	if errors.Is(err, ErrFenced) && l.isLost() && l.register(ctx) {
		changed, err = l.desk.Sync(ctx, l.Member)
	}
	l.trouble.note("look for changes", err)
	l.agenda.stale = l.agenda.stale || changed
}

// repair looks for runs that have ended, and of which the ledger does not know it.
func (l *loop) repair(ctx context.Context) {
	if !l.repaired.IsZero() && time.Since(l.repaired) < repairEvery {
		return
	}
	l.repaired = time.Now()
	ends, err := l.Ends(ctx, l.desk.Running())
	l.trouble.note("repair", errors.Join(err, l.desk.End(ctx, l.now(), ends)))
}

// An unstarted is a claimed firing that was not begun, and how it is closed.
type unstarted struct {
	ticket   Assignment
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
		case tooLate(t, now):
			l.closeNow(ctx, unstarted{t, Missed, MissedDeadline})
		default:
			l.executions.start(ctx, l.Member, t)
		}
	}
}

// has reports whether the loop has a firing in its hands.
func (l *loop) has(firing int64) bool {
	return l.executions.has(l.Member, firing) || slices.ContainsFunc(l.unsettled, func(u unstarted) bool { return u.ticket.ID == firing })
}

// tooLate reports whether a firing whose daemon has ended has been found too
// late to be run.
func tooLate(t Assignment, now time.Time) bool {
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
		return false // Execute says it better
	}
	// What was decided just in time may be found a moment later.
	return late > timing.window()+t.Job.Grace
}

// closeAll closes what could not be begun.
func (l *loop) closeAll(ctx context.Context) {
	todo := l.unsettled
	l.unsettled = nil
	for _, u := range todo {
		l.closeNow(ctx, u)
	}
}

// closeNow closes a firing, in a later turn if it cannot be done in this one.
func (l *loop) closeNow(ctx context.Context, u unstarted) {
	if !l.trouble.note("close firings", l.close(ctx, u)) {
		l.unsettled = append(l.unsettled, u)
	}
}

// close writes down that a firing is not begun.
func (l *loop) close(ctx context.Context, u unstarted) error {
	err := l.desk.Fail(ctx, l.Member, l.now(), u.ticket, u.decision, u.reason)
	if errors.Is(err, ErrConflict) {
		l.log.Debug("firing is closed already", ticketAttrs(u.ticket)...)
		return nil
	}
	if err != nil {
		return fmt.Errorf("firing %d of job %s: %w", u.ticket.ID, u.ticket.Job.Name, err)
	}
	u.ticket.Decision, u.ticket.Reason = u.decision, u.reason
	l.sayTicket(u.ticket)
	return nil
}

// decideAll decides and begins what is due, and returns how long nothing more
// is.
func (l *loop) decideAll(ctx context.Context, now time.Time) time.Duration {
	a := &l.agenda
	if idle := a.idle(now); idle > 0 {
		return idle
	}
	pause := pollEvery
	var due []*entry
	var decisions []Decisions
	for _, e := range a.entries {
		if !e.wants(now) {
			continue
		}
		if d, ok := a.late(e, now); ok {
			due, decisions = append(due, e), append(decisions, d)
		}
	}
	tickets, errs, err := l.desk.Decide(ctx, now, decisions)
	if err != nil {
		due, errs = nil, []error{fmt.Errorf("%s: %w", jobsOf(due), err)}
	}
	for i, e := range due {
		switch {
		case errors.Is(errs[i], ErrConflict):
			a.stale, pause, errs[i] = true, min(pause, conflictPause), nil
		case errs[i] != nil:
			errs[i] = fmt.Errorf("job %s: %w", e.kept.Name, errs[i])
			a.stale = true // the job may be broken by now
		default:
			a.decided(e, &decisions[i])
			l.sayDecided(decisions[i], tickets[i])
			if e.wants(now) {
				// There is more than is decided at once; the others come first.
				pause = 0
			}
		}
	}
	l.trouble.note("decide", someOf(errs))
	a.recompute()
	if !l.halted() {
		l.claim(ctx)
	}
	if idle := a.idle(l.now()); idle > 0 {
		return min(pause, idle)
	}
	return pause
}

// jobsOf names the jobs of entries, the first maxRefusals of them.
func jobsOf(entries []*entry) string {
	var names []string
	for _, e := range entries[:min(len(entries), maxRefusals)] {
		names = append(names, e.kept.Name)
	}
	text := "job " + strings.Join(names, ", ")
	if more := len(entries) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// someOf joins the first errors, as many as maxRefusals.
func someOf(errs []error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	return errors.Join(errs[:min(len(errs), maxRefusals)]...)
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
