package sqlite

import (
	"context"

	"tutti/store"
)

// RunsPage are some of the runs that fit q; see [store.Views].
func (v views) RunsPage(ctx context.Context, q store.Query) (store.RunPage, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = store.DefaultPage
	}
	q.Limit = limit + 1
	runs, err := v.history.Runs(ctx, q)
	if err != nil {
		return store.RunPage{}, err
	}
	return store.PageOfRuns(runs, limit), nil
}
