package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxRefusals bounds how many of the jobs that could not be decided in a turn an error
// names.
const maxRefusals = 3

// sync reads the jobs that have changed. If the registration is over, it registers
// again first.
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

// repair finds runs that have ended and whose end the ledger does not have.
func (l *loop) repair(ctx context.Context) {
	if !l.repaired.IsZero() && time.Since(l.repaired) < repairEvery {
		return
	}
	l.repaired = time.Now()
	ends, err := l.Ends(ctx, l.desk.Running())
	l.trouble.note("repair", errors.Join(err, l.desk.End(ctx, l.now(), ends)))
}

// An unstarted is a claimed firing that could not be started, and the decision that
// closes it.
type unstarted struct {
	assignment Assignment
	decision   Decision
	reason     string
}

// claim claims the firings that may start, and starts them.
func (l *loop) claim(ctx context.Context) {
	now := l.now()
	assignments, err := l.desk.Claim(ctx, l.Member, now, l.has)
	l.trouble.note("claim firings", err)
	for _, t := range assignments {
		switch {
		case t.Decision != Run:
			l.reportAssignment(t)
		case tooLate(t, now):
			l.closeNow(ctx, unstarted{t, Missed, MissedDeadline})
		default:
			l.executions.start(ctx, l.Member, t)
		}
	}
}

// has reports whether the loop executes the firing, or has still to close it.
func (l *loop) has(firing int64) bool {
	return l.executions.has(l.Member, firing) || slices.ContainsFunc(l.unsettled, func(u unstarted) bool { return u.assignment.ID == firing })
}

// tooLate reports whether a firing that another daemon decided and did not start is too
// late to run.
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
		return false // Execute returns the better error
	}
	// A firing that was decided just in time may be claimed a moment later.
	return late > timing.window()+t.Job.Grace
}

// closeAll closes the firings that could not be started.
func (l *loop) closeAll(ctx context.Context) {
	todo := l.unsettled
	l.unsettled = nil
	for _, u := range todo {
		l.closeNow(ctx, u)
	}
}

// closeNow closes a firing; if that fails, a later turn does.
func (l *loop) closeNow(ctx context.Context, u unstarted) {
	if !l.trouble.note("close firings", l.close(ctx, u)) {
		l.unsettled = append(l.unsettled, u)
	}
}

// close records that a firing does not run. A firing that another process closed is no
// error.
func (l *loop) close(ctx context.Context, u unstarted) error {
	err := l.desk.Fail(ctx, l.Member, l.now(), u.assignment, u.decision, u.reason)
	if errors.Is(err, ErrConflict) {
		l.log.Debug("firing is closed already", assignmentAttrs(u.assignment)...)
		return nil
	}
	if err != nil {
		return fmt.Errorf("firing %d of job %s: %w", u.assignment.ID, u.assignment.Job.Name, err)
	}
	u.assignment.Decision, u.assignment.Reason = u.decision, u.reason
	l.reportAssignment(u.assignment)
	return nil
}

// resume resumes the jobs whose pause has ended.
func (l *loop) resume(ctx context.Context, now time.Time) {
	a := &l.agenda
	if a.next.IsZero() || now.Before(a.next) {
		return
	}
	var errs []error
	for _, e := range a.entries {
		if !e.job.PauseOver(now) {
			continue
		}
		left := e.job.LeavePause()
		_, err := l.desk.Apply(ctx, e.job.ID, now, func(s JobState, at Moment) (Transition, error) { return s.EndPause(left, at) })
		switch {
		case err == nil:
			l.log.Info("job resumed: its pause has ended", "job", e.job.Name, "paused_by", e.job.Pause.By)
		case !errors.Is(err, ErrConflict): // another process was faster
			errs = append(errs, fmt.Errorf("job %s: %w", e.job.Name, err))
		}
		a.stale = true
	}
	l.trouble.note("resume jobs", someOf(errs))
	a.load(l.desk.ListJobs())
}

// decideAll decides and starts what is due, and returns the time until the next turn is
// needed.
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
		if wait := l.preference.wait(e, l.Member.Fence(), now); wait > 0 {
			pause = min(pause, wait)
			continue
		}
		if d, ok := a.late(e, now); ok {
			due, decisions = append(due, e), append(decisions, d)
		}
	}
	assignments, errs, err := l.desk.Decide(ctx, now, decisions)
	if err != nil {
		due, errs = nil, []error{fmt.Errorf("%s: %w", jobsOf(due), err)}
	}
	for i, e := range due {
		switch {
		case errors.Is(errs[i], ErrConflict):
			a.stale, pause, errs[i] = true, min(pause, conflictPause), nil
		case errs[i] != nil:
			errs[i] = fmt.Errorf("job %s: %w", e.job.Name, errs[i])
			a.stale = true // read the job again: it may be broken by now
		default:
			a.decided(e, &decisions[i])
			l.reportDecisions(decisions[i], assignments[i])
			if e.wants(now) {
				// More is due than one decision has; other jobs come first.
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
		names = append(names, e.job.Name)
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

// settle settles and reports the firings that have ended.
func (l *loop) settle(ctx context.Context) {
	l.trouble.note("settle firings", l.settleOnce(ctx))
}

func (l *loop) settleOnce(ctx context.Context) error {
	completions, err := l.desk.Settle(ctx, l.now())
	for _, e := range completions {
		l.reportCompletion(e)
	}
	return err
}
