package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"tutti/api"
	"tutti/client"
	"tutti/cmd/internal/place"
	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/sanitize"
	"tutti/runner"
)

const (
	// startGrace is how long a run that is being submitted is waited for after a signal:
	// what has started is to be known, and stopped.
	startGrace = 2 * time.Second
	// stopGrace is how much longer than the stopping of commands may take a run that is
	// being stopped is waited for.
	stopGrace = 10 * time.Second
)

// launchThere has the server execute s, and shows it as a run of this machine. Its error
// is an ExitError if everything has been reported and only the exit code is left.
func (c *console) launchThere(ctx context.Context, o *launchOptions, s *submission) error {
	t := c.newThereRun(o, s)
	t.screen.checksInput = true
	return c.leaveThere(ctx, t, t.launch(ctx))
}

// newThereRun is a run that the server of o is asked for.
func (c *console) newThereRun(o *launchOptions, s *submission) *thereRun {
	screen := newScreen(c.Streams, &o.outputOptions)
	screen.exit, screen.interrupts = o.exit.Word, c.interrupts
	return &thereRun{launchOptions: o, submission: s, screen: screen}
}

// leaveThere closes the screen of a run that ended, or was left, with err.
func (c *console) leaveThere(ctx context.Context, t *thereRun, err error) error {
	if t.left {
		err = hint(err, fmt.Sprintf("tutti show --follow %d%s shows it", t.run, t.serverWords))
	}
	err = c.closeScreen(ctx, t.screen, err)
	if t.run == 0 {
		return err
	}
	return &decided{err, codeOf(err, c.interrupts)}
}

// A thereRun is a run that a server executes.
type thereRun struct {
	*launchOptions
	*submission
	screen *screen
	// run is its number; 0: it has not started. left: it goes on without being followed.
	run  int64
	left bool
}

func (t *thereRun) launch(ctx context.Context) error {
	for _, text := range t.warnings {
		t.screen.warn(text)
	}
	d := &runner.Decision{Plan: fanout.Plan{Source: "api", Task: t.task, Policy: t.Policy()}}
	if err := t.screen.checkInput(d); err != nil {
		return err
	}
	if t.dryRun {
		return t.showPlan(ctx)
	}
	if err := t.checkFiles(ctx); err != nil {
		return err
	}
	lasting, end := lingering(ctx, startGrace)
	defer end()
	hosts, err := t.begin(lasting)
	if err != nil {
		return place.UsageOfServer(err)
	}
	return t.showRun(ctx, d, hosts, func(run int64) string { return fmt.Sprintf("tutti rerun %d%s", run, t.serverWords) })
}

// showRun shows the run, which has started on these hosts, to its end. again is the
// command that repeats it; nil: there is none.
func (t *thereRun) showRun(ctx context.Context, d *runner.Decision, hosts []string, again func(run int64) string) error {
	for i, name := range hosts {
		d.Plan.Targets = append(d.Plan.Targets, fanout.Target{Index: i, Name: name})
	}
	t.screen.opts.Again = again
	sinks, err := t.show(d)
	if err == nil {
		err = runner.WriteRunID(t.Record.RunIDFile, t.run)
	}
	if err != nil { // it cannot be shown as it was asked for
		lasting, end := lingering(ctx, startGrace)
		defer end()
		stopErr := t.there.Runner().Stop(lasting, t.run, client.StopEnd)
		t.left = stopErr != nil
		return errors.Join(err, stopErr)
	}
	return t.follow(ctx, hosts, d.Plan.Policy, fanout.Tee(sinks...))
}

// begin submits the run, and returns its hosts.
func (t *thereRun) begin(ctx context.Context) ([]string, error) {
	run, err := t.there.Runner().Submit(ctx, t.body, t.operation...)
	if err != nil {
		if ctx.Err() != nil {
			t.screen.say("stopped while the run was submitted: it may have started; tutti history" + t.serverWords + " lists runs")
		}
		return nil, err
	}
	t.run, t.left = run.Run.Run, true
	for _, text := range run.Warnings {
		t.screen.warn(sanitize.VisibleLine(text))
	}
	hosts, err := t.there.History().HostsOf(ctx, strconv.FormatInt(t.run, 10), "", nil)
	if err != nil {
		err = fmt.Errorf("run %d was started and continues there: %w", t.run, err)
	}
	return hosts, err
}

// show makes the sinks that show the run.
func (t *thereRun) show(d *runner.Decision) ([]fanout.Sink, error) {
	t.screen.opts.CutOff = true // of a run that was left without its end nothing more is heard
	t.screen.left = func(run int64) string {
		return fmt.Sprintf("tutti show --follow %d%s shows how it ends", run, t.serverWords)
	}
	sinks, err := t.screen.Begin(d)
	return append(sinks, t.omissions()), err
}

// omissions warns at the end of a run of output that is not on record, and so in no file
// and not on the screen.
func (t *thereRun) omissions() fanout.Sink {
	hosts := map[string]bool{}
	return fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		switch {
		case e.Kind == fanout.Output && e.Omitted > 0:
			hosts[e.Target.Name] = true
		case e.Kind == fanout.RunFinished && len(hosts) > 0:
			t.screen.warn("the output was too large for the record, and is not complete here, of " + hostlist.Fold(slices.Sorted(maps.Keys(hosts))) + "; --record-limit SIZE records more")
		}
		return nil
	})
}

// follow shows the run to its end.
func (t *thereRun) follow(ctx context.Context, hosts []string, policy fanout.Policy, sink fanout.Sink) error {
	attended, halt, end := t.screen.Attend(ctx)
	summary, err := t.there.Runner().Execute(attended, &client.Execution{
		Run: t.run, Hosts: hosts, Policy: policy, Sink: sink, Halt: halt,
		Grace: t.Limits.KillAfter + t.Limits.Drain + stopGrace,
		Lost: func(err error) {
			t.screen.warn(fmt.Sprintf("the connection to %s was lost, and is tried again: %v", t.there.Address(), err))
		},
		Waits:   func() { t.screen.remark(fmt.Sprintf("run %d waits for its turn", t.run)) },
		Refused: func(err error) { t.screen.warn(fmt.Sprintf("run %d was not stopped: %v", t.run, err)) },
	})
	end()
	t.left = errors.As(err, new(*client.GoneError))
	if finishErr := t.screen.Finish(ctx); err == nil {
		err = finishErr
	}
	if err != nil {
		return err
	}
	if err := t.sayReason(ctx, summary.Stopped); err != nil {
		return err
	}
	if code := t.screen.Code(summary); code != runner.ExitOK {
		return &runner.ExitError{Code: code}
	}
	return nil
}

// sayReason says why a run was not started, if it was not.
func (t *thereRun) sayReason(ctx context.Context, why fanout.Stopped) error {
	if why != fanout.StoppedRefused {
		return nil
	}
	run, err := t.there.History().Run(ctx, strconv.FormatInt(t.run, 10), "")
	if err == nil && run.Reason != "" {
		t.screen.say(fmt.Sprintf("tutti: run %d was not started: %s", t.run, sanitize.VisibleLine(run.Reason)))
	}
	return err
}

// planned is what the run would do.
func (t *thereRun) planned(ctx context.Context) (*api.Plan, error) {
	form, err := t.there.Runner().Plan(ctx, t.body, t.operation...)
	return &form, place.UsageOfServer(err)
}

// showPlan shows what the run would do.
func (t *thereRun) showPlan(ctx context.Context) error {
	form, err := t.planned(ctx)
	if err != nil {
		return err
	}
	for _, text := range form.Warnings {
		t.screen.warn(sanitize.VisibleLine(text))
	}
	form.Warnings = nil
	form.Task.StdinName = t.task.StdinName // as it is called here
	return printPlan(t.screen.out, form, t.mode.Word == modeJSON)
}

// checkFiles refuses files that the run could not be written to, before it starts.
func (t *thereRun) checkFiles(ctx context.Context) error {
	if err := runner.CheckRunIDFile(t.Record.RunIDFile); err != nil {
		return err
	}
	if t.outdir == "" && t.junit == "" {
		return nil
	}
	form, err := t.planned(ctx)
	if err != nil {
		return err
	}
	targets := make([]fanout.Target, len(form.Hosts))
	for i := range targets {
		targets[i] = fanout.Target{Index: i, Name: form.Hosts[i].Host}
	}
	files, err := openFiles(&t.fileOptions, targets)
	if err != nil {
		return err
	}
	return files.close(ctx)
}

// lingering is ctx, which ends only a while later, or with end.
func lingering(ctx context.Context, d time.Duration) (lasting context.Context, end func()) {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(context.Cause(ctx))
		case <-lasting.Done():
		}
	})
	return lasting, func() {
		stop()
		cancel(nil)
	}
}
