package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"tutti/fanout"
	"tutti/store"
)

// OutputRange returns a part of the output of a host; see [store.Views].
func (v views) OutputRange(ctx context.Context, q store.OutputQuery) (r store.OutputRange, err error) {
	p := pieces{views: v, run: q.Run, host: q.Host}
	ended, err := p.find(ctx, q.Attempt)
	if err != nil {
		return r, v.readFault(err)
	}
	r, err = store.ReadOutput(ctx, q, &p)
	r.Attempt, r.Ended = p.attempt, ended
	return r, v.readFault(err)
}

// SearchOutput searches the output of a host; see [store.Views].
func (v views) SearchOutput(ctx context.Context, q store.SearchQuery) (r store.SearchResult, err error) {
	p := pieces{views: v, run: q.Run, host: q.Host}
	if _, err := p.find(context.WithoutCancel(ctx), q.Attempt); err != nil {
		return r, v.readFault(err)
	}
	r, err = store.SearchPieces(ctx, q, &p)
	r.Attempt = p.attempt
	return r, v.readFault(err)
}

// pieces are what is recorded of an attempt.
type pieces struct {
	views
	run     int64
	host    string
	attempt int
}

var _ store.Pieces = (*pieces)(nil)

// find looks up which attempt is meant, 0 being the last, and reports whether it is
// over.
func (p *pieces) find(ctx context.Context, attempt int) (ended bool, err error) {
	var last int
	var between bool // two attempts
	row := p.r.QueryRowContext(unwatched(ctx), `
		SELECT attempts, outcome IS NOT NULL OR `+endedState+`, NOT started FROM results INDEXED BY results_host
		JOIN runs ON runs.id = run_id WHERE host = ? AND run_id = ?`, p.host, p.run)
	err = row.Scan(&last, &ended, &between)
	if errors.Is(err, sql.ErrNoRows) {
		err = &store.NoHostError{Run: p.run, Host: p.host}
	}
	if p.attempt = attempt; attempt == 0 {
		p.attempt = last
	}
	return ended || p.attempt < last || p.attempt == last && between && last > 0 || p.cutOff(p.run), err
}

// List is the pieces of streams; see [store.Pieces].
func (p *pieces) List(ctx context.Context, streams []fanout.Stream, offset int64) ([]store.Piece, error) {
	query := `SELECT seq, stream, start, iif(codec = 'omitted', data, 0) FROM output WHERE run_id = ? AND host = ? AND attempt = ?`
	args := []any{p.run, p.host, p.attempt}
	if len(streams) == 1 {
		query += " AND stream = ?"
		args = append(args, streams[0].String())
		if offset > 0 {
			query += ` AND seq >= coalesce((SELECT seq FROM output WHERE run_id = ? AND host = ? AND attempt = ? AND stream = ?
				AND start <= ? ORDER BY seq DESC LIMIT 1), 0)`
			args = append(append(args, args...), offset)
		}
	}
	rows, err := p.read(ctx, query+" ORDER BY seq", args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var list []store.Piece
	for rows.Next() {
		x := store.Piece{Start: -1}
		var stream string
		var start sql.NullInt64
		if err := rows.Scan(&x.Seq, &stream, &start, &x.Omitted); err != nil {
			return nil, err
		}
		if start.Valid {
			x.Start = start.Int64
		}
		if stream == fanout.Stderr.String() {
			x.Stream = fanout.Stderr
		}
		list = append(list, x)
	}
	return list, rows.Err()
}

// Data is the bytes of a piece; see [store.Pieces].
func (p *pieces) Data(ctx context.Context, seq int) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var codec string
	var kept any
	err := p.r.QueryRowContext(unwatched(ctx), "SELECT codec, data FROM output WHERE run_id = ? AND host = ? AND attempt = ? AND seq = ?",
		p.run, p.host, p.attempt, seq).Scan(&codec, &kept)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.PrunedError(p.run)
	}
	if err != nil {
		return nil, err
	}
	return store.DecodePiece(p.run, p.host, codec, kept)
}
