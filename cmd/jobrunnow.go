package cmd

import (
	"context"
	"fmt"

	"tutti/runner"
	"tutti/scheduler"
)

// runJobNow runs the job of that name out of turn, and shows it as o says, with
// the exit code of a run. Somebody else may kill it, as a firing of a daemon.
func (a *app) runJobNow(ctx context.Context, history *runner.History, name string, show *outputOptions) (err error) {
	s, err := history.ForReading(ctx)
	if err != nil {
		return err
	}
	owner, err := s.JoinOnce(ctx, a.now())
	if err != nil {
		return err
	}
	defer func() { err = also(err, owner.Close()) }()
	ticket, err := owner.Request(ctx, name, a.userName(), a.now())
	if err == nil && ticket.Decision == scheduler.Queued {
		a.warn(fmt.Sprintf("job %s waits: %s", name, ticket.Reason))
		ticket, err = runner.AwaitTurn(ctx, s, owner, ticket, a.now)
	}
	if err != nil {
		return err
	}
	if err := runner.CheckRun(&ticket); err != nil {
		return err
	}
	screen := a.newScreen(show)
	l := a.newLaunch(newLaunchOptions(), screen)
	l.History = history
	err = l.FireAttached(ctx, &runner.Firing{Ticket: ticket, Owner: owner})
	return a.finish(ctx, l, screen, err)
}
