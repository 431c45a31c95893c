package cmd

import (
	"context"
	"fmt"
	"strconv"

	"tutti/client"
	"tutti/fanout"
	"tutti/runner"
	"tutti/scheduler"
)

// runJobThere has the server run the job of that name now, and shows the run as one of
// this machine.
func runJobThere(ctx context.Context, c *console, o *jobRunOptions, remote *client.Client, serverWords, name string) error {
	launch := newLaunchOptions()
	launch.outputOptions, launch.there, launch.serverWords = o.outputOptions, remote, serverWords
	t := c.newThereRun(launch, &submission{task: fanout.Task{Action: fanout.Command(name)}})
	return c.leaveThere(ctx, t, t.launchJob(ctx, c, name))
}

// launchJob starts the job and follows its run.
func (t *thereRun) launchJob(ctx context.Context, c *console, name string) error {
	all := t.there.Jobs(jobChecker(c.Streams))
	named, err := all.Named(ctx, []string{name})
	if err == nil {
		err = readable(&named[0])
	}
	if err != nil {
		return usageOfJob(err)
	}
	if t.Request, err = runner.CompleteJob(&named[0].Job, c.Getenv); err != nil {
		return err
	}
	lasting, end := lingering(ctx, startGrace)
	defer end()
	ticket, served, err := all.RunNow(lasting, name, "")
	if err != nil {
		return usageOfJob(err)
	}
	if !served {
		t.screen.warn(jobUnserved)
	}
	if ticket.Decision == scheduler.Queued {
		t.screen.warn(fmt.Sprintf("job %s waits: %s", name, ticket.Reason))
	}
	if t.run, err = all.AwaitRun(ctx, &ticket); err == nil {
		err = runner.CheckRun(&ticket)
	}
	if err != nil {
		if ctx.Err() != nil {
			t.screen.say(fmt.Sprintf("job %s was started and continues there; tutti job kill %[1]s%s stops it", name, t.serverWords))
		}
		return usageOfJob(err)
	}
	t.left = true
	hosts, err := t.there.History().HostsOf(lasting, strconv.FormatInt(t.run, 10), "", nil)
	if err != nil {
		return fmt.Errorf("run %d was started and continues there: %w", t.run, err)
	}
	d := &runner.Decision{Plan: fanout.Plan{Source: "job", Task: t.task, Policy: t.Policy()}}
	return t.showRun(ctx, d, hosts, nil)
}
