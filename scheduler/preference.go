package scheduler

import (
	"context"
	"slices"
	"time"
)

// peersEvery is how often a daemon looks which others there are.
const peersEvery = 5 * time.Second

// leaveFor is for how many steps a daemon leaves what another has executed to that one.
const leaveFor = 5

// A preference orders the daemons for each job, in all of them alike: the first decides at
// once, and each next one waits a step longer whether those before it have. Nothing
// depends on it but how often daemons are in each other's way.
type preference struct {
	// step is that of Daemon.Stagger.
	step time.Duration
	// peers are the daemons, read at that time.
	peers []int64
	read  time.Time
}

// look reads which daemons there are, now and then.
func (p *preference) look(ctx context.Context, m Membership) error {
	if p.step == 0 || !p.read.IsZero() && time.Since(p.read) < peersEvery {
		return nil
	}
	controllers, err := m.Controllers(ctx)
	if err != nil {
		return err
	}
	p.peers, p.read = nil, time.Now()
	for _, c := range controllers {
		if c.Serves {
			p.peers = append(p.peers, c.ID)
		}
	}
	return nil
}

// wait is how long the daemon leaves the firing of an entry that is due to others. If the
// clock was set back it does not wait.
func (p *preference) wait(e *entry, own int64, now time.Time) time.Duration {
	if p.step == 0 || e.due.IsZero() || e.due.After(now) {
		return 0
	}
	return max(0, time.Duration(p.rank(e.job.ID, own))*p.step-now.Sub(e.due))
}

// leave reports whether another daemon, which has executed the firing, is to settle it: it
// knows of the end first.
func (p *preference) leave(f *FiringRecord, own int64, now time.Time) bool {
	if f.Daemon == own || f.Ended == nil || !slices.Contains(p.peers, f.Daemon) {
		return false
	}
	since := now.Sub(f.Ended.Summary.Ended)
	return 0 <= since && since < leaveFor*p.step
}

// rank is how many daemons come before own for a job. One that is not among them comes
// last.
func (p *preference) rank(job, own int64) (rank int) {
	mine := weight(job, own)
	if !slices.Contains(p.peers, own) {
		return len(p.peers)
	}
	for _, peer := range p.peers {
		if w := weight(job, peer); w > mine || w == mine && peer < own {
			rank++
		}
	}
	return rank
}

// weight is the same in every process, and differs between jobs and daemons as if it were
// random.
func weight(job, daemon int64) uint64 {
	return mixed(mixed(uint64(job)) ^ uint64(daemon))
}

// mixed changes about half of the bits for each bit that differs: the last step of
// splitmix64.
func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
