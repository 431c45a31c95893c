package cmd

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/daemon"
	"tutti/internal/sdnotify"
	"tutti/internal/typed"
	"tutti/output"
	"tutti/runner"
	"tutti/store"
)

type serveOptions struct {
	retentionOptions
	history         string
	logFormat       typed.Choice
	verbose         bool
	stopTimeout     typed.Duration
	keepConnections typed.Duration
	metrics         string
	check           bool

	keep store.Retention
}

func (o *serveOptions) addFlags(f *pflag.FlagSet) {
	addHistoryFlag(f, &o.history)
	f.Var(&o.stopTimeout, "stop-timeout", "when asked to end, let what runs go on for `DURATION`, then end it")
	f.Var(&o.keepConnections, "keep-connections", "use connections again for `DURATION` after their login, instead of logging in for each firing (default: close them)")
	f.StringVar(&o.metrics, "metrics", "", "serve /metrics, /healthz and /readyz on `ADDRESS:PORT`, such as 127.0.0.1:9464")
	f.Var(&o.logFormat, "log-format", "`FORMAT` of the log on stderr: text, json")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log what is done on the way to each host, too")
	f.BoolVar(&o.check, "check", false, "say what would keep jobs from running here and now, and end")
}

func (o *serveOptions) finalize(f *pflag.FlagSet) (err error) {
	if o.keep, err = o.retention(f); err != nil {
		return err
	}
	if o.metrics == "" {
		return refuseEmptyAddress(f)
	}
	if _, _, err := net.SplitHostPort(o.metrics); err != nil {
		return syntaxf("--metrics %q is not an address and a port, such as 127.0.0.1:9464", o.metrics)
	}
	return nil
}

func refuseEmptyAddress(f *pflag.FlagSet) error {
	if f.Changed("metrics") {
		return syntaxf("--metrics names no address")
	}
	return nil
}

// exitHelpServe is the table of a daemon.
const exitHelpServe = `EXIT STATUS
  0  asked to end by INT or TERM, and ended; --check: every job can be run
  1  something of our own went wrong: the history, the disk
  2  wrong use: flags; --check: something would keep a job from running
  131  left at once by QUIT
  130, 143   left at once by a third INT or TERM: what ran may still be running`

func newServeCmd(c *console) *cobra.Command {
	o := &serveOptions{
		logFormat:   typed.Choice{Word: logText, Of: []string{logText, logJSON}},
		stopTimeout: typed.Duration(time.Minute),
	}
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Run the scheduler daemon",
		Long: `Stays in the foreground and logs to stderr; tutti job manages what it runs. Jobs may
be changed at any time. Several daemons may serve one history: each scheduled time
fires once, and when one daemon stops the others continue.

INT or TERM starts no more firings and gives running ones --stop-timeout to finish;
a second one stops them at once. HUP checks all jobs again and logs what would keep
them from running. Every firing reads the inventory, ssh_config, keys and
known_hosts again.`,
		Example: `  tutti serve
  tutti serve --metrics 127.0.0.1:9464 --log-format json --keep 30d
  tutti serve --check`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.finalize(cmd.Flags()); err != nil {
				return err
			}
			if o.check {
				return checkServe(cmd.Context(), c.Streams, o)
			}
			return runServe(cmd.Context(), c, o)
		},
	}
	setHelp(cmd, exitHelpServe, flagGroup{"FLAGS", o.addFlags}, flagGroup{"RETENTION", o.retentionOptions.addFlags})
	return cmd
}

// The formats of the log.
const (
	logText = "text"
	logJSON = "json"
)

// serveLog is the log of a daemon. Nothing in it is obeyed by a terminal.
func serveLog(std Streams, o *serveOptions) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if o.verbose {
		options.Level = slog.LevelDebug
	}
	if o.logFormat.Word == logText {
		return slog.New(slog.NewTextHandler(std.Err, options)) // which quotes what cannot be seen
	}
	if isTerminal(std.Err) {
		options.ReplaceAttr = visibleAttr
	}
	return slog.New(slog.NewJSONHandler(std.Err, options))
}

// visibleAttr makes control characters visible that JSON leaves as they are.
func visibleAttr(_ []string, attr slog.Attr) slog.Attr {
	switch v := attr.Value.Any().(type) {
	case string:
		attr.Value = slog.StringValue(output.Visible(v))
	case error:
		attr.Value = slog.StringValue(output.Visible(v.Error()))
	}
	return attr
}

// runServe fires jobs until it is asked to end.
func runServe(ctx context.Context, c *console, o *serveOptions) error {
	log := serveLog(c.Streams, o)
	history := &runner.History{Path: o.history, Getenv: c.Getenv, Warn: func(text string) { log.Warn(text) }, Retention: o.keep, Obey: true}
	defer history.Close()
	if _, err := history.ForRecording(ctx); err != nil {
		return err
	}
	config := daemon.Config{
		Env: c.env(), History: history,
		StopTimeout: time.Duration(o.stopTimeout), KeepConnections: time.Duration(o.keepConnections),
		Version: moduleVersion(), Logger: log, Now: c.now,
		Signal: c.interrupts.signal, Words: selectionWords(c.Getenv), Explain: explain, FewerDays: fewerDaysText,
	}
	var err error
	if config.Manager, err = sdnotify.Dial(c.Getenv); err != nil {
		return usage(err)
	}
	defer config.Manager.Close()
	if o.metrics != "" {
		if config.Listener, err = net.Listen("tcp", o.metrics); err != nil {
			return usagef("--metrics: %w", err)
		}
		defer func() { _ = config.Listener.Close() }() // it is closed by who used it
	}
	d, err := daemon.Join(ctx, config)
	if err != nil {
		return err
	}
	err = runDaemon(ctx, c, d)
	if err = errors.Join(err, d.Close()); err == nil {
		return &runner.ExitError{Code: runner.ExitOK} // also after a signal, which is how it is asked to end
	}
	if ctx.Err() == nil {
		return err
	}
	log.Error("not everything could be written down", "error", err)
	return &runner.ExitError{Code: runner.ExitInternal}
}

// runDaemon runs a daemon that hears signals: HUP reloads, the second that asks
// it to end stops what runs.
func runDaemon(ctx context.Context, c *console, d *daemon.Daemon) error {
	hurried, end := c.interrupts.serve(ctx, d.Reload)
	defer end()
	defer context.AfterFunc(hurried, func() { d.Hurry(context.Cause(hurried)) })()
	return d.Run(ctx)
}

// moduleVersion is the version of this program, and nothing else.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}
