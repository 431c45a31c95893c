package store

import (
	"cmp"
	"time"
)

// MaxDeaths is the number of daemons that died with a claimed run before they began it,
// at which the run is set aside: it may be the cause.
const MaxDeaths = 3

// A QueueEntry is a submitted run that has not begun. Its methods are the rules of the
// queue: they return the changed entry, which an engine commits.
type QueueEntry struct {
	Run int64
	// Priority: the highest is first; of equal ones, the oldest.
	Priority int
	// At is when it was submitted.
	At time.Time
	// Secrets is the number of the daemon that has its secrets in memory; 0: it needs
	// none.
	Secrets int64
	// Owner is the number of the daemon that has claimed it; 0: none.
	Owner int64
	// Claim numbers the claims. An owner passes the number of its claim: a later claim
	// is another one, even of the same daemon.
	Claim int64
	// Deaths counts the daemons that died while they had it claimed.
	Deaths int
}

// InOrder compares two runs by their order in the queue.
func InOrder(a, b QueueEntry) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Run, b.Run))
}

// ClaimBy returns the run claimed by daemon. The error is [ErrTaken] if another daemon
// has claimed it, or has its secrets.
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

// Release returns the run released by its owner, which counts as no death. The error is
// [ErrTaken] if held is not the present claim.
func (q QueueEntry) Release(held QueueEntry) (QueueEntry, error) {
	if err := q.Held(held); err != nil {
		return q, err
	}
	q.Owner = 0
	return q, nil
}

// Held returns [ErrTaken] if held is not the present claim.
func (q QueueEntry) Held(held QueueEntry) error {
	if q.Owner == 0 || q.Owner != held.Owner || q.Claim != held.Claim {
		return ErrTaken
	}
	return nil
}

// A Fate is what dead daemons mean for a run that has not begun.
type Fate int

// The fates.
const (
	// FateNone: the daemons that the run depends on are alive.
	FateNone Fate = iota
	// FateAgain: another daemon may claim it.
	FateAgain
	// FatePoisoned: MaxDeaths daemons died with it, and it is set aside.
	FatePoisoned
	// FateSecretsGone: the daemon with its secrets died, and it can never begin.
	FateSecretsGone
)

// Survive returns the run after the deaths of daemons, and its fate. alive reports
// whether a daemon is alive.
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

// The kinds of Wait.
const (
	// WaitStart: for the daemon that has claimed it to begin it.
	WaitStart Wait = "start"
	// WaitTurn: for a daemon with room.
	WaitTurn Wait = "turn"
	// WaitSecrets: for room in the daemon that has its secrets.
	WaitSecrets Wait = "secrets"
	// WaitDaemon: for a daemon to be started; none serves the store.
	WaitDaemon Wait = "daemon"
)

// Waits returns what the run waits for; serving: a daemon serves the store.
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
