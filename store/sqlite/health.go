package sqlite

import (
	"context"
	"database/sql"

	"tutti/fanout"
	"tutti/store"
)

// HealthOf is what is known of whether hosts can be reached; see [store.Views].
func (v views) HealthOf(ctx context.Context, hosts []string) ([]store.HostHealth, error) {
	all, err := v.health(ctx, hosts)
	return all, v.readFault(err)
}

const (
	// reachedRow and failedRow are results that say whether a host could be reached.
	reachedRow = "(started OR outcome IN ('ok', 'failed'))"
	failedRow  = "(outcome = 'unreachable' AND error_op <> 'local')"
	// contactAt is when a result says it.
	contactAt = "coalesce(x.ended_at, x.started_at, (SELECT runs.started_at FROM runs WHERE runs.id = x.run_id))"
	// everyHost steps from name to name in the index, which may have very many rows for
	// each.
	everyHost = `WITH RECURSIVE h (value) AS (
		SELECT min(host) FROM results UNION ALL SELECT (SELECT min(host) FROM results WHERE host > h.value) FROM h WHERE h.value IS NOT NULL)`
	givenHosts = "WITH h (value) AS (SELECT value FROM json_each(?))"
	// newestResult is that of each host, and whether that reached it.
	newestResult = `
		SELECT h.value, x.run_id, ` + contactAt + `, ` + reachedRow + `
		FROM h LEFT JOIN results AS x INDEXED BY results_host ON x.host = h.value
			AND x.run_id = (SELECT max(run_id) FROM results WHERE host = h.value)
		WHERE h.value IS NOT NULL`
	// ofHost are the results of a host by an index that has them in the order of runs.
	ofHost = "FROM results AS x INDEXED BY results_host WHERE x.host = @host"
	// contactsOfHost are when a host was last reached, when that failed last after that,
	// and since when.
	contactsOfHost = `
		WITH r (run_id, at) AS MATERIALIZED (
				SELECT run_id, ` + contactAt + ` ` + ofHost + ` AND ` + reachedRow + ` ORDER BY run_id DESC LIMIT 1),
			f (run_id, at, op, error) AS MATERIALIZED (
				SELECT run_id, ` + contactAt + `, error_op, error ` + ofHost + ` AND run_id > coalesce((SELECT run_id FROM r), 0) AND ` + failedRow + `
				ORDER BY run_id DESC LIMIT 1)
		SELECT (SELECT run_id FROM r), (SELECT at FROM r), (SELECT run_id FROM f), (SELECT at FROM f), (SELECT op FROM f), (SELECT error FROM f),
			(SELECT ` + contactAt + ` ` + ofHost + ` AND run_id > coalesce((SELECT run_id FROM r), 0) AND ` + failedRow + ` ORDER BY run_id LIMIT 1)`
)

// health reads the newest result of each host at once, and more only of those that it
// did not reach.
func (v views) health(ctx context.Context, hosts []string) ([]store.HostHealth, error) {
	query, args := everyHost+newestResult, []any(nil)
	if hosts != nil {
		query, args = givenHosts+newestResult, []any{jsonList(hosts)}
	}
	all, err := v.newestResults(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	more, err := v.r.PrepareContext(ctx, contactsOfHost)
	if err != nil {
		return nil, err
	}
	defer func() { _ = more.Close() }() // it only reads
	for i := range all {
		if h := &all[i]; h.LastRun != 0 && h.Reached.Run == 0 {
			if err := contacts(ctx, more, h); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (v views) newestResults(ctx context.Context, query string, args ...any) ([]store.HostHealth, error) {
	rows, err := v.read(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var all []store.HostHealth
	for rows.Next() {
		var h store.HostHealth
		var run sql.NullInt64
		var reached sql.NullBool
		var at sql.NullString
		if err := rows.Scan(&h.Host, &run, &at, &reached); err != nil {
			return nil, err
		}
		if h.LastRun = run.Int64; reached.Bool {
			h.Reached.Run = run.Int64
			if h.Reached.At, err = parseTime(at); err != nil {
				return nil, err
			}
		}
		all = append(all, h)
	}
	return all, rows.Err()
}

// contacts looks up when a host was last reached, and since when it is not.
func contacts(ctx context.Context, query *sql.Stmt, h *store.HostHealth) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var reached, failed sql.NullInt64
	var reachedAt, failedAt, op, message, since sql.NullString
	row := query.QueryRowContext(unwatched(ctx), sql.Named("host", h.Host))
	if err := row.Scan(&reached, &reachedAt, &failed, &failedAt, &op, &message, &since); err != nil {
		return err
	}
	h.Reached.Run, h.Failed.Run = reached.Int64, failed.Int64
	h.Op, h.Error = fanout.Op(op.String), message.String
	return parseTimes(timeCell{&h.Reached.At, reachedAt}, timeCell{&h.Failed.At, failedAt}, timeCell{&h.Since, since})
}

// HostRuns are what became of a host in the newest runs; see [store.Views].
func (v views) HostRuns(ctx context.Context, host string, most int) ([]store.HostRun, error) {
	all, err := v.hostRuns(ctx, host, most)
	return all, v.readFault(err)
}

func (v views) hostRuns(ctx context.Context, host string, most int) ([]store.HostRun, error) {
	rows, err := v.read(ctx, `
		SELECT run_id, position, host, attempts, `+reportColumns+` FROM results INDEXED BY results_host
		WHERE host = ? ORDER BY run_id DESC LIMIT ?`, host, most)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var all []store.HostRun
	var ids []int64
	for rows.Next() {
		var run int64
		row, err := scanHostRow(rows, func() bool { return v.cutOff(run) }, &run)
		if err != nil {
			return nil, err
		}
		all, ids = append(all, store.HostRun{HostRow: row}), append(ids, run)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	runs, err := v.history.runs.runsByID(ctx, v.r, ids)
	if err != nil {
		return nil, err
	}
	var there []store.HostRun
	for i := range all {
		if run := runs[ids[i]]; run != nil { // or it was pruned meanwhile
			all[i].Run = *run
			there = append(there, all[i])
		}
	}
	return there, nil
}
