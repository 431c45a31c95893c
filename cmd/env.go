package cmd

import (
	"context"

	"tutti/runner"
)

// choose loads the inventory and selects from it.
func choose(ctx context.Context, std Streams, o *requestOptions, selector string, history *runner.History) (*runner.Selection, error) {
	o.Runs = earlierRuns(std, history)
	return std.Env().Choose(ctx, &o.Request, &o.Lookup, selector)
}

// earlierRuns are those of history.
func earlierRuns(std Streams, history *runner.History) runner.EarlierRuns {
	return runner.EarlierRuns{Open: history.ForReading, User: std.UserName()}
}
