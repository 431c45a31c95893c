package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
	"tutti/store"
)

// A Ledger is what the daemons of a history agree on. Its methods may be called by many
// goroutines at once.
type Ledger struct {
	*handle
	states *states
	jobs   store.Jobs
}

// newLedger returns the ledger of a history; its jobs are set by the store.
func newLedger(h *handle, s *states) *Ledger { return &Ledger{handle: h, states: s} }

var _ scheduler.Ledger = (*Ledger)(nil)

// A batcher is a queryer that takes several statements in one round trip.
type batcher interface {
	queryer
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}
