package daemon

import (
	"context"
	"errors"

	"tutti/api/event"
	"tutti/output"
	"tutti/runner"
	"tutti/server"
	"tutti/store"
)

// runs are the runs of a history, for clients over HTTP.
type runs struct{ store.Store }

// NewRuns are the runs of a history.
func NewRuns(s store.Store) server.Runs { return runs{s} }

// Diff are what changed between two runs, as the command line shows it.
func (r runs) Diff(ctx context.Context, before, after store.Run, visible store.Visible) (all []event.Diff, err error) {
	both := &runner.Comparison{Store: r.Store, Before: before, After: after}
	comparison := output.NewComparison(output.Options{}, before.ID, after.ID)
	defer func() { err = errors.Join(err, comparison.Close()) }()
	if err := both.FeedGroups(ctx, r.Store, visible, comparison); err != nil {
		return nil, err
	}
	err = comparison.Each(func(d event.Diff) error {
		all = append(all, d)
		return nil
	})
	return all, err
}
