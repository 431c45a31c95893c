package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/quantity"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

// prepareTime bounds what happens before a firing's run has a number, such as an
// inventory or a password that a program prints: nobody can end it until then.
const prepareTime = 5 * time.Minute

// A firing is a ticket on its way to become a run of its job.
type firing struct {
	scheduler.Ticket
	// owner has claimed the ticket.
	owner *store.Daemon
	// begun is told the number of the run before anything connects.
	begun func(run int64)
}

// carry makes a run of a firing, by the same code as a run at a terminal, and
// carries it out. launch makes the launch out of the job's options. An error
// before begun says why there is no run; afterwards it may be a *runError.
func (a *app) carry(ctx context.Context, f *firing, launch func(*launchOptions) *launching) error {
	o, err := a.firingOptions(&f.Job.Job)
	if err != nil {
		return err
	}
	l := launch(o)
	l.firing = f
	d, done, err := l.decideFiring(ctx)
	if err != nil {
		return err
	}
	defer done()
	return l.carryOut(ctx, d)
}

// firingOptions are those that a run of the job has.
func (a *app) firingOptions(job *scheduler.Job) (*launchOptions, error) {
	o, err := a.jobOptions(*job)
	if err != nil {
		return nil, err
	}
	if _, set := job.Options["deadline"]; !set {
		o.Limits.Deadline = scheduler.DefaultDeadline
	}
	return o, runner.CheckPlainFile("stdin", o.Task.Stdin)
}

// decideFiring decides what the firing does, and where. What is open for it is
// closed by done.
func (l *launching) decideFiring(ctx context.Context) (_ *runner.Decision, done func(), err error) {
	ctx, prepared := l.preparing(ctx)
	defer prepared()
	task, err := runner.TaskOfJob(ctx, &l.firing.Job.Job, l.firing.Firing.At)
	if err != nil {
		return nil, nil, causeOf(ctx, err)
	}
	closeScript := func() {
		if task.Script != nil {
			runner.CloseScript(task.Script)
		}
	}
	r, err := l.ready(&l.o.Task, task)
	if err != nil {
		closeScript()
		return nil, nil, err
	}
	done = func() {
		r.Close()
		closeScript()
	}
	d, err := l.decideHosts(ctx, l.firing.Job.Selector, r.Task)
	if err != nil {
		done()
		return nil, nil, causeOf(ctx, err)
	}
	d.Plan.Source = "job"
	return d, done, nil
}

// preparing is a context for what comes before a run: bounded where nobody is
// there to see that it hangs.
func (l *launching) preparing(ctx context.Context) (context.Context, context.CancelFunc) {
	if !l.unattended {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, prepareTime, fmt.Errorf("it has taken more than %s to find out hosts, keys and passwords", quantity.FormatDuration(prepareTime)))
}

// decideHosts decides on the hosts: those of the selector, as the inventory is
// now, or those of a run that was cut off whose end nobody knows.
func (l *launching) decideHosts(ctx context.Context, selector string, task fanout.Task) (*runner.Decision, error) {
	if l.firing.Repeats == 0 {
		return l.decideAndWarn(ctx, selector, task)
	}
	s, err := l.history.forReading(ctx)
	if err != nil {
		return nil, err
	}
	run, err := s.Run(ctx, fmt.Sprint(l.firing.Repeats), "")
	if err != nil {
		return nil, err
	}
	hosts, err := s.HostsOf(ctx, fmt.Sprint(run.ID), "", unknownEnds)
	if err != nil {
		return nil, err
	}
	l.o.Previous = &runner.Previous{Run: run, Hosts: hosts, Yes: true}
	l.o.previousHistory = l.history
	o := &l.o.Hosts
	o.Only, o.Exclude, o.Limit, o.Pick = nil, nil, 0, 0 // that was decided then
	d, err := l.decideAndWarn(ctx, runner.RunItem(run.ID, unknownEnds), task)
	if err == nil && len(d.Plan.Targets) < len(hosts) {
		l.warn(fmt.Sprintf("of the %d hosts of run %d to run again, %d are no longer in the inventory: %s",
			len(hosts), run.ID, len(hosts)-len(d.Plan.Targets), hostlist.Fold(missing(d, hosts))))
	}
	return d, err
}

// unknownEnds are the outcomes of hosts on which an idempotent job is run again
// after it was cut off.
var unknownEnds = []fanout.Outcome{fanout.Lost, fanout.Skipped}

// missing are those of the hosts that are not in the plan of d.
func missing(d *runner.Decision, hosts []string) []string {
	planned := make(map[string]bool, len(d.Plan.Targets))
	for _, t := range d.Plan.Targets {
		planned[t.Name] = true
	}
	var out []string
	for _, name := range hosts {
		if !planned[name] {
			out = append(out, name)
		}
	}
	return out
}

// unseen is a launch that nobody looks at: what is odd about it is logged.
func (a *app) unseen(o *launchOptions, history *historyFile, log *slog.Logger) *launching {
	return &launching{
		app: a, o: o, view: nowhere{}, history: history, unattended: true,
		logger: log,
		warn:   func(text string) { log.Warn(text) },
		banner: func(host, text string) { log.Debug("banner", "host", host, "text", text) },
	}
}

// runJobNow runs the job of that name out of turn, and shows it as o says, with
// the exit code of a run. Somebody else may kill it, as a firing of a daemon.
func (a *app) runJobNow(ctx context.Context, history *historyFile, name string, show *outputOptions) (err error) {
	s, err := history.forReading(ctx)
	if err != nil {
		return err
	}
	owner, err := s.JoinOnce(ctx, a.now())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	ticket, err := owner.Request(ctx, name, a.userName(), a.now())
	if err == nil && ticket.Decision == scheduler.Queued {
		a.warn(fmt.Sprintf("job %s waits: %s", name, ticket.Reason))
		ticket, err = a.awaitTurn(ctx, s, owner, ticket)
	}
	if err != nil {
		return err
	}
	if err := notRun(&ticket); err != nil {
		return err
	}
	screen := a.newScreen(show)
	var launched *launching
	run, err := a.carryAttached(ctx, &firing{Ticket: ticket, owner: owner}, func(o *launchOptions) *launching {
		o.outputOptions = *show
		l := a.newLaunching(o, screen)
		l.history = history
		launched = l
		return l
	})
	if run == 0 && err != nil {
		// What was to be done and why it was not is on record for all who look.
		decision := scheduler.Failed
		if errors.Is(err, fanout.ErrSignal) {
			decision = scheduler.Skipped // nobody wants it any more
		}
		err = errors.Join(err, owner.Fail(context.WithoutCancel(ctx), ticket, decision, err.Error()))
	}
	if launched == nil {
		return errors.Join(err, screen.close(ctx))
	}
	return launched.finish(ctx, screen, err)
}

// notRun is an error if it was decided that the firing is not run.
func notRun(t *scheduler.Ticket) error {
	if t.Decision == scheduler.Run || t.Decision == scheduler.Queued {
		return nil
	}
	return usagef("job %s is not run: %s", t.Job.Name, t.Reason)
}

// turnPoll is how often is asked whether it is the turn of a firing that waits.
const turnPoll = 200 * time.Millisecond

// awaitTurn waits until the firing may begin, or never may.
func (a *app) awaitTurn(ctx context.Context, s *store.Store, owner *store.Daemon, t scheduler.Ticket) (scheduler.Ticket, error) {
	tick := time.NewTicker(turnPoll)
	defer tick.Stop()
	for t.Decision == scheduler.Queued {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return t, context.Cause(ctx)
		}
		var err error
		if t, err = s.ClaimFiring(ctx, owner, t.ID, a.now()); err != nil {
			return t, err
		}
	}
	return t, nil
}

// killPoll is how often an attached run looks whether somebody wants its end.
const killPoll = time.Second

// carryAttached is carry, and ends the run when it is killed. It returns the
// number of the run; 0: it did not come to one.
func (a *app) carryAttached(ctx context.Context, f *firing, launch func(*launchOptions) *launching) (run int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	number := make(chan int64, 1)
	f.begun = func(id int64) {
		run = id
		number <- id
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		awaitKill(ctx, f.owner, number, func() { cancel(fanout.ErrKill) })
	}()
	defer func() {
		cancel(nil)
		<-watched
	}()
	err = a.carry(ctx, f, launch)
	return run, err
}

// awaitKill calls kill once somebody wants the end of the run whose number comes.
// It returns when ctx has ended at the latest.
func awaitKill(ctx context.Context, owner *store.Daemon, number <-chan int64, kill func()) {
	tick := time.NewTicker(killPoll)
	defer tick.Stop()
	var run int64
	for {
		select {
		case run = <-number:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if run == 0 {
			continue
		}
		// A history that cannot be read now can be read later.
		if killed, err := owner.Killed(ctx, []int64{run}); err == nil && len(killed) > 0 {
			kill()
			return
		}
	}
}
