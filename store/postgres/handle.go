package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/store"
)

// A handle is an open history with its connections. Its methods may be called by many
// goroutines at once.
type handle struct {
	// name is the address without its password, for errors.
	name    string
	options store.Options
	pool    database
	// unwritable is why the history is open for reading only; nil: it is not.
	unwritable error
	// synchronous: a standby has what is acknowledged, too.
	synchronous bool
	watch       watch
	// terms are those of the leases of this process.
	terms leaseTerms
	// orphans are the runs whose begin was not answered.
	orphans orphans
	// commit ends a transaction that writes. Tests put faults in its place.
	commit func(ctx context.Context, tx pgx.Tx) error
}

const (
	// changeLimit bounds a change, waits for locks included.
	changeLimit = 10 * time.Second
	// changeTries is how often a change is made that the server has undone because of
	// another one.
	changeTries = 4
	// channel is the name under which a change is announced.
	channel = "tutti_history"
	// announce is a hint that something has changed. There is one for each commit.
	announce = "SELECT pg_notify('" + channel + "', '')"
)

// writing is a transaction that writes: it commits and announces in one round trip.
var writing = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite, CommitQuery: announce + "; COMMIT"}

// ReadOnly reports whether the history is open for reading only.
func (h *handle) ReadOnly() bool { return h.unwritable != nil }

// Changeable is an error if the history cannot be changed.
func (h *handle) Changeable() error {
	if h.unwritable != nil {
		return h.readOnlyError("change")
	}
	return nil
}

// readOnlyError is the error of a change to a history that is open for reading only.
func (h *handle) readOnlyError(op string) error {
	kind := kindOf(h.unwritable)
	if kind == nil {
		kind = store.ErrReadOnly
	}
	return &store.Error{Op: op, Path: h.name, Kind: kind, Err: bare(h.unwritable)}
}

// change runs f in one transaction at READ COMMITTED, and commits it. If the server undid
// it because of another transaction, which is before anything was promised, f is called
// again: it must have no effect but in tx. After an error of the commit it is unknown
// whether the change was made, unless the error is [store.ErrBusy].
func (h *handle) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	if err := h.Changeable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience(ctx))
	defer cancel()
	for try := 1; ; try++ {
		err := h.changeOnce(ctx, f)
		if state := stateOf(err); try == changeTries || state != codeDeadlock && state != codeSerialization {
			return h.fault("change", err)
		}
	}
}

func (h *handle) changeOnce(ctx context.Context, f func(tx pgx.Tx) error) error {
	tx, err := h.pool.BeginTx(ctx, writing)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after a commit there is nothing to roll back
	if err := f(tx); err != nil {
		return err
	}
	return h.commit(ctx, tx)
}

// patience is how long a change of ctx may take.
func patience(ctx context.Context) time.Duration {
	if wait, ok := store.PatienceOf(ctx); ok {
		return min(wait, changeLimit)
	}
	return changeLimit
}

// Close closes the history. Recorders must have been closed before.
func (h *handle) Close() error {
	h.watch.close()
	h.pool.Close()
	return nil
}
