package postgres

import "context"

// warnLossy warns a daemon that is not alone, on a server without a synchronous standby: a
// fail-over would forget what the others rely on.
func (l *Ledger) warnLossy(ctx context.Context) {
	if l.synchronous {
		return
	}
	all, err := l.Daemons(ctx)
	if err != nil || len(all) < 2 {
		return // it is only a warning
	}
	l.options.Warn("several daemons share " + l.name + ", which has no synchronous standby (synchronous_standby_names): " +
		"a fail-over may forget starts, and make them again")
}
