package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/hostlist"
	"tutti/internal/quantity"
	"tutti/scheduler"
	"tutti/store"
)

// prepareTime bounds what happens before a firing's run has a number, such as a
// program that prints an inventory or a password: until then no one can stop it.
const prepareTime = 5 * time.Minute

// A Firing is a claimed assignment that is about to become a run of its job.
type Firing struct {
	scheduler.Assignment
	// Owner has claimed the assignment.
	Owner store.Daemon
	// Begun is called with the number of the run before anything connects; may be nil.
	Begun func(run int64)
	// Halt is closed when no more hosts are to be started; nil: it never is.
	Halt <-chan struct{}
	// attached says that no daemon watches for requests to stop the run.
	attached bool
}

// UnattendedLaunch is a launch for an unattended firing: warnings go to the log.
func UnattendedLaunch(env *Env, history *History, log *slog.Logger) *Launch {
	return &Launch{
		Env: env, View: Unattended{}, History: history, Logger: log,
		Warn:   func(text string) { log.Warn(text) },
		Banner: func(host, text string) { log.Debug("banner", "host", host, "text", text) },
	}
}

// Fire makes a run of a firing, by the same code as any run, and executes it.
// The launch needs no Request and no Lookup: they are the job's. An error before
// Begun says why there is no run, in the environment's words; afterwards it may be an
// [ExitError].
func (l *Launch) Fire(ctx context.Context, f *Firing) error {
	d, done, err := l.decideFiring(ctx, f)
	if err != nil {
		return l.Env.Wording.Error(err)
	}
	defer done()
	if err = l.Run(ctx, d); OnlyOutcomes(err) {
		return err
	}
	return l.Env.Wording.Error(err)
}

// Check prepares a firing of the job up to the first connection, without asking for a
// password. The error is what would keep the job from running here and now.
func (l *Launch) Check(ctx context.Context, job *scheduler.StoredJob) error {
	d, done, err := l.decideFiring(ctx, &Firing{Assignment: scheduler.Assignment{Job: *job}})
	if err != nil {
		return err
	}
	defer done()
	client, err := l.Client(ctx, d)
	if err != nil {
		return err
	}
	return client.Close()
}

// requestOfFiring is the request of a run of the job.
func requestOfFiring(job *scheduler.Job, getenv func(string) string) (*Request, error) {
	r, err := CompleteJob(job, getenv)
	if err != nil {
		return nil, err
	}
	if _, set := job.Options["deadline"]; !set {
		r.Limits.Deadline = scheduler.DefaultDeadline
	}
	return &r, CheckPlainFile("stdin", r.Task.Stdin)
}

// decideFiring decides what the firing does, and where. done closes what is open for
// it.
func (l *Launch) decideFiring(ctx context.Context, f *Firing) (_ *Decision, done func(), err error) {
	l.firing, l.Lookup = f, &Lookup{ForJob: true, Scopes: f.Job.Scopes}
	if l.Request, err = requestOfFiring(&f.Job.Job, l.Env.Getenv); err != nil {
		return nil, nil, err
	}
	ctx, prepared := l.preparing(ctx)
	defer prepared()
	task, err := taskOfJob(ctx, &f.Job.Job, f.Assignment.Firing.At)
	if err != nil {
		return nil, nil, causeOf(ctx, err)
	}
	r, err := l.Env.Prepare(&l.Request.Task, task)
	if err != nil {
		CloseScript(task)
		return nil, nil, err
	}
	done = func() {
		r.Close()
		CloseScript(task)
	}
	d, err := l.decideHosts(ctx, r.Task)
	if err != nil {
		done()
		return nil, nil, causeOf(ctx, f.refusal(err))
	}
	d.Plan.Source = "job"
	return d, done, nil
}

// refusal says of hosts outside the scopes of the job whose scopes they are.
func (f *Firing) refusal(err error) error {
	if !errors.As(err, new(*access.ScopeError)) {
		return err
	}
	return &refusedError{fault.Usagef("%w: %s changed the job last and may use only %s", err, f.Job.UpdatedBy, strings.Join(f.Job.Scopes, " and "))}
}

// A refusedError is why a firing may not become a run.
type refusedError struct{ err error }

func (e *refusedError) Error() string   { return e.err.Error() }
func (e *refusedError) Unwrap() []error { return []error{scheduler.ErrRefused, e.err} }

// preparing is the context for the steps before a run. Without a prompter it is bounded
// by prepareTime, because no operator would notice that they hang.
func (l *Launch) preparing(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.Prompter != nil {
		return context.WithCancel(ctx)
	}
	end := func() {}
	if l.submitted != nil {
		ctx, end = untilStopping(ctx, l.submitted.Stopping)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, prepareTime, fmt.Errorf("preparing the run timed out after %s", quantity.FormatDuration(prepareTime)))
	return ctx, func() {
		cancel()
		end()
	}
}

// untilStopping is ctx until stopping ends, with its cause.
func untilStopping(ctx, stopping context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(stopping, func() { cancel(context.Cause(stopping)) })
	return ctx, func() {
		unhook()
		cancel(nil)
	}
}

// decideHosts decides on the hosts: those of the selector in the current inventory, or
// those of an interrupted run whose result is unknown.
func (l *Launch) decideHosts(ctx context.Context, task fanout.Task) (*Decision, error) {
	var err error
	if l.Lookup.Resting, err = l.restingOf(ctx); err != nil {
		return nil, err
	}
	if l.firing.Repeats == 0 {
		return l.Decide(ctx, l.firing.Job.Selector, task)
	}
	s, err := l.History.ForReading(ctx)
	if err != nil {
		return nil, err
	}
	run, err := s.Run(ctx, fmt.Sprint(l.firing.Repeats), "")
	if err != nil {
		return nil, err
	}
	hosts, err := s.HostsOf(ctx, fmt.Sprint(run.ID), "", unknownOutcomes)
	if err != nil {
		return nil, err
	}
	l.Lookup.Previous = &Previous{Run: run, Hosts: hosts, Yes: true}
	h := &l.Request.Hosts
	h.Only, h.Exclude, h.Limit, h.Pick = nil, nil, 0, 0 // that was decided then
	d, err := l.Decide(ctx, RunItem(run.ID, unknownOutcomes), task)
	if err != nil {
		return nil, err
	}
	if gone := missing(d, l.Lookup.Resting, hosts); len(gone) > 0 {
		l.Warn(fmt.Sprintf("%[3]d of the %[1]d hosts of run %[2]d to repeat are no longer in the inventory: %[4]s",
			len(hosts), run.ID, len(gone), hostlist.Fold(gone)))
	}
	return d, nil
}

// unknownOutcomes are the outcomes of hosts on which an idempotent job is run again
// after its run was interrupted.
var unknownOutcomes = []fanout.Outcome{fanout.Lost, fanout.Skipped}

// missing are those of the hosts that are not in the plan of d, nor in maintenance.
func missing(d *Decision, resting []store.Rest, hosts []string) []string {
	planned := make(map[string]bool, len(d.Plan.Targets))
	for _, t := range d.Plan.Targets {
		planned[t.Name] = true
	}
	for i := range resting {
		planned[resting[i].Host] = true
	}
	var out []string
	for _, name := range hosts {
		if !planned[name] {
			out = append(out, name)
		}
	}
	return out
}
