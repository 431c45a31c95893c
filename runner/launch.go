package runner

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/hostkeys"
	"tutti/ssh"
	"tutti/store"
)

// A Launch makes one run: it decides, logs in, records and shows it. Set its
// fields, then call its methods, by one goroutine.
type Launch struct {
	// Env is where it is launched.
	Env *Env
	// Request is what the run is given, and Lookup how its hosts are looked up.
	Request *Request
	Lookup  *Lookup
	// View is where it is shown.
	View View
	// History is where it is recorded; its owner closes it.
	History *History
	// Prompter asks the operator who launched it; nil: there is none to ask.
	Prompter Prompter
	// Hint says what the operator can do about the cause of a failure, given how the
	// hosts were chosen; nil: failures have no hints.
	Hint func(by Choice, host string, cause fanout.Cause) string
	// Connections passes connections from earlier launches to later ones; nil: they end
	// with the launch.
	Connections *ssh.IdlePool
	// Persisting is how connections stay open for later processes; nil: they do not.
	Persisting *Persisting

	// Logger, Warn and Banner receive what is done, what is wrong but does not stop
	// the run, and what a host sends before a login.
	Logger *slog.Logger
	Warn   func(string)
	Banner func(host, text string)

	// firing is what the run is for; nil: it is no job's.
	firing *Firing
	// submitted is the run of the queue that it makes; nil: it makes another one.
	submitted *Submitted
	// login is the login password, once it was asked for; the client wipes it, or
	// prepare if there is no client.
	login fanout.Secret
	// run is the number of the recorded run; 0: none. recorded is the exit code in its
	// record.
	run      int64
	recorded atomic.Int64
}

// noCode is no exit code.
const noCode = -1

// Decide makes the plan, and passes its warnings on.
func (l *Launch) Decide(ctx context.Context, selector string, task fanout.Task) (*Decision, error) {
	l.Lookup.Runs = EarlierRuns{Open: l.History.ForReading, User: l.Env.User}
	d, err := l.Env.Decide(ctx, l.Request, l.Lookup, selector, task)
	if err == nil {
		err = d.fitTransfer(l.Request)
	}
	if err != nil {
		return nil, err
	}
	for _, w := range d.Warnings {
		l.Warn(w)
	}
	return d, nil
}

// Run executes a decision. Its error is an [ExitError] if everything has been reported
// and only the exit code is left, and a [NoRecordError] if the run cannot be recorded.
func (l *Launch) Run(ctx context.Context, d *Decision) error {
	sinks, err := l.View.Begin(d)
	if err != nil {
		return err
	}
	client, err := l.prepare(ctx, d)
	if err != nil {
		return err
	}
	by := executorOf(ctx, l, d, client)
	defer func() { _ = by.Close() }() // there is nothing left to lose on it

	opts := fanout.Options{Executor: by}
	recorder, err := l.record(ctx, d)
	if err != nil {
		return err
	}
	if recorder != nil {
		// Only after a panic is it still open here. A run that is left open would look
		// active for as long as the daemon lives.
		defer func() { _ = recorder.Close() }()
		opts.RunID, opts.Journal = recorder.RunID(), recorder
		sinks = append(sinks, recorder)
	}
	sinks = append(sinks, &floodGauge{getenv: l.Env.Getenv})
	opts.Sink = fanout.Tee(sinks...)

	running, heeded := ctx, func() {}
	switch {
	case l.firing != nil && !l.firing.attached:
		opts.HaltRequest = l.firing.Halt
	case recorder != nil:
		running, opts.HaltRequest, heeded = l.heedStops(ctx, recorder.RunID())
	}
	summary, err := l.Execute(running, d.Plan, opts)
	heeded()
	if err = l.end(ctx, recorder, err); err != nil {
		return err
	}
	if c := l.View.Code(summary); c != ExitOK {
		return &ExitError{c}
	}
	return nil
}

// Execute is fanout.Run with the view attached. It records nothing.
func (l *Launch) Execute(ctx context.Context, plan fanout.Plan, opts fanout.Options) (fanout.Summary, error) {
	ctx, halt, end := l.View.Attend(ctx)
	defer end()
	opts.Halt = halt
	spareMemory(len(plan.Targets), l.Env.Getenv)
	if l.Prompter != nil { // who started this process for this run
		spareTime(len(plan.Targets), l.Env.Getenv)
	}
	return fanout.Run(ctx, plan, opts)
}

// prepare gets the passwords, and reads what is needed to log in.
func (l *Launch) prepare(ctx context.Context, d *Decision) (*ssh.Client, error) {
	ctx, prepared := l.preparing(ctx)
	defer prepared()
	ask := l.asker()
	login, err := ask.loginPassword(ctx)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	var client *ssh.Client
	if err = ask.giveSudoPassword(ctx, d.Plan.Task.Sudo, login); err == nil {
		l.login = login
		client, err = l.Client(ctx, d)
	}
	if err != nil {
		login.Wipe() // there is no client that would
		return nil, causeOf(ctx, err)
	}
	return client, nil
}

// causeOf is why ctx has ended, if that is what is behind err.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Client reads what is needed to log in; nothing is connected to yet.
func (l *Launch) Client(ctx context.Context, d *Decision) (*ssh.Client, error) {
	env, r := l.Env, l.Request
	if env.Home == "" && r.Login.KnownHosts == "" {
		for _, e := range d.Endpoints {
			if e.HostKeys == hostkeys.AcceptNew && e.KnownHosts == nil {
				return nil, fault.Usagef("cannot locate known_hosts for new host keys: HOME is not set: name a file with %s", fault.Key("known-hosts"))
			}
		}
	}
	password := l.login
	if password == nil {
		var err error
		if password, err = l.asker().loginPassword(ctx); err != nil {
			return nil, err
		}
	}
	client, err := ssh.New(ctx, ssh.Options{
		Endpoints:         d.Endpoints,
		KnownHosts:        env.KnownHosts(r.Login.KnownHosts),
		AgentSocket:       env.Getenv("SSH_AUTH_SOCK"),
		DefaultIdentities: env.DefaultIdentities(),
		Shell:             env.Getenv("SHELL"),
		ChildEnv:          env.forPrograms(&r.Task),
		Hint:              l.hint(ctx, d),
		Passphrase:        l.asker().passphrases(),
		Password:          password,
		KillAfter:         r.Limits.KillAfter,
		Drain:             r.Limits.Drain,
		IdlePool:          l.Connections,
		Logger:            l.Logger,
		Banner:            l.Banner,
		Warn:              l.Warn,
	})
	if err != nil {
		return nil, fault.Usage(err)
	}
	if err := l.asker().confirmTouches(ctx, client.Touches()); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// end waits until the whole run is recorded, and then lets the view finish. It returns
// the first error, which may be that of the run.
func (l *Launch) end(ctx context.Context, recorder *store.Recorder, err error) error {
	if recorder != nil {
		err = errors.Join(err, l.History.end(ctx, recorder))
	}
	if viewErr := l.View.Finish(ctx); err == nil {
		err = viewErr
	}
	return err
}
