package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"tutti/scheduler"
)

// sayEvery is how often the daemon looks whether it is to drain, and tells others what has
// changed about it.
const sayEvery = time.Second

// A voice tells those who look at the daemons of the history about this one, and hears
// whether it is to drain.
type voice struct {
	*Daemon
	files localFiles
	// silent: the last attempt failed, which is logged once.
	silent bool
}

// speak tells and hears until ctx ends.
func (v *voice) speak(ctx context.Context) {
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for {
		v.say(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (v *voice) say(ctx context.Context) {
	said := scheduler.Said{Version: v.c.Version, MaxRuns: v.c.Lanes, MaxHosts: v.c.MaxHosts, Waits: v.waits.get(), Files: v.files.look(ctx, v.Daemon)}
	said.Runs, said.Hosts = v.load.now()
	draining, err := v.registration.member().Say(ctx, said)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		if !v.silent {
			v.c.Logger.Warn("cannot tell the other daemons about this one", "error", err)
		}
		v.silent = true
		return
	}
	v.silent = false
	if v.draining.Swap(draining) != draining {
		v.lanes.look()
		if runs, hosts := v.load.now(); draining {
			v.c.Logger.Info("draining: what is running goes on", "runs", runs, "hosts", hosts)
		}
	}
}

// The reasons for which a daemon takes nothing from the queue.
const (
	waitsDraining = "draining"
	waitsClock    = "clock"
	waitsRuns     = "runs"
	waitsHosts    = "hosts"
	waitsMemory   = "memory"
)

// hold is why the daemon starts nothing; empty: it does.
func hold(d *Daemon) string {
	if d.draining.Load() {
		return "it is draining"
	}
	return skewed(d.registration.member())
}

// A word is one that changes. The zero value is empty; its methods may be called by many
// goroutines at once.
type word struct{ is atomic.Pointer[string] }

func (w *word) set(s string) { w.is.Store(&s) }

func (w *word) get() string {
	if s := w.is.Load(); s != nil {
		return *s
	}
	return ""
}
