package scheduler

import (
	"context"
	"errors"
	"time"
)

// errUnregistered is why a daemon without a Rejoin fires nothing any more.
var errUnregistered = errors.New("the registration of this daemon is over")

// isLost reports whether the registration is over.
func (l *loop) isLost() bool {
	select {
	case <-l.Member.Lost():
		return true
	default:
		return false
	}
}

// awaitLost returns a channel that is closed when the registration is over; nil if the
// daemon knows that already, since its next turn tries to register again.
func (l *loop) awaitLost() <-chan struct{} {
	if l.isLost() {
		return nil
	}
	return l.Member.Lost()
}

// register registers the daemon again, and reports whether it did. The daemon forgets
// the jobs that it has read. Its executions go on until the ledger refuses their
// claims. Firings that it has claimed and not started are free for every daemon, this
// one included.
func (l *loop) register(ctx context.Context) bool {
	lost := l.Member
	if l.Rejoin == nil {
		return l.trouble.note("register", errUnregistered)
	}
	member, err := l.Rejoin(ctx)
	if !l.trouble.note("register", err) {
		return false
	}
	l.Member, l.agenda.stale = member, true
	l.desk = l.newDesk()
	l.unsettled, l.repaired = nil, time.Time{}
	l.log.Warn("registration lost; registered again", "lost", lost.Fence(), "daemon", member.Fence(), "running", len(l.executions.running))
	if err := lost.Leave(ctx); err != nil {
		l.log.Warn("cannot leave the lost registration", "lost", lost.Fence(), "error", err)
	}
	return true
}
