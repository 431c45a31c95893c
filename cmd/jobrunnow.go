package cmd

import (
	"context"
	"fmt"

	"tutti/runner"
	"tutti/scheduler"
)

// runJobNow runs the job of that name now, and shows it as o says, with the exit
// code of a run. It can be stopped from elsewhere, as a firing of a daemon.
func runJobNow(ctx context.Context, c *console, history *runner.History, name string, show *outputOptions) (err error) {
	s, err := history.ForReading(ctx)
	if err != nil {
		return err
	}
	owner, err := s.JoinOnce(ctx, c.Time())
	if err != nil {
		return err
	}
	defer func() { err = also(err, owner.Close()) }()
	ticket, err := owner.Request(ctx, name, c.UserName(), c.Time())
	if err == nil && ticket.Decision == scheduler.Queued {
		c.Warn(fmt.Sprintf("job %s waits: %s", name, ticket.Reason))
		ticket, err = runner.AwaitTurn(ctx, s, owner, ticket, c.Time)
	}
	if err != nil {
		return err
	}
	if err := runner.CheckRun(&ticket); err != nil {
		return err
	}
	screen := newScreen(c.Streams, show)
	l := c.newLaunch(newLaunchOptions(), screen)
	l.History = history
	err = l.FireAttached(ctx, &runner.Firing{Assignment: ticket, Owner: owner})
	return c.finish(ctx, l, screen, err)
}
