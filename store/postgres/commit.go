package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tutti/scheduler"
	"tutti/store"
)

// Commit commits moves; see [scheduler.States]. They share a transaction.
func (l *Ledger) Commit(ctx context.Context, moves []scheduler.Move) ([]scheduler.Committed, error) {
	return l.commitFor(ctx, nil, moves)
}

// commitFor is Commit by a daemon; nil: by a process that need not be registered.
func (l *Ledger) commitFor(ctx context.Context, by *Daemon, moves []scheduler.Move) ([]scheduler.Committed, error) {
	done, err := l.commitTogether(ctx, by, moves)
	if len(moves) < 2 || !isRefusal(err) {
		return done, err
	}
	// The database refuses one of them, which must not keep the others from being made.
	all := make([]scheduler.Committed, len(moves))
	for i := range moves {
		done, err := l.commitTogether(ctx, by, moves[i:i+1])
		switch {
		case isRefusal(err):
			all[i].Err = err
		case err != nil:
			return nil, err
		default:
			all[i] = done[0]
		}
	}
	return all, nil
}

// isRefusal reports whether the database has refused what a statement writes, so that it
// is certain that the transaction was not made, and would not be made another time.
func isRefusal(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(refused.Code) < 2 {
		return false
	}
	class := refused.Code[:2]
	return class == "22" || class == "23" // data exception, constraint violation
}

// commitTogether makes moves in one transaction, whose nonce tells whether it was made
// although its answer was lost.
func (l *Ledger) commitTogether(ctx context.Context, by *Daemon, moves []scheduler.Move) ([]scheduler.Committed, error) {
	done, nonce := make([]scheduler.Committed, len(moves)), rand.Text()
	err := l.change(ctx, func(tx pgx.Tx) error {
		clear(done)
		return l.states.moveAll(ctx, tx, by, nonce, moves, done)
	})
	if err == nil || isUnknown(err) && l.wasMade(ctx, nonce, moves, done) {
		return done, nil
	}
	return nil, err
}

// resolveWithin bounds how long the outcome of a commit is looked for whose answer was
// lost.
const resolveWithin = 3 * time.Second

// isUnknown reports whether a transaction may have been made although its caller got err:
// neither the server nor the caller has refused it.
func isUnknown(err error) bool {
	switch stateOf(err) {
	case codeShutdown, codeCrash:
		return true
	case "":
		return !slices.ContainsFunc([]error{scheduler.ErrConflict, scheduler.ErrFenced, scheduler.ErrKnown, store.ErrTaken},
			func(refusal error) bool { return errors.Is(err, refusal) })
	}
	return false
}

// wasMade reports whether the transaction of that nonce is known to have been made. It
// waits for a transaction that the server has not ended yet.
func (l *Ledger) wasMade(ctx context.Context, nonce string, moves []scheduler.Move, done []scheduler.Committed) bool {
	var jobs []int64
	for i := range moves {
		if done[i].Err == nil {
			jobs = append(jobs, moves[i].Next.ID)
		}
	}
	if len(jobs) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveWithin)
	defer cancel()
	found := false
	err := l.change(ctx, func(tx pgx.Tx) error {
		nonces, err := column[string](ctx, tx, "SELECT coalesce(nonce, '') FROM job_states WHERE job_id = ANY($1) ORDER BY job_id FOR SHARE", jobs)
		found = slices.Contains(nonces, nonce)
		return err
	})
	return err == nil && found
}
