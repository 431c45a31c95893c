package cmd

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/spf13/pflag"

	"tutti/fanout"
	"tutti/internal/safefile"
	"tutti/internal/typed"
	"tutti/runner"
	"tutti/ssh"
	"tutti/ssh/knownhosts"
	"tutti/store"
)

// launchOptions are those of the commands that go out to hosts.
type launchOptions struct {
	requestOptions
	outputOptions
	dryRun bool
	yes    bool
	exit   typed.Choice

	// repeated is what a rerun gives again.
	repeated map[string][]string
	// previousHistory has the run that a rerun repeats. previousWarnings about
	// it have not been shown yet.
	previousHistory  *historyFile
	previousWarnings []string
}

func newLaunchOptions() *launchOptions {
	return &launchOptions{
		requestOptions: newRequestOptions(),
		outputOptions:  newOutputOptions(),
		exit:           typed.Choice{Word: exitByClass, Of: []string{exitByClass, exitByRemote}},
	}
}

// groups are the flags of a command that runs something; hosts, task and care
// add those that are not the same for all such commands.
func (o *launchOptions) groups(hosts, task, care func(*pflag.FlagSet)) []flagGroup {
	return []flagGroup{
		{"HOSTS", hosts},
		{"TASK", task},
		{"LIMITS", o.flags().addLimits},
		{"ROLLING", o.flags().addRolling},
		{"LOGIN", o.flags().addLogin},
		{"OUTPUT", o.outputOptions.addFlags},
		{"RECORD", o.flags().addRecord},
		{"CARE", care},
	}
}

func (o *launchOptions) addCareFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and connect to nothing")
	f.BoolVar(&o.yes, "yes", false, "go on although a hardware key may want many touches")
	f.Var(&o.exit, "exit", "exit status by `RULE` class: as below; remote: what ssh would give, the highest status of a command, 255 for a host without one")
}

func (o *launchOptions) finalize(f *pflag.FlagSet, getenv func(string) string) error {
	o.repeated = o.Repeated()
	return errors.Join(o.Complete(getenv), o.outputOptions.finalize(f))
}

// launch decides on a plan and carries it out. Its error is a *runError if
// everything has been said and only the exit code is left.
func (a *app) launch(ctx context.Context, o *launchOptions, selector string, r *runner.PreparedTask) error {
	screen := a.newScreen(&o.outputOptions)
	l := a.newLaunching(o, screen)
	if o.Previous != nil {
		l.history = o.previousHistory // which is open
		l.history.warn = screen.warn
		for _, text := range o.previousWarnings {
			screen.warn(text)
		}
	}
	screen.opts.Again = l.again
	defer l.history.close()
	d, err := l.decideAndWarn(ctx, selector, r.Task)
	switch {
	case err != nil:
	case o.dryRun:
		if err = l.checkInput(d); err != nil {
			break
		}
		err = printPlan(screen.out, d, o.mode.Word == modeJSON)
	default:
		err = l.carryOut(ctx, d)
	}
	if inputErr := r.Failure(); inputErr != nil && onlyOutcomes(err) {
		err = inputErr
	}
	return l.finish(ctx, screen, err)
}

// launching is one launch with everything it needs.
type launching struct {
	*app
	o       *launchOptions
	view    view
	history *historyFile

	// logger, warn and banner tell the operator what is done, what is not as it
	// should be, and what a host says before a login.
	logger *slog.Logger
	warn   func(string)
	banner func(host, text string)
	// login is the password to log in with, once it was asked for; the client wipes
	// it.
	login fanout.Secret
	// unattended: there is nobody who could be asked, or press Ctrl-C.
	unattended bool
	// connections are from earlier launches, and for later ones; nil: this has
	// its own.
	connections *ssh.Kept
	// firing is what a run is for; nil: nobody but who launched it.
	firing *firing

	// runID is the number of the run that is on record; 0: none is. recorded is
	// the exit code there.
	runID    int64
	recorded atomic.Int64
	script   string // the name of the script, if there is one
}

// A view is where a launch is shown: the screen of whoever launched it, or
// nowhere.
type view interface {
	// open makes what shows a run of d, code being the exit code that goes with
	// a summary. Nothing connects before.
	open(d *runner.Decision, code func(fanout.Summary) int) ([]fanout.Sink, error)
	// attend watches over the run until end is called: ctx ends if it cannot be
	// shown any more, or is to end, and nothing new is begun once halt is closed.
	attend(ctx context.Context, in *interrupter) (_ context.Context, halt <-chan struct{}, end func())
	// failure is why it cannot be shown any more; nil if it can.
	failure() error
	// conclude shows what there is to show at the end.
	conclude(ctx context.Context) error
}

var (
	_ view = (*screen)(nil)
	_ view = nowhere{}
)

// newLaunching is a launch that is shown on the screen.
func (a *app) newLaunching(o *launchOptions, s *screen) *launching {
	return &launching{
		app: a, o: o, view: s,
		history: &historyFile{app: a, path: o.Record.History, warn: s.warn},
		logger:  s.logger(), warn: s.warn, banner: s.banner,
	}
}

// decideAndWarn decides on a plan, and says what is odd about it.
func (l *launching) decideAndWarn(ctx context.Context, selector string, task fanout.Task) (*runner.Decision, error) {
	d, err := l.decide(ctx, l.o, selector, task, l.history)
	if err != nil {
		return nil, err
	}
	for _, w := range d.Warnings {
		l.warn(w)
	}
	return d, nil
}

// carryOut does what was decided, whoever decided it.
func (l *launching) carryOut(ctx context.Context, d *runner.Decision) error {
	if err := l.checkInput(d); err != nil {
		return err
	}
	if d.Plan.Task.Script != nil {
		l.script = d.Plan.Task.Script.Name
	}
	sinks, err := l.view.open(d, l.code)
	if err != nil {
		return err
	}
	client, err := l.prepare(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // there is nothing left to lose on it

	opts := fanout.Options{Executor: client}
	recorder, err := l.record(ctx, d)
	if err != nil {
		return err
	}
	if recorder != nil {
		// Unless something panics it is closed by then. A run that is left open
		// would look alive for as long as a daemon is.
		defer func() { _ = recorder.Close() }()
		opts.RunID, opts.Journal = recorder.RunID(), recorder
		sinks = append(sinks, recorder)
	}
	sinks = append(sinks, &runner.FloodGauge{Getenv: l.Getenv})
	opts.Sink = fanout.Tee(sinks...)

	summary, err := l.run(ctx, d.Plan, opts)
	l.warnOfArrived(ctx, d)
	if err = l.end(ctx, recorder, err); err != nil {
		return err
	}
	if c := l.code(summary); c != exitOK {
		return &runError{c}
	}
	return nil
}

// prepare gets the passwords, and reads what is needed to log in.
func (l *launching) prepare(ctx context.Context, d *runner.Decision) (*ssh.Client, error) {
	ctx, prepared := l.preparing(ctx)
	defer prepared()
	login, err := l.loginPassword(ctx)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	if err := l.giveSudoPassword(ctx, &l.o.Task, d.Plan.Task.Sudo, login); err != nil {
		return nil, causeOf(ctx, err)
	}
	l.login = login
	client, err := l.newClient(ctx, d)
	return client, causeOf(ctx, err)
}

// causeOf is why ctx has ended, if that is what is behind err.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// end waits until everything that a run leaves behind is written, and then shows
// the summary. It returns the first error, which may be that of the run.
func (l *launching) end(ctx context.Context, recorder *store.Recorder, err error) error {
	if recorder != nil {
		err = errors.Join(err, l.history.end(ctx, recorder))
	}
	if viewErr := l.view.conclude(ctx); err == nil {
		err = viewErr
	}
	return err
}

// record begins the record of d, which has a number from then on; it is nil
// without a history.
func (l *launching) record(ctx context.Context, d *runner.Decision) (*store.Recorder, error) {
	if l.o.Record.Off {
		return nil, nil
	}
	if l.o.Record.RunIDFile != "" {
		if err := safefile.CheckReplace(l.o.Record.RunIDFile); err != nil {
			return nil, usagef("--run-id-file: %w", err)
		}
	}
	r, err := l.history.begin(ctx, d, l)
	if err != nil {
		return nil, err
	}
	l.runID = r.RunID()
	l.recorded.Store(noCode)
	if l.firing != nil {
		l.firing.begun(r.RunID())
	}
	if err := writeRunID(l.o.Record.RunIDFile, r.RunID()); err != nil {
		return nil, errors.Join(err, l.history.end(ctx, r))
	}
	return r, nil
}

// run carries the plan out, under the eyes of whoever launched it.
func (l *launching) run(ctx context.Context, plan fanout.Plan, opts fanout.Options) (fanout.Summary, error) {
	ctx, halt, end := l.view.attend(ctx, l.interrupts)
	defer end()
	opts.Halt = halt
	runner.SpareMemory(len(plan.Targets), l.Getenv)
	if !l.unattended {
		runner.SpareTime(len(plan.Targets), l.Getenv)
	}
	return fanout.Run(ctx, plan, opts)
}

// code is the exit code that goes with s, as far as is known by now.
func (l *launching) code(s fanout.Summary) int {
	sig := l.interrupts.signal()
	if l.unattended && s.Stopped != fanout.StoppedSignal {
		sig = nil // the program is to end, and this came to its end before
	}
	c := exitCode(s, l.view.failure(), sig)
	if l.o.exit.Word == exitByRemote && (c == exitFailed || c == exitUnreachable || c == exitStopped) {
		return s.RemoteCode
	}
	return c
}

// newClient reads what is needed to log in; nothing is connected to yet.
func (l *launching) newClient(ctx context.Context, d *runner.Decision) (*ssh.Client, error) {
	if l.home() == "" && l.o.Login.KnownHosts == "" {
		for _, e := range d.Endpoints {
			if e.HostKeys == knownhosts.AcceptNew && e.KnownHosts == nil {
				return nil, usagef("no place for new host keys: HOME is not set: name a file with --known-hosts")
			}
		}
	}
	password := l.login
	if password == nil {
		var err error
		if password, err = l.loginPassword(ctx); err != nil {
			return nil, err
		}
	}
	client, err := ssh.New(ctx, ssh.Options{
		Endpoints:         d.Endpoints,
		KnownHosts:        l.env().KnownHosts(l.o.Login.KnownHosts),
		AgentSocket:       l.Getenv("SSH_AUTH_SOCK"),
		DefaultIdentities: l.env().DefaultIdentities(),
		Shell:             l.Getenv("SHELL"),
		ChildEnv:          l.env().ForPrograms(&l.o.Task),
		Advice:            l.advice(ctx, d),
		Passphrase:        l.passphrases(),
		Password:          password,
		KillAfter:         l.o.Limits.KillAfter,
		Drain:             l.o.Limits.Drain,
		Keep:              l.connections,
		Logger:            l.logger,
		Banner:            l.banner,
		Warn:              l.warn,
	})
	if err != nil {
		return nil, usage(err)
	}
	if err := l.confirmTouches(ctx, client.Touches()); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}
