package cmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"tutti/fanout"
	"tutti/runner"
	"tutti/store"
)

// followedRun is the run that ref names for who follows it: last is the newest of the
// user, also while it runs.
func followedRun(ctx context.Context, std Streams, s runner.Records, ref string) (store.Run, error) {
	if ref == "last" {
		runs, err := s.Runs(ctx, store.Query{Running: true, User: std.UserName()})
		if err != nil {
			return store.Run{}, err
		}
		for _, r := range runs {
			if r.JobID == 0 {
				return r, nil
			}
		}
	}
	return s.Run(ctx, ref, std.UserName())
}

// follow shows a run as another process executes it, until it has ended, or the
// operator has seen enough.
func follow(ctx context.Context, s runner.Records, run int64, filter store.Filter, sink fanout.Sink, screen *screen) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A reader that has gone away is noticed also while the hosts say nothing.
	unwatch := screen.onFailure(func(err error) { cancel(err) })
	err := s.Follow(ctx, run, filter, sink)
	unwatch()
	if errors.Is(err, fanout.ErrSignal) {
		screen.say(fmt.Sprintf("no longer following run %d, which continues; tutti kill %d stops it", run, run))
	}
	return err
}

// codeOfRun is the exit code that a run has on record, or had to have; it is asked for
// at the end of the run.
func codeOfRun(ctx context.Context, s runner.Records, run store.Run) func(fanout.Summary) int {
	return func(fanout.Summary) int {
		if !run.State.Ended() {
			if now, err := s.Run(context.WithoutCancel(ctx), strconv.FormatInt(run.ID, 10), ""); err == nil {
				run = now
			}
		}
		return recordedCode(run)
	}
}
