package cmd

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"tutti/fanout"
	"tutti/internal/sdnotify"
	"tutti/jobs"
	"tutti/notify"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server"
	"tutti/ssh"
	"tutti/store"
)

const (
	// pruneEvery is how often old runs are looked for, beside after each run.
	pruneEvery = time.Hour
	// silenceLimit is how long a turn of the scheduler may take before the daemon
	// counts as hung: longer than a history that is locked is waited for.
	silenceLimit = time.Minute
	// farewellLimit bounds how long the service manager is asked to wait beyond
	// the stop timeout: for the end of what runs, and for what is written then.
	farewellLimit = 30 * time.Second
)

// serving is a daemon with everything it needs.
type serving struct {
	*console
	o        *serveOptions
	log      *slog.Logger
	history  *runner.History // of every firing; it is open
	store    *store.Store
	daemon   *store.Daemon
	manager  *sdnotify.Manager
	listener net.Listener // nil: nobody reads the metrics

	metrics *server.Metrics
	// connections outlive a firing; nil: none does.
	connections *ssh.Kept
	// hurried ends when what runs is to end at once.
	hurried context.Context
	// reloads has something when somebody has sent HUP.
	reloads chan struct{}
}

// run fires jobs until ctx ends, and what runs has come to its end.
func (d *serving) run(ctx context.Context) error {
	d.metrics = server.NewMetrics(moduleVersion(), d.store.Kept)
	d.reloads = make(chan struct{}, 1) // one reload is as good as two
	var end func()
	d.hurried, end = d.interrupts.serve(ctx, func() {
		select {
		case d.reloads <- struct{}{}:
		default:
		}
	})
	defer end()
	if d.o.keepConnections > 0 {
		d.connections = ssh.NewKept(time.Duration(d.o.keepConnections), mostKept())
		defer func() { _ = d.connections.Close() }() // nothing runs on them
	}
	if err := d.sayHello(ctx); err != nil {
		return err
	}
	if d.listener != nil {
		if err := d.learn(ctx); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, d.sayStopping)
	defer stop()

	// What serves the firings goes on until the last of them has ended.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopBackground()
	wg.Go(func() { d.notifier().Run(background) })
	wg.Go(func() { d.housekeep(background) })
	if d.listener != nil {
		wg.Go(func() { d.servePages(background) })
	}
	return (&scheduler.Daemon{
		Jobs:        d.daemon,
		Carry:       d.carry,
		StopTimeout: time.Duration(d.o.stopTimeout),
		Observer:    &watch{Metrics: d.metrics, manager: d.manager},
		Logger:      d.log,
		Now:         d.now,
	}).Run(ctx)
}

// sayHello logs who serves what, and beside whom.
func (d *serving) sayHello(ctx context.Context) error {
	daemons, err := d.store.Daemons(ctx)
	if err != nil {
		return err
	}
	path, err := d.history.Location()
	if err != nil {
		return err
	}
	attrs := []any{"version", moduleVersion(), "history", runner.Absolute(path), "daemon", d.daemon.ID()}
	if d.listener != nil {
		attrs = append(attrs, "metrics", d.listener.Addr().String())
	}
	d.log.Info("serving", attrs...)
	for _, other := range daemons {
		if other.ID != d.daemon.ID() {
			d.log.Info("another daemon serves this history, too: each instant is run by one of them",
				"daemon", other.ID, "pid", other.PID, "since", other.Started.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// sayStopping tells the service manager that what runs has some time left.
func (d *serving) sayStopping() {
	limit := time.Duration(d.o.stopTimeout) + farewellLimit
	d.manager.Tell(sdnotify.Stopping, sdnotify.ExtendTimeout(limit))
}

// carry carries a ticket out; see scheduler.Daemon.
func (d *serving) carry(ctx context.Context, t scheduler.Ticket, begun func(run int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(d.hurried, func() { cancel(context.Cause(d.hurried)) })
	defer stop()
	ended := func() {}
	defer func() { ended() }()
	l := unattended(d.console.Streams, d.history, d.log.With("job", t.Job.Name, "firing", t.ID))
	l.View, l.Connections = runner.Unseen{Signal: d.interrupts.signal}, d.connections
	err := l.Fire(ctx, &runner.Firing{Ticket: t, Owner: d.daemon, Begun: func(run int64) {
		ended = d.metrics.Carrying(t.Job.Name)
		begun(run)
	}})
	if errors.As(err, new(*runner.ExitError)) {
		return nil // that not every host is ok is on record
	}
	return err
}

// notifier delivers what there is to tell.
func (d *serving) notifier() *notify.Notifier {
	return &notify.Notifier{Outbox: d.daemon, Version: moduleVersion(), Observer: d.metrics, Logger: d.log, Now: d.now, Hurried: d.hurried}
}

// servePages shows the metrics and the health of the daemon until ctx ends.
func (d *serving) servePages(ctx context.Context) {
	pages := server.Pages{Metrics: d.metrics, Silence: silenceLimit, Ready: d.daemon.Ready, Logger: d.log}
	handler := pages.Handler()
	defer handler.Wait()
	if err := server.Serve(ctx, d.listener, handler, d.log); err != nil {
		d.log.Error("the metrics are no longer served", "error", err)
	}
}

// learn tells the metrics what they cannot have counted: when each job was last
// ok, as far as it was one of its newest runs.
func (d *serving) learn(ctx context.Context) error {
	kept, err := d.store.Kept(ctx)
	if err != nil {
		return err
	}
	for i := range kept {
		rows, err := d.store.Firings(ctx, store.FiringQuery{
			Job: kept[i].Name, Decisions: []scheduler.Decision{scheduler.Run}, Limit: learnedRuns,
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if r := row.Run; r != nil && r.State == store.Finished && r.Summary.Counts[fanout.OK] == r.Summary.Hosts {
				d.metrics.Succeeded(kept[i].Name, r.Summary.Ended)
				break
			}
		}
	}
	return nil
}

// learnedRuns is how many runs of a job are looked at.
const learnedRuns = 50

// housekeep drops old runs and looks at the jobs when somebody asks, until ctx
// ends.
func (d *serving) housekeep(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	if err := tellDayRule(ctx, &jobs.Service{Checker: jobChecker(d.Streams), Store: d.store}, store.InLog, func(text string) { d.log.Warn(text) }); err != nil && ctx.Err() == nil {
		d.log.Error("what a new version does in another way could not be told", "error", err)
	}
	d.prune(ctx)
	for {
		select {
		case <-tick.C:
			d.prune(ctx)
		case <-d.reloads:
			d.reload(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// prune drops what is not to be kept.
func (d *serving) prune(ctx context.Context) {
	switch pruned, err := d.store.Prune(ctx, d.o.keep); {
	case ctx.Err() != nil: // the next daemon does it
	case err != nil:
		d.log.Error("old runs cannot be dropped", "error", err)
	case pruned.Runs > 0:
		d.log.Info("old runs dropped", "runs", pruned.Runs, "bytes", pruned.Bytes)
	}
}

// reload looks at all jobs as they are now, and logs what is wrong with them.
func (d *serving) reload(ctx context.Context) {
	d.manager.Tell(sdnotify.Reloading)
	defer d.manager.Tell(sdnotify.Ready)
	kept, err := d.store.Kept(ctx)
	if err != nil {
		d.log.Error("the jobs cannot be read", "error", err)
		return
	}
	bad := 0
	for i := range kept {
		problems := checkKept(ctx, d.console.Streams, d.history, &kept[i])
		for _, p := range problems {
			d.log.Warn("job would fail", "job", kept[i].Name, "problem", p)
		}
		bad += min(1, len(problems))
	}
	d.log.Info("reloaded", "jobs", len(kept), "bad", bad)
}

// watch is told what the scheduler does.
type watch struct {
	*server.Metrics
	manager *sdnotify.Manager
	once    sync.Once
}

var _ scheduler.Observer = (*watch)(nil)

// Beat says that the scheduler is alive, the first time that it is.
func (w *watch) Beat(now time.Time) {
	w.Metrics.Beat(now)
	w.once.Do(func() { w.manager.Tell(sdnotify.Ready) })
	w.manager.Alive()
}

// mostKept is how many connections may be kept: some of the open files have to
// be left for those that are used.
func mostKept() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return runner.DefaultFanout
	}
	return max(0, min(runner.DefaultFanout, (int(min(limit.Cur, 1<<30))-runner.ReservedFiles)/2))
}

// moduleVersion is the version of this program, and nothing else.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}
