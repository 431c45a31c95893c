package daemon

import (
	"fmt"
	"time"
)

// A remote is a registration with a ledger on another machine, by whose clock it lasts.
type remote interface {
	// Skew is how far the clock of this machine is ahead of the ledger's, give or take
	// within.
	Skew() (ahead, within time.Duration)
}

// remoteStep is how much longer than the one before it each daemon leaves a job to the
// others, where a decision in vain is a way to another machine.
const remoteStep = 300 * time.Millisecond

// stagger is that of the scheduler.
func (d *Daemon) stagger() time.Duration {
	if _, ok := d.registration.member().(remote); ok {
		return remoteStep
	}
	return 0
}

// maxSkew is how far the clock of a daemon may be off that of the ledger.
const maxSkew = 2 * time.Second

// skewed is why a daemon with that registration is to decide nothing: its clock is off, so
// that it would decide scheduled times before the others, or after them; empty: it is not.
func skewed(member any) string {
	m, ok := member.(remote)
	if !ok {
		return ""
	}
	ahead, within := m.Skew()
	switch by := max(ahead-within, -ahead-within); {
	case by <= maxSkew:
		return ""
	case ahead > 0:
		return fmt.Sprintf("the clock of this machine is %s ahead of the database's; synchronize it", by.Round(time.Millisecond))
	default:
		return fmt.Sprintf("the clock of this machine is %s behind the database's; synchronize it", by.Round(time.Millisecond))
	}
}
