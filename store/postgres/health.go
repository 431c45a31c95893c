package postgres

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

const (
	// reachedRow and failedRow are results that say whether a host could be reached.
	reachedRow = "(x.started OR x.outcome IN ('ok', 'failed'))"
	failedRow  = "(x.outcome = 'unreachable' AND x.error_op <> 'local')"
	// contactAt is when a result says it.
	contactAt = "coalesce(x.ended_at, x.started_at, (SELECT runs.started_at FROM runs WHERE runs.id = x.run_id))"
	// newestResult is that of each host, and whether that reached it.
	newestResult = `
		SELECT h.value, x.run_id, x.at, coalesce(x.reached, false) FROM unnest($1::text[]) AS h (value)
		LEFT JOIN LATERAL (
			SELECT run_id, ` + contactAt + ` AS at, ` + reachedRow + ` AS reached
			FROM results AS x WHERE x.host = h.value ORDER BY x.run_id DESC LIMIT 1) AS x ON true`
	// contactsOfHosts are when each host was last reached, when that failed last after
	// that, and since when.
	contactsOfHosts = `
		SELECT h.value, r.run_id, r.at, f.run_id, f.at, f.error_op, f.error, s.at FROM unnest($1::text[]) AS h (value)
		LEFT JOIN LATERAL (
			SELECT run_id, ` + contactAt + ` AS at
			FROM results AS x WHERE x.host = h.value AND ` + reachedRow + ` ORDER BY x.run_id DESC LIMIT 1) AS r ON true
		LEFT JOIN LATERAL (
			SELECT run_id, error_op, error, ` + contactAt + ` AS at
			FROM results AS x WHERE x.host = h.value AND x.run_id > coalesce(r.run_id, 0) AND ` + failedRow + ` ORDER BY x.run_id DESC LIMIT 1) AS f ON true
		LEFT JOIN LATERAL (
			SELECT ` + contactAt + ` AS at
			FROM results AS x WHERE x.host = h.value AND x.run_id > coalesce(r.run_id, 0) AND ` + failedRow + ` ORDER BY x.run_id LIMIT 1) AS s ON true`
)

// HealthOf returns the healths of hosts; see [store.Views].
func (v views) HealthOf(ctx context.Context, hosts []string) ([]store.HostHealth, error) {
	all, err := v.health(ctx, hosts)
	return all, v.readFault(err)
}

// health reads the newest result of each host, and more only of those that it did not
// reach.
func (v views) health(ctx context.Context, hosts []string) (_ []store.HostHealth, err error) {
	if hosts == nil {
		if hosts, err = column[string](ctx, v.pool, everyHost); err != nil {
			return nil, err
		}
	}
	all, byName := make([]store.HostHealth, len(hosts)), make(healths, len(hosts))
	for i, host := range hosts {
		all[i].Host = host
		byName[storable(host)] = &all[i]
	}
	if err := eachOf(ctx, v.pool, byName.newest, newestResult, hosts); err != nil {
		return nil, err
	}
	var lost []string
	for name, x := range byName {
		if x.LastRun != 0 && x.Reached.Run == 0 {
			lost = append(lost, name)
		}
	}
	if lost != nil {
		if err := eachOf(ctx, v.pool, byName.contacts, contactsOfHosts, lost); err != nil {
			return nil, err
		}
	}
	pulses, err := tables.All(ctx, on(v.pool), tables.ScanPulse, "SELECT "+tables.PulseColumns+" FROM heartbeats WHERE host = ANY($1)", hosts)
	for i := range pulses {
		if h := byName[pulses[i].Last.Host]; h != nil {
			h.Feel(&pulses[i])
		}
	}
	return all, err
}

// eachOf calls take for each row of a query.
func eachOf(ctx context.Context, q queryer, take func(pgx.Rows) error, query string, args ...any) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return eachRow(take)(rows)
}

// healths are those of hosts, by name.
type healths map[string]*store.HostHealth

// newest takes a row of newestResult.
func (h healths) newest(rows pgx.Rows) (err error) {
	var host string
	var run sql.NullInt64
	var at sql.NullString
	var reached bool
	if err := rows.Scan(&host, &run, &at, &reached); err != nil {
		return err
	}
	x := h[host]
	if x.LastRun = run.Int64; reached {
		x.Reached.Run = run.Int64
		x.Reached.At, err = parseTime(at)
	}
	return err
}

// contacts takes a row of contactsOfHosts.
func (h healths) contacts(rows pgx.Rows) error {
	var host string
	var reached, failed sql.NullInt64
	var reachedAt, failedAt, op, message, since sql.NullString
	if err := rows.Scan(&host, &reached, &reachedAt, &failed, &failedAt, &op, &message, &since); err != nil {
		return err
	}
	x := h[host]
	x.Reached.Run, x.Failed.Run = reached.Int64, failed.Int64
	x.Op, x.Error = fanout.Op(op.String), message.String
	return parseTimes(timeCell{To: &x.Reached.At, From: reachedAt}, timeCell{To: &x.Failed.At, From: failedAt}, timeCell{To: &x.Since, From: since})
}

// HostRuns returns the results of a host in its newest runs; see [store.Views].
func (v views) HostRuns(ctx context.Context, host string, most int) ([]store.HostRun, error) {
	all, err := v.hostRuns(ctx, host, most)
	return all, v.readFault(err)
}

func (v views) hostRuns(ctx context.Context, host string, most int) ([]store.HostRun, error) {
	var ids []int64
	rows, err := tables.All(ctx, on(v.pool), func(rows tables.Rows) (store.HostRow, error) {
		var run int64
		row, err := tables.ScanHostRow(rows, func() bool { return v.cutOff(run) }, &run)
		ids = append(ids, run)
		return row, err
	}, "SELECT run_id, position, host, attempts, "+tables.ReportColumns+" FROM results WHERE host = $1 ORDER BY run_id DESC LIMIT $2", host, most)
	if err != nil {
		return nil, err
	}
	runs, err := v.history.runs.runsByID(ctx, v.pool, ids, refuseRun)
	if err != nil {
		return nil, err
	}
	var there []store.HostRun
	for i := range rows {
		if run := runs[ids[i]]; run != nil { // or it was pruned meanwhile
			there = append(there, store.HostRun{HostRow: rows[i], Run: *run})
		}
	}
	return there, nil
}
