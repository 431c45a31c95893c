package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
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
	// counts as hung: longer than it waits for a locked history.
	silenceLimit = time.Minute
	// farewellLimit is the time beyond the stop timeout that the daemon asks the
	// service manager for: to stop running commands, and to write their ends.
	farewellLimit = 30 * time.Second
)

// A Config configures a daemon.
type Config struct {
	// Env launches the runs of jobs.
	Env *runner.Env
	// History has the jobs, and its Retention is for pruning. Its owner closes it when
	// Run and Close have returned.
	History *runner.History
	// StopTimeout is how long running firings may go on once Run is to stop; 0: they
	// are stopped at once.
	StopTimeout time.Duration
	// Lanes is how many submitted runs are executed at once; 0: none.
	Lanes int
	// MaxHosts: no submitted run starts while the runs here have that many hosts; 0: any
	// number may.
	MaxHosts int
	// KeepConnections is how long after their login connections are reused; 0: each run
	// logs in.
	KeepConnections time.Duration
	// Heartbeat is after which time without a contact a host is logged in to, to learn
	// whether it can be reached; 0: none is.
	Heartbeat time.Duration
	// Listener serves /metrics, /healthz and /readyz, and is closed when Run returns;
	// nil: they are not served.
	Listener net.Listener
	// Endpoints serve the API, and are closed when Run returns.
	Endpoints []*server.Endpoint
	// PeerRules give other users of this machine a role over a local socket.
	PeerRules []access.PeerRule
	// Trusted is a proxy that says who the user is.
	Trusted server.TrustedProxy
	// BaseURL is the origin by which clients reach the API, such as https://ops.example;
	// empty: it is unknown. BasePath is the path of the pages there, as that of their
	// endpoint is.
	BaseURL, BasePath string
	// Live gets the runs of jobs as they go on, for clients over HTTP; its owner closes
	// it when Run has returned. Nil: the daemon makes one.
	Live *live.Hubs
	// CompatAPI: the compatible endpoints are served, too. MaxWait is how long a client
	// may wait there for its command.
	CompatAPI bool
	MaxWait   time.Duration
	// Callbacks restricts the targets of webhooks of users who are not admins.
	Callbacks outgoing.Policy
	// Manager is the service manager; nil: there is none.
	Manager *sdnotify.Manager
	// Version is the program's version, for the log, the metrics and receivers.
	Version string
	// Logger gets what an operator has to know; nil: it is not logged.
	Logger *slog.Logger
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time

	// Signal returns the signal that stops this process, or nil, for the exit codes of
	// runs; nil: the process gets none.
	Signal func() os.Signal
	// Hint returns what to do about the cause of a failure, see runner.Launch; nil:
	// there are no hints.
	Hint func(by runner.Choice, host string, cause fanout.Cause) string
	// Explain returns an error with its hints, for the log; nil: the error's text is
	// logged.
	Explain func(error) string
	// FewerDays words for the log that these jobs fire on fewer days than under
	// an earlier version; nil: it is not logged.
	FewerDays func(names []string) string
}

// A Daemon fires the jobs of a history, alongside other daemons.
type Daemon struct {
	c            Config
	store        store.Store
	registration registration
	service      *jobs.Service
	metrics      *server.Metrics
	lanes        *lanes
	load         load
	// draining: the daemon is to start nothing any more. waits is why it takes nothing
	// from the queue.
	draining atomic.Bool
	waits    word
	// connections are reused between firings; nil: none are.
	connections *ssh.IdlePool
	// ownLive: the daemon made c.Live, and closes it.
	ownLive bool
	// hurried ends, by hurry, when running commands are to stop at once.
	hurried context.Context
	hurry   context.CancelCauseFunc
	// reloads receives when the jobs are to be checked.
	reloads chan struct{}
}

// Join registers this process as one of the daemons of a history. Close has to follow.
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
	d.load.lighter = d.lanes.look
	d.metrics.ServeQueue(c.Lanes, d.lanes.waiting)
	d.hurried, d.hurry = context.WithCancelCause(context.WithoutCancel(ctx))
	return d, nil
}

// Close ends the registration, after Run.
func (d *Daemon) Close() error {
	d.hurry(nil)
	return d.registration.member().Close()
}

// Hurry stops running commands at once, with that cause, in a daemon whose Run is to
// stop. It may be called at any time.
func (d *Daemon) Hurry(cause error) { d.hurry(cause) }

// Reload makes Run check all jobs as they are now, and log what would keep them from
// running. It does not wait, and may be called at any time.
func (d *Daemon) Reload() {
	select {
	case d.reloads <- struct{}{}:
	default:
	}
}

// Run fires jobs until ctx ends, and returns when all firings have ended. Its error is
// what it could not write in the end. It is called once.
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
		defer func() { _ = d.connections.Close() }() // no run uses them any more
	}
	if err := d.logStart(ctx); err != nil {
		return err
	}
	if d.c.Listener != nil {
		if err := d.seedMetrics(ctx); err != nil {
			return err
		}
	}
	// What firings need goes on until the last of them has ended.
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
	wg.Go(func() { (&voice{Daemon: d}).speak(background) })
	wg.Go(func() { (&heart{d, d.c.Heartbeat, beatPatience}).run(ctx) })
	var lanes sync.WaitGroup
	lanes.Go(func() { d.lanes.run(ctx) })
	defer lanes.Wait()
	return (&scheduler.Daemon{
		Member:      d.registration.member(),
		Rejoin:      d.rejoin,
		Ends:        d.store.Ends,
		Execute:     d.fire,
		Hold:        func() string { return hold(d) },
		Stagger:     d.stagger(),
		StopTimeout: d.c.StopTimeout,
		Observer:    &watch{Metrics: d.metrics, manager: d.c.Manager},
		Logger:      d.c.Logger,
		Now:         d.c.Now,
	}).Run(ctx)
}

// tellStopping tells the service manager, once ctx has ended, how long stopping may
// take. It returns when the daemon has stopped, at the latest.
func (d *Daemon) tellStopping(ctx, over context.Context) {
	select {
	case <-ctx.Done():
	case <-over.Done():
	}
	if ctx.Err() != nil {
		d.c.Manager.Tell(sdnotify.Stopping, sdnotify.ExtendTimeout(d.c.StopTimeout+farewellLimit))
	}
}

// logStart logs the daemon, its history, and the other daemons.
func (d *Daemon) logStart(ctx context.Context) error {
	daemons, err := d.store.Daemons(ctx)
	if err != nil {
		return err
	}
	name, err := d.c.History.Name()
	if err != nil {
		return err
	}
	own := d.registration.member().ID()
	attrs := []any{"version", d.c.Version, "history", name, "daemon", own}
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

// fire executes an assignment; see scheduler.Daemon. The store registered by, so it is
// a store.Daemon.
func (d *Daemon) fire(ctx context.Context, by scheduler.Membership, t scheduler.Assignment, halt <-chan struct{}, begun func(run int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.hurried, func() { cancel(context.Cause(d.hurried)) })()
	ended := func() {}
	defer func() { ended() }()
	taken := d.load.take(0)
	defer taken.end()
	l := d.launch(d.c.Logger.With("job", t.Job.Name, "firing", t.ID), taken)
	l.Connections = d.connections
	err := l.Fire(ctx, &runner.Firing{Assignment: t, Owner: by.(store.Daemon), Halt: halt, Begun: func(run int64) {
		ended = d.metrics.Carrying(t.Job.Name)
		begun(run)
	}})
	if errors.As(err, new(*runner.ExitError)) {
		return nil // the history has the failed hosts
	}
	return err
}

// launch returns the launch of a job, which only clients over HTTP may watch. What it runs
// is counted by taken; nil: it runs nothing.
func (d *Daemon) launch(log *slog.Logger, taken *share) *runner.Launch {
	l := runner.UnattendedLaunch(d.c.Env, d.c.History, log)
	unattended := runner.Unattended{Signal: d.c.Signal}
	l.View, l.Hint = unattended, d.c.Hint
	l.View = watched{unattended, d.c.Live, taken}
	return l
}

// watched is the view of a run that clients may watch.
type watched struct {
	runner.Unattended
	hubs  *live.Hubs
	taken *share
}

// Begin makes the hub of the run.
func (w watched) Begin(d *runner.Decision) ([]fanout.Sink, error) {
	if w.taken != nil {
		w.taken.has(len(d.Plan.Targets))
	}
	return []fanout.Sink{w.hubs.Sink()}, nil
}

// notifier returns the notifier that empties the outbox.
func (d *Daemon) notifier() *notify.Notifier {
	return &notify.Notifier{
		Outbox: d.outbox(), Version: d.c.Version, Observer: d.metrics, Guard: d.guard(), Logger: d.c.Logger, Now: d.c.Now, ForceStop: d.hurried,
	}
}

// servePages serves the metrics and the health of the daemon until ctx ends.
func (d *Daemon) servePages(ctx context.Context) {
	pages := server.Pages{Metrics: d.metrics, Silence: silenceLimit, Ready: d.registration.Ready, Logger: d.c.Logger}
	handler := pages.Handler()
	defer handler.Wait()
	if err := server.Serve(ctx, d.c.Listener, handler, d.c.Logger); err != nil {
		d.c.Logger.Error("cannot serve metrics", "error", err)
	}
}

// A watch is the observer of the scheduler.
type watch struct {
	*server.Metrics
	manager *sdnotify.Manager
	once    sync.Once
}

var _ scheduler.Observer = (*watch)(nil)

// Beat records that the scheduler is alive and, the first time, that the daemon is
// ready.
func (w *watch) Beat(now time.Time) {
	w.Metrics.Beat(now)
	w.once.Do(func() { w.manager.Tell(sdnotify.Ready) })
	w.manager.Alive()
}

// mostKept bounds the idle connections, so that open files are left for connections in
// use.
func mostKept() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return runner.DefaultFanout
	}
	return max(0, min(runner.DefaultFanout, (int(min(limit.Cur, 1<<30))-runner.ReservedFiles)/2))
}
