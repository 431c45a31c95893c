package store

import (
	"cmp"
	"time"
)

// MaxDeaths is how many daemons may die with a run that they have claimed and not
// begun, before it is set aside: it may be what they die of.
const MaxDeaths = 3

// A QueueEntry is a run that was submitted and has not begun. Its methods are the rules of the queue:
// they change nothing but what they return, and an engine commits that.
type QueueEntry struct {
	Run int64
	// Priority: the highest is first, then the oldest.
	Priority int
	// At is when it was submitted.
	At time.Time
	// Secrets is the number of the daemon that alone has its secrets, in its memory; 0:
	// it needs none.
	Secrets int64
	// Owner is the number of the daemon that has claimed it; 0: none has.
	Owner int64
	// Claim counts the claims. Who has claimed the run says which claim that was: a
	// later one is another's, also if it is by the same daemon.
	Claim int64
	// Deaths is how many daemons died that had claimed it.
	Deaths int
}

// InOrder compares two runs by when it is their turn.
func InOrder(a, b QueueEntry) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Run, b.Run))
}

// ClaimBy is the run once daemon has claimed it. It is [ErrTaken] if another has, or
// another alone has its secrets.
func (q QueueEntry) ClaimBy(daemon int64) (QueueEntry, error) {
	if !q.Claimable(daemon) {
		return q, ErrTaken
	}
	q.Owner = daemon
	q.Claim++
	return q, nil
}

// Claimable reports whether daemon may claim the run.
func (q QueueEntry) Claimable(daemon int64) bool {
	return q.Owner == 0 && (q.Secrets == 0 || q.Secrets == daemon)
}

// Release is the run once its owner gives it back, which is no death. It is [ErrTaken]
// if held is not the claim that stands.
func (q QueueEntry) Release(held QueueEntry) (QueueEntry, error) {
	if err := q.Held(held); err != nil {
		return q, err
	}
	q.Owner = 0
	return q, nil
}

// Held is [ErrTaken] if held is not the claim that stands.
func (q QueueEntry) Held(held QueueEntry) error {
	if q.Owner == 0 || q.Owner != held.Owner || q.Claim != held.Claim {
		return ErrTaken
	}
	return nil
}

// A Fate is what the end of daemons does to a run that has not begun.
type Fate int

// The fates.
const (
	// FateNone: those that matter are alive.
	FateNone Fate = iota
	// FateAgain: it is to be claimed by another.
	FateAgain
	// FatePoisoned: MaxDeaths daemons died that had claimed it, and it is set aside.
	FatePoisoned
	// FateSecretsGone: the daemon that alone had its secrets is gone, and it can never
	// begin.
	FateSecretsGone
)

// Survive is the run after what has become of daemons, and what that does to it. alive
// reports whether a daemon is.
func (q QueueEntry) Survive(alive func(daemon int64) bool) (QueueEntry, Fate) {
	fate := FateNone
	if q.Owner != 0 && !alive(q.Owner) {
		q.Owner = 0
		q.Deaths++
		if fate = FateAgain; q.Deaths >= MaxDeaths {
			return q, FatePoisoned
		}
	}
	if q.Secrets != 0 && !alive(q.Secrets) {
		return q, FateSecretsGone
	}
	return q, fate
}

// A Wait is what a run in the queue waits for.
type Wait string

// What is waited for.
const (
	// WaitStart: the daemon that has claimed it is about to start it.
	WaitStart Wait = "start"
	// WaitTurn: a daemon that has room for it.
	WaitTurn Wait = "turn"
	// WaitSecrets: the one daemon that has its secrets, to have room.
	WaitSecrets Wait = "secrets"
	// WaitDaemon: no daemon serves the store, and one has to be started.
	WaitDaemon Wait = "daemon"
)

// Waits says what the run waits for; serving: a daemon serves the store.
func (q QueueEntry) Waits(serving bool) Wait {
	switch {
	case q.Owner != 0:
		return WaitStart
	case q.Secrets != 0:
		return WaitSecrets
	case serving:
		return WaitTurn
	}
	return WaitDaemon
}
