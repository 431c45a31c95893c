package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// ResultsPage are some hosts of a run; see [store.Views].
func (v views) ResultsPage(ctx context.Context, q store.ResultQuery) (page store.ResultPage, err error) {
	page, err = store.PageOfHosts(q, func(q *store.ResultQuery, limit int) ([]store.HostRow, error) { return v.hostRows(ctx, q, limit) })
	return page, v.readFault(err)
}

// hostRows are the first hosts that fit q, seen or not.
func (v views) hostRows(ctx context.Context, q *store.ResultQuery, limit int) ([]store.HostRow, error) {
	c := v.whereHosts(q)
	where, args := c.clause(" ORDER BY position LIMIT ?", limit)
	return tables.All(ctx, on(v.pool), func(rows tables.Rows) (store.HostRow, error) {
		return tables.ScanHostRow(rows, func() bool { return v.cutOff(q.Run) })
	}, "SELECT position, host, attempts, "+tables.ReportColumns+" FROM results"+where, args...)
}

func (v views) whereHosts(q *store.ResultQuery) (c conditions) {
	c.add("run_id = ?", q.Run)
	c.add("position >= ?", q.From)
	if q.Phases != nil || q.Outcomes != nil {
		phase, outcome := phaseColumn, "outcome"
		if v.cutOff(q.Run) {
			phase, outcome = "'ended'", "coalesce(outcome, CASE WHEN started THEN 'lost' ELSE 'skipped' END)"
		}
		c.add("("+phase+" = ANY(?) OR "+outcome+" = ANY(?))", words(q.Phases), outcomeNames(q.Outcomes))
	}
	if q.Hosts != nil {
		c.add("host = ANY(?)", q.Hosts)
	}
	if q.Name != "" {
		c.add("strpos(host, ?) > 0", q.Name)
	}
	if q.Started != nil {
		c.add("started = ?", *q.Started)
	}
	return c
}

// phaseColumn is the word of store.PhaseOf.
const phaseColumn = `CASE WHEN outcome IS NOT NULL THEN 'ended' WHEN started THEN 'running' WHEN attempts > 0 THEN 'retrying' ELSE 'waiting' END`

// Attempts are the earlier ones of a host; see [store.Views].
func (v views) Attempts(ctx context.Context, run int64, host string) ([]store.RecordedAttempt, error) {
	var position int
	err := v.pool.QueryRow(ctx, "SELECT position FROM hosts WHERE host = $1 AND run_id = $2", host, run).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		err = &store.NoHostError{Run: run, Host: host}
	}
	if err != nil {
		return nil, v.readFault(err)
	}
	hosts, err := (&pages{handle: v.handle, run: run}).Hosts(ctx, []int{position})
	if err != nil || hosts[position] == nil {
		return nil, v.readFault(err)
	}
	return hosts[position].Earlier, nil
}

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

// find looks up which attempt is meant, 0 being the last, and reports whether it is over.
func (p *pieces) find(ctx context.Context, attempt int) (ended bool, err error) {
	var last int
	var between bool // two attempts
	err = p.pool.QueryRow(ctx, `
		SELECT attempts, outcome IS NOT NULL OR `+endedState+`, NOT started FROM results
		JOIN runs ON runs.id = run_id WHERE host = $1 AND run_id = $2`, p.host, p.run).Scan(&last, &ended, &between)
	if errors.Is(err, pgx.ErrNoRows) {
		err = &store.NoHostError{Run: p.run, Host: p.host}
	}
	if p.attempt = attempt; attempt == 0 {
		p.attempt = last
	}
	return ended || p.attempt < last || p.attempt == last && between && last > 0 || p.cutOff(p.run), err
}

// List is the pieces of streams; see [store.Pieces].
func (p *pieces) List(ctx context.Context, streams []fanout.Stream, offset int64) ([]store.Piece, error) {
	query := `SELECT seq, stream, start, CASE WHEN codec = 'omitted' THEN size ELSE 0 END FROM output
		WHERE run_id = $1 AND host = $2 AND attempt = $3`
	args := []any{p.run, p.host, p.attempt}
	if len(streams) == 1 {
		query += " AND stream = $4"
		args = append(args, streams[0].String())
		if offset > 0 {
			query += ` AND seq >= coalesce((SELECT seq FROM output WHERE run_id = $1 AND host = $2 AND attempt = $3 AND stream = $4
				AND start <= $5 ORDER BY seq DESC LIMIT 1), 0)`
			args = append(args, offset)
		}
	}
	return scanAll(ctx, p.pool, func(rows pgx.Rows) (x store.Piece, err error) {
		var stream string
		err = rows.Scan(&x.Seq, &stream, &x.Start, &x.Omitted)
		if stream == fanout.Stderr.String() {
			x.Stream = fanout.Stderr
		}
		return x, err
	}, query+" ORDER BY seq", args...)
}

// Data is the bytes of a piece; see [store.Pieces].
func (p *pieces) Data(ctx context.Context, seq int) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var codec string
	var kept []byte
	var size int64
	err := p.pool.QueryRow(context.WithoutCancel(ctx), "SELECT codec, data, size FROM output WHERE run_id = $1 AND host = $2 AND attempt = $3 AND seq = $4",
		p.run, p.host, p.attempt, seq).Scan(&codec, &kept, &size)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, store.PrunedError(p.run)
	}
	if err != nil {
		return nil, err
	}
	return store.DecodePiece(p.run, p.host, codec, keptData(kept, size))
}
