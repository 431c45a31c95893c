package runner

import (
	"context"

	"tutti/fanout"
	"tutti/store"
)

// Records are runs on record: those of a history, or those that a server shows. What the
// methods promise is said at those of store.History.
type Records interface {
	Runs(ctx context.Context, q store.Query) ([]store.Run, error)
	Run(ctx context.Context, ref, user string) (store.Run, error)
	HostsOf(ctx context.Context, ref, user string, outcomes []fanout.Outcome) ([]string, error)
	Results(ctx context.Context, run int64) ([]store.HostResult, error)
	Replay(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error
	Follow(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error
}
