package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/internal/outgoing"
	"tutti/internal/sdnotify"
	"tutti/jobs"
	"tutti/notify"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server"
	"tutti/server/live"
	"tutti/ssh"
	"tutti/store"
)

const (
	// silenceLimit is how long a turn of the scheduler may take before the daemon
	// counts as hung: longer than a history that is locked is waited for.
	silenceLimit = time.Minute
	// farewellLimit bounds how long the service manager is asked to wait beyond
	// the stop timeout: for the end of what runs, and for what is written then.
	farewellLimit = 30 * time.Second
)

// A Config is what a daemon is made of.
type Config struct {
	// Env is where the runs of jobs are launched.
	Env *runner.Env
	// History has the jobs; its Retention is what is kept. Its owner closes it
	// when Run and Close have returned.
	History *runner.History
	// StopTimeout is how long running firings have to come to their end once Run
	// is to stop; 0: no time at all.
	StopTimeout time.Duration
	// Lanes is how many runs that were submitted are executed at once; 0: none is.
	Lanes int
	// KeepConnections is how long connections are used again after their login,
	// instead of logging in for each firing; 0: they are closed after each run.
	KeepConnections time.Duration
	// Listener serves /metrics, /healthz and /readyz, and is closed when Run returns;
	// nil: they are not served.
	Listener net.Listener
	// Endpoints are where the API is served, and are closed when Run returns.
	Endpoints []*server.Endpoint
	// PeerRules give other users of this machine a role over a local socket.
	PeerRules []access.PeerRule
	// BaseURL is by which clients reach the API; empty: that is not known.
	BaseURL string
	// Live is told of the runs of jobs while they go on, for those who look at them
	// over HTTP; its owner closes it when Run has returned. Nil: the daemon makes one.
	Live *live.Hubs
	// Callbacks says what may be reached by webhooks that were set by who is no admin.
	Callbacks outgoing.Policy
	// Manager is the service manager; nil: there is none.
	Manager *sdnotify.Manager
	// Version is this program's, for the log, the metrics and receivers.
	Version string
	// Logger gets what an operator has to know; nil: it is not logged.
	Logger *slog.Logger
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time

	// Signal is the signal that asked this process to stop, nil so far, for the
	// exit codes of runs; nil: it gets none.
	Signal func() os.Signal
	// Hint says what can be done about the cause of a failure, see runner.Launch;
	// nil: nothing is said.
	Hint func(by runner.Choice, host string, cause fanout.Cause) string
	// Explain is an error with what can be done about it, for the log; nil: its
	// text.
	Explain func(error) string
	// FewerDays words for the log that these jobs fire on fewer days than under
	// an earlier version; nil: it is not logged.
	FewerDays func(names []string) string
}

// A Daemon fires the jobs of a history, alongside others that may do the same.
type Daemon struct {
	c            Config
	store        store.Store
	registration registration
	service      *jobs.Service
	metrics      *server.Metrics
	lanes        *lanes
	// connections outlive a firing; nil: none does.
	connections *ssh.IdlePool
	// ownLive: nobody else closes c.Live.
	ownLive bool
	// hurried ends when what runs is to stop at once, by hurry.
	hurried context.Context
	hurry   context.CancelCauseFunc
	// reloads has something when the jobs are to be looked at.
	reloads chan struct{}
}

// Join makes this process one of the daemons of a history. Close has to follow.
func Join(ctx context.Context, c Config) (*Daemon, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	ownLive := c.Live == nil
	if ownLive {
		c.Live = &live.Hubs{}
	}
	if c.Explain == nil {
		c.Explain = error.Error
	}
	s, err := c.History.ForRecording(ctx)
	if err != nil {
		return nil, err
	}
	member, err := s.JoinDaemons(ctx, c.Now())
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		c: c, store: s, registration: registration{now: member},
		service: &jobs.Service{Checker: jobs.Checker{Env: c.Env, Now: c.Now}, Store: s},
		metrics: server.NewMetrics(c.Version, s.ListJobs),
		reloads: make(chan struct{}, 1), // one reload is as good as two
		ownLive: ownLive,
	}
	d.lanes = newLanes(d)
	d.metrics.ServeQueue(c.Lanes, d.lanes.waiting)
	d.hurried, d.hurry = context.WithCancelCause(context.WithoutCancel(ctx))
	return d, nil
}

// Close leaves the daemons of the history, after Run.
func (d *Daemon) Close() error {
	d.hurry(nil)
	return d.registration.member().Close()
}

// Hurry stops at once what still runs, for that cause. It is for a daemon whose
// Run is to stop, and may be called at any time.
func (d *Daemon) Hurry(cause error) { d.hurry(cause) }

// Reload has all jobs looked at as they are now; what would keep them from
// running is logged. It does not wait for that, and may be called at any time.
func (d *Daemon) Reload() {
	select {
	case d.reloads <- struct{}{}:
	default:
	}
}

// Run fires jobs until ctx ends, and what runs has come to its end. Its error is
// what could not be written down in the end. It is called once.
func (d *Daemon) Run(ctx context.Context) error {
	if d.c.Listener != nil {
		defer func() { _ = d.c.Listener.Close() }() // again, if its pages were served
	}
	for _, e := range d.c.Endpoints {
		defer func() { _ = e.Listener.Close() }() // again, if it was served
	}
	if d.ownLive {
		defer d.c.Live.Close()
	}
	if d.c.KeepConnections > 0 {
		d.connections = ssh.NewIdlePool(d.c.KeepConnections, mostKept())
		defer func() { _ = d.connections.Close() }() // nothing runs on them
	}
	if err := d.logStart(ctx); err != nil {
		return err
	}
	if d.c.Listener != nil {
		if err := d.seedMetrics(ctx); err != nil {
			return err
		}
	}
	// What serves the firings goes on until the last of them has ended.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopBackground()
	wg.Go(func() { d.tellStopping(ctx, background) })
	wg.Go(func() { d.notifier().Run(background) })
	wg.Go(func() { d.keepHouse(background) })
	if d.c.Listener != nil {
		wg.Go(func() { d.servePages(background) })
	}
	wg.Go(func() { d.serveAPI(ctx, background) })
	var lanes sync.WaitGroup
	lanes.Go(func() { d.lanes.run(ctx) })
	defer lanes.Wait()
	return (&scheduler.Daemon{
		Member:      d.registration.member(),
		Rejoin:      d.rejoin,
		Ends:        d.store.Ends,
		Execute:     d.fire,
		StopTimeout: d.c.StopTimeout,
		Observer:    &watch{Metrics: d.metrics, manager: d.c.Manager},
		Logger:      d.c.Logger,
		Now:         d.c.Now,
	}).Run(ctx)
}

// tellStopping tells the service manager, once ctx has ended, how long what runs
// may take. It returns when all is over at the latest.
func (d *Daemon) tellStopping(ctx, over context.Context) {
	select {
	case <-ctx.Done():
	case <-over.Done():
	}
	if ctx.Err() != nil {
		d.c.Manager.Tell(sdnotify.Stopping, sdnotify.ExtendTimeout(d.c.StopTimeout+farewellLimit))
	}
}

// logStart logs who serves what, and alongside whom.
func (d *Daemon) logStart(ctx context.Context) error {
	daemons, err := d.store.Daemons(ctx)
	if err != nil {
		return err
	}
	path, err := d.c.History.Location()
	if err != nil {
		return err
	}
	own := d.registration.member().ID()
	attrs := []any{"version", d.c.Version, "history", runner.Absolute(path), "daemon", own}
	if d.c.Listener != nil {
		attrs = append(attrs, "metrics", d.c.Listener.Addr().String())
	}
	for _, e := range d.c.Endpoints {
		attrs = append(attrs, "api", e.Listener.Addr().String())
	}
	d.c.Logger.Info("serving", attrs...)
	for _, other := range daemons {
		if other.ID != own {
			d.c.Logger.Info("another daemon serves this history: each scheduled time fires once, on one of them",
				"daemon", other.ID, "pid", other.PID, "since", other.Started.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// fire makes a run of a ticket; see scheduler.Daemon. What registers daemons is a
// store.Store, so by is one of its.
func (d *Daemon) fire(ctx context.Context, by scheduler.Membership, t scheduler.Assignment, begun func(run int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.hurried, func() { cancel(context.Cause(d.hurried)) })()
	ended := func() {}
	defer func() { ended() }()
	l := d.launch(d.c.Logger.With("job", t.Job.Name, "firing", t.ID))
	l.Connections = d.connections
	err := l.Fire(ctx, &runner.Firing{Assignment: t, Owner: by.(store.Daemon), Begun: func(run int64) {
		ended = d.metrics.Carrying(t.Job.Name)
		begun(run)
	}})
	if errors.As(err, new(*runner.ExitError)) {
		return nil // that not every host is ok is on record
	}
	return err
}

// launch is one of a job, which is shown to clients at most.
func (d *Daemon) launch(log *slog.Logger) *runner.Launch {
	l := runner.UnattendedLaunch(d.c.Env, d.c.History, log)
	unattended := runner.Unattended{Signal: d.c.Signal}
	l.View, l.Hint = unattended, d.c.Hint
	l.View = watched{unattended, d.c.Live}
	return l
}

// watched is the view of a run at which clients may look.
type watched struct {
	runner.Unattended
	hubs *live.Hubs
}

// Begin makes the hub of the run.
func (w watched) Begin(*runner.Decision) ([]fanout.Sink, error) {
	return []fanout.Sink{w.hubs.Sink()}, nil
}

// notifier delivers what there is to notify.
func (d *Daemon) notifier() *notify.Notifier {
	return &notify.Notifier{
		Outbox: d.outbox(), Version: d.c.Version, Observer: d.metrics, Guard: d.guard(), Logger: d.c.Logger, Now: d.c.Now, ForceStop: d.hurried,
	}
}

// servePages shows the metrics and the health of the daemon until ctx ends.
func (d *Daemon) servePages(ctx context.Context) {
	pages := server.Pages{Metrics: d.metrics, Silence: silenceLimit, Ready: d.registration.Ready, Logger: d.c.Logger}
	handler := pages.Handler()
	defer handler.Wait()
	if err := server.Serve(ctx, d.c.Listener, handler, d.c.Logger); err != nil {
		d.c.Logger.Error("cannot serve metrics", "error", err)
	}
}

// A watch is told what the scheduler does.
type watch struct {
	*server.Metrics
	manager *sdnotify.Manager
	once    sync.Once
}

var _ scheduler.Observer = (*watch)(nil)

// Beat says that the scheduler is alive, and ready the first time that it is.
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
