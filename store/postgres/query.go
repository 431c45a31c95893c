package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A queryer is a pool of connections or a transaction.
type queryer interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
}

// A database is a pool of connections that sends storable text only.
type database struct{ *pgxpool.Pool }

// Query is that of the pool.
func (d database) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	return d.Pool.Query(ctx, query, storableArgs(args)...)
}

// QueryRow is that of the pool.
func (d database) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return d.Pool.QueryRow(ctx, query, storableArgs(args)...)
}

// Exec is that of the pool.
func (d database) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	return d.Pool.Exec(ctx, query, storableArgs(args)...)
}

// SendBatch is that of the pool: all statements share a round trip and, unless the batch
// has its own, a transaction.
func (d database) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return d.Pool.SendBatch(ctx, storableBatch(b))
}

// BeginTx is that of the pool.
func (d database) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := d.Pool.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	return transaction{tx}, nil
}

// A transaction sends storable text only.
type transaction struct{ pgx.Tx }

// Begin makes a savepoint.
func (t transaction) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return transaction{tx}, nil
}

// Query is that of the transaction.
func (t transaction) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	return t.Tx.Query(ctx, query, storableArgs(args)...)
}

// QueryRow is that of the transaction.
func (t transaction) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return t.Tx.QueryRow(ctx, query, storableArgs(args)...)
}

// Exec is that of the transaction.
func (t transaction) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	return t.Tx.Exec(ctx, query, storableArgs(args)...)
}

// SendBatch is that of the transaction.
func (t transaction) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.Tx.SendBatch(ctx, storableBatch(b))
}

func storableBatch(b *pgx.Batch) *pgx.Batch {
	for _, q := range b.QueuedQueries {
		q.Arguments = storableArgs(q.Arguments)
	}
	return b
}

// scanAll makes of each row of a query what scan makes of it.
func scanAll[T any](ctx context.Context, q queryer, scan func(pgx.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// column reads the only column of a query.
func column[T any](ctx context.Context, q queryer, query string, args ...any) ([]T, error) {
	return scanAll(ctx, q, func(rows pgx.Rows) (v T, err error) {
		err = rows.Scan(&v)
		return v, err
	}, query, args...)
}

// exists reports whether a query has a row.
func exists(ctx context.Context, q queryer, query string, args ...any) (bool, error) {
	var there bool
	err := q.QueryRow(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&there)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return there, err
}
