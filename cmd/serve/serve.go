// Package serve has the command that runs the daemon: its flags, its log, its checks.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/interrupt"
	"tutti/cmd/internal/place"
	"tutti/daemon"
	"tutti/internal/fault"
	"tutti/internal/sanitize"
	"tutti/internal/sdnotify"
	"tutti/internal/terminal"
	"tutti/internal/typed"
	"tutti/runner"
	"tutti/store"
)

type serveOptions struct {
	place.Retention
	apiOptions
	history         string
	logFormat       typed.Choice
	verbose         bool
	stopTimeout     typed.Duration
	keepConnections typed.Duration
	maxRuns         typed.Number
	maxHosts        typed.Number
	heartbeat       typed.Duration
	metrics         string
	check           bool

	keep store.Retention
}

func (o *serveOptions) addFlags(f *pflag.FlagSet) {
	place.AddHistoryFlag(f, &o.history)
	f.Var(&o.stopTimeout, "stop-timeout", "on shutdown, wait `DURATION` for running jobs, then stop them")
	f.Var(&o.keepConnections, "keep-connections", "reuse connections for `DURATION` after their login (default: log in for each firing)")
	f.Var(&o.maxRuns, "max-runs", "execute up to `N` submitted runs at once; the others wait (0: leave them to other daemons)")
	f.Var(&o.maxHosts, "max-hosts", "start no submitted run while the runs of this daemon have `N` hosts (0: no bound)")
	f.Var(&o.heartbeat, "heartbeat", "log in to hosts that nothing has tried to reach for `DURATION`, such as 5m, to learn whether they can be reached")
	f.StringVar(&o.metrics, "metrics", "", "serve /metrics, /healthz and /readyz on `ADDRESS:PORT`, such as 127.0.0.1:9464")
	f.Var(&o.logFormat, "log-format", "log on stderr as `FORMAT`: text, json")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "also log each step of the logins")
	f.BoolVar(&o.check, "check", false, "check that all jobs can run, and exit")
}

func (o *serveOptions) finalize(f *pflag.FlagSet) (err error) {
	if o.keep, err = o.Keep(f); err != nil {
		return err
	}
	if err := o.apiOptions.finalize(); err != nil {
		return err
	}
	if o.maxRuns < 0 {
		return fault.Syntaxf("--max-runs %d: must be 0 or more", o.maxRuns)
	}
	if o.maxHosts < 0 {
		return fault.Syntaxf("--max-hosts %d: must be 0 or more", o.maxHosts)
	}
	if f.Changed("heartbeat") && time.Duration(o.heartbeat) < daemon.MinHeartbeat {
		return fault.Syntaxf("--heartbeat %s: must be %s or more", &o.heartbeat, daemon.MinHeartbeat)
	}
	if o.metrics == "" {
		return refuseEmptyAddress(f)
	}
	if _, _, err := net.SplitHostPort(o.metrics); err != nil {
		return fault.Syntaxf("--metrics %q: want ADDRESS:PORT, such as 127.0.0.1:9464", o.metrics)
	}
	return nil
}

func refuseEmptyAddress(f *pflag.FlagSet) error {
	if f.Changed("metrics") {
		return fault.Syntaxf("--metrics: missing address")
	}
	return nil
}

// exitHelpServe is the exit table of the daemon.
const exitHelpServe = `EXIT STATUS
  0  stopped by INT or TERM; --check: every job can run
  1  local error (history, disk)
  2  usage error (flags); --check: some job would fail
  131  killed by QUIT
  130, 143   killed by a third INT or TERM; commands may still be running`

// NewCmd makes tutti serve; in has the signals that stop it.
func NewCmd(std cli.Streams, in *interrupt.Interrupter) *cobra.Command {
	o := &serveOptions{
		logFormat:   typed.Choice{Word: logText, Of: []string{logText, logJSON}},
		stopTimeout: typed.Duration(time.Minute),
		apiOptions:  apiOptions{maxWait: typed.Duration(5 * time.Minute)},
		maxRuns:     daemon.DefaultLanes,
	}
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Run the scheduler daemon",
		Long: `The daemon stays in the foreground and logs to stderr; tutti job manages the jobs,
which may change at any time. Several daemons may serve one history: each scheduled
time fires once, and when one daemon stops the others continue.

On INT or TERM the daemon starts no more firings and gives running ones
--stop-timeout to finish; a second INT or TERM stops them at once. On HUP it checks
all jobs again and logs the ones that would fail. Every firing reads the inventory,
ssh_config, keys and known_hosts again.`,
		Example: `  tutti serve
  tutti serve --metrics 127.0.0.1:9464 --log-format json --keep 30d
  tutti serve --check`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.finalize(cmd.Flags()); err != nil {
				return err
			}
			if o.check {
				return checkServe(cmd.Context(), std, o)
			}
			return runServe(cmd.Context(), std, in, o)
		},
	}
	help.Set(cmd, exitHelpServe, help.Group{Title: "FLAGS", Add: o.addFlags}, help.Group{Title: "API", Add: o.apiOptions.addFlags}, help.Group{Title: "RETENTION", Add: o.Retention.AddFlags})
	return cmd
}

// The formats of the log.
const (
	logText = "text"
	logJSON = "json"
)

// serveLog is the log of the daemon, with control characters made visible.
func serveLog(std cli.Streams, o *serveOptions) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if o.verbose {
		options.Level = slog.LevelDebug
	}
	if o.logFormat.Word == logText {
		return slog.New(slog.NewTextHandler(std.Err, options)) // which quotes what cannot be seen
	}
	if terminal.Is(std.Err) {
		options.ReplaceAttr = visibleAttr
	}
	return slog.New(slog.NewJSONHandler(std.Err, options))
}

// visibleAttr makes control characters visible that JSON leaves as they are.
func visibleAttr(_ []string, attr slog.Attr) slog.Attr {
	switch v := attr.Value.Any().(type) {
	case string:
		attr.Value = slog.StringValue(sanitize.Visible(v))
	case error:
		attr.Value = slog.StringValue(sanitize.Visible(v.Error()))
	}
	return attr
}

// runServe fires jobs until it is asked to stop.
func runServe(ctx context.Context, std cli.Streams, in *interrupt.Interrupter, o *serveOptions) error {
	log := serveLog(std, o)
	history := &runner.History{Path: o.history, Getenv: std.Getenv, Warn: func(text string) { log.Warn(text) }, Retention: o.keep, Obey: true}
	defer history.Close()
	if _, err := history.ForRecording(ctx); err != nil {
		return err
	}
	config := daemon.Config{
		Env: std.Env(), History: history,
		StopTimeout: time.Duration(o.stopTimeout), Lanes: int(o.maxRuns), MaxHosts: int(o.maxHosts), KeepConnections: time.Duration(o.keepConnections), Heartbeat: time.Duration(o.heartbeat),
		Version: cli.ModuleVersion(), Logger: log, Now: std.Time,
		Signal: in.Signal, Hint: cli.Remedies(std.Getenv), Explain: explain, FewerDays: cli.FewerDaysText,
		Callbacks: o.callbacks, CompatAPI: o.compat, MaxWait: time.Duration(o.maxWait),
	}
	var err error
	if config.Manager, err = sdnotify.Dial(std.Getenv); err != nil {
		return fault.Usage(err)
	}
	defer config.Manager.Close()
	if o.metrics != "" {
		if config.Listener, err = net.Listen("tcp", o.metrics); err != nil {
			return fault.Usagef("--metrics: %w", err)
		}
		defer func() { _ = config.Listener.Close() }() // it is closed by who used it
	}
	path, err := history.Beside()
	if err != nil {
		return err
	}
	if config.Endpoints, err = o.endpoints(path, std.Getenv, log); err != nil {
		return err
	}
	defer closeEndpoints(config.Endpoints)
	config.PeerRules, config.Trusted = o.rules, o.trusted
	if o.base != nil {
		config.BaseURL, config.BasePath = o.base.String(), o.prefix
	}
	d, err := daemon.Join(ctx, config)
	if err != nil {
		return err
	}
	err = runDaemon(ctx, in, d)
	if err = errors.Join(err, d.Close()); err == nil {
		return &runner.ExitError{Code: runner.ExitOK} // also after a signal, which is how it is asked to end
	}
	if ctx.Err() == nil {
		return err
	}
	log.Error("some results could not be recorded", "error", err)
	return &runner.ExitError{Code: runner.ExitInternal}
}

// runDaemon runs a daemon that handles signals: HUP reloads, the second request to stop
// stops running commands.
func runDaemon(ctx context.Context, in *interrupt.Interrupter, d *daemon.Daemon) error {
	hurried, end := in.Serve(ctx, d.Reload)
	defer end()
	defer context.AfterFunc(hurried, func() { d.Hurry(context.Cause(hurried)) })()
	return d.Run(ctx)
}
