package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"tutti/fanout"
	"tutti/output"
	"tutti/ssh"
	"tutti/store"
)

// launchOptions are those of the commands that go out to hosts.
type launchOptions struct {
	selectOptions
	taskOptions
	limitOptions
	loginOptions
	rollingOptions
	outputOptions
	recordOptions
	dryRun bool
	yes    bool
	exit   choice

	// given are the flags that a rerun gives again.
	given map[string][]string
}

func newLaunchOptions() *launchOptions {
	return &launchOptions{
		limitOptions:  newLimitOptions(),
		loginOptions:  newLoginOptions(),
		outputOptions: newOutputOptions(),
		recordOptions: newRecordOptions(),
		exit:          choice{exitByClass, []string{exitByClass, exitByRemote}},
	}
}

// groups are the flags of a command that runs something; hosts, task and care
// add those that are not the same for all such commands.
func (o *launchOptions) groups(hosts, task, care func(*pflag.FlagSet)) []flagGroup {
	return []flagGroup{
		{"HOSTS", hosts},
		{"TASK", task},
		{"LIMITS", o.limitOptions.addFlags},
		{"ROLLING", o.rollingOptions.addFlags},
		{"LOGIN", o.loginOptions.addFlags},
		{"OUTPUT", o.outputOptions.addFlags},
		{"RECORD", o.recordOptions.addFlags},
		{"CARE", care},
	}
}

func (o *launchOptions) addCareFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and connect to nothing")
	f.BoolVar(&o.yes, "yes", false, "go on although a hardware key may want many touches")
	f.Var(&o.exit, "exit", "exit status by `RULE` class: as below; remote: what ssh would give, the highest status of a command, 255 for a host without one")
}

func (o *launchOptions) finalize(f *pflag.FlagSet, getenv func(string) string) error {
	o.given = o.givenFlags(f)
	return errors.Join(
		o.selectOptions.finalize(f),
		o.taskOptions.finalize(f),
		o.limitOptions.finalize(f),
		o.rollingOptions.finalize(f),
		o.loginOptions.finalize(f, getenv),
		o.outputOptions.finalize(f),
		o.recordOptions.finalize(f),
	)
}

// launch decides on a plan and carries it out. Its error is a *runError if
// everything has been said and only the exit code is left.
func (a *app) launch(ctx context.Context, o *launchOptions, selector string, task fanout.Task) error {
	l := &launching{app: a, o: o, screen: a.newScreen(&o.outputOptions)}
	l.history = &historyFile{app: a, path: o.history, warn: l.screen.warn}
	if o.former != nil {
		l.history = o.former.history // which is open
	}
	defer l.history.close()
	err := l.do(ctx, selector, task)
	// A reader that does not read is waited for until the operator has enough.
	// What was decided from the hosts' outcomes gives way to a stdout that
	// could not be written to its end.
	if closeErr := l.screen.close(ctx); closeErr != nil && (err == nil || errors.As(err, new(*runError))) {
		err = closeErr
	}
	return err
}

// launching is one launch with everything it needs.
type launching struct {
	*app
	o       *launchOptions
	screen  *screen
	history *historyFile
}

func (l *launching) do(ctx context.Context, selector string, task fanout.Task) error {
	d, err := l.decide(ctx, l.o, selector, task, l.history)
	if err != nil {
		return err
	}
	for _, w := range d.warnings {
		l.screen.warn(w)
	}
	if l.o.dryRun {
		return printPlan(l.screen.out, d, l.o.mode.value == modeJSON)
	}
	files, err := l.screen.openFiles(d.plan.Targets)
	if err != nil {
		return err
	}
	if err := l.giveSudoPassword(ctx, &l.o.taskOptions, d.plan.Task.Sudo, d.plan.Task.Env); err != nil {
		return err
	}
	client, err := l.newClient(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // there is nothing left to lose on it

	opts := fanout.Options{Executor: client}
	sinks := append(l.screen.sinks(task.Command == "", l.code), files...)
	sinks = append(sinks, l.screen.watch())
	recorder, err := l.record(ctx, d)
	if err != nil {
		return err
	}
	if recorder != nil {
		opts.RunID, opts.Journal = recorder.RunID(), recorder
		sinks = append(sinks, recorder)
	}
	opts.Sink = fanout.Tee(sinks...)

	summary, err := l.run(ctx, d.plan, opts)
	if err = l.end(ctx, recorder, err); err != nil {
		return err
	}
	if c := l.code(summary); c != exitOK {
		return &runError{c}
	}
	return nil
}

// end waits until everything that a run leaves behind is written, and then shows
// the summary. It returns the first error, which may be that of the run.
func (l *launching) end(ctx context.Context, recorder *store.Recorder, err error) error {
	if recorder != nil {
		err = errors.Join(err, l.history.end(ctx, recorder))
	}
	if closeErr := l.screen.files.close(ctx); err == nil {
		err = closeErr
	}
	if sayErr := l.screen.lastWord(); err == nil {
		err = sayErr
	}
	return err
}

// record begins the record of d, which has a number from then on; it is nil
// without a history.
func (l *launching) record(ctx context.Context, d *decision) (*store.Recorder, error) {
	if l.o.noHistory {
		return nil, nil
	}
	if l.o.runIDFile != "" {
		if err := output.CheckReplaceFile(l.o.runIDFile); err != nil {
			return nil, usagef("--run-id-file: %w", err)
		}
	}
	r, err := l.history.begin(ctx, d, &l.o.recordOptions, l.code)
	if err != nil {
		return nil, err
	}
	if err := writeRunID(l.o.runIDFile, r.RunID()); err != nil {
		return nil, errors.Join(err, l.history.end(ctx, r))
	}
	return r, nil
}

// run carries the plan out. Signals go through their stages, and a reader that
// has gone away ends the run even while the hosts are silent.
func (l *launching) run(ctx context.Context, plan fanout.Plan, opts fanout.Options) (fanout.Summary, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unwatch := l.screen.onFailure(func(err error) { cancel(fmt.Errorf("%w: %w", fanout.ErrSink, err)) })
	defer unwatch()
	halt, end := l.interrupts.stage(l.screen)
	defer end()
	opts.Halt = halt
	return fanout.Run(ctx, plan, opts)
}

// code is the exit code that goes with s, as far as is known by now.
func (l *launching) code(s fanout.Summary) int {
	c := exitCode(s, l.screen.failure(), l.interrupts.signal())
	if l.o.exit.value == exitByRemote && (c == exitFailed || c == exitUnreachable || c == exitStopped) {
		return s.RemoteCode
	}
	return c
}

// newClient reads what is needed to log in; nothing is connected to yet.
func (l *launching) newClient(ctx context.Context, d *decision) (*ssh.Client, error) {
	if l.home() == "" && l.o.knownHosts == "" {
		for _, e := range d.endpoints {
			if e.HostKeys == ssh.AcceptNew && e.KnownHosts == nil {
				return nil, usagef("no place for new host keys: HOME is not set: name a file with --known-hosts")
			}
		}
	}
	password, err := l.loginPassword(ctx)
	if err != nil {
		return nil, err
	}
	client, err := ssh.New(ctx, ssh.Options{
		Endpoints:         d.endpoints,
		KnownHosts:        l.knownHostsFiles(l.o.knownHosts),
		AgentSocket:       l.Getenv("SSH_AUTH_SOCK"),
		DefaultIdentities: l.defaultIdentities(),
		Shell:             l.Getenv("SHELL"),
		Passphrase:        l.passphrasePrompt(),
		Password:          password,
		KillAfter:         durationOf(l.o.killAfter),
		Drain:             durationOf(l.o.drain),
		Logger:            l.screen.logger(),
		Banner:            l.screen.banner,
		Warn:              l.screen.warn,
	})
	if err != nil {
		return nil, usage(err)
	}
	if err := l.confirmTouches(ctx, client.Touches()); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// confirmTouches asks whether somebody is there to touch a hardware key n times.
func (l *launching) confirmTouches(ctx context.Context, n int) error {
	if n <= 1 || l.o.yes {
		return nil
	}
	touches := fmt.Sprintf("a hardware key may want %d touches, one for each login", n)
	if !hasTerminal() {
		return hint(usagef("%s, and there is no terminal to confirm that at", touches), "--yes goes on; --identity names another key")
	}
	agreed, err := askYes(ctx, touches+". Go on? [yes/no] ")
	if err == nil && !agreed {
		err = usagef("%s: not confirmed", touches)
	}
	return err
}
