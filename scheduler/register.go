package scheduler

import (
	"context"
	"errors"
	"time"
)

// errUnregistered says of a daemon without a Rejoin why it fires nothing any more.
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

// awaitLost receives when the registration is over. While that is known and the daemon
// could not register again it never does, since the next turn tries it.
func (l *loop) awaitLost() <-chan struct{} {
	if l.isLost() {
		return nil
	}
	return l.Member.Lost()
}

// register registers the daemon again, and reports whether that was done. What it knows of
// jobs is forgotten; what runs goes on, until its claim is found to be another's. What it
// has claimed and not begun is free, for the new registration as for others.
func (l *loop) register(ctx context.Context) bool {
	lost := l.Member
	if l.Rejoin == nil {
		return l.trouble.note("register", errUnregistered)
	}
	member, err := l.Rejoin(ctx)
	if !l.trouble.note("register", err) {
		return false
	}
	l.Member, l.desk, l.agenda.stale = member, NewDesk(member), true
	l.unsettled, l.repaired = nil, time.Time{}
	l.log.Warn("registration lost; registered again", "lost", lost.Fence(), "daemon", member.Fence(), "running", len(l.executions.running))
	if err := lost.Leave(ctx); err != nil {
		l.log.Warn("cannot leave the lost registration", "lost", lost.Fence(), "error", err)
	}
	return true
}
