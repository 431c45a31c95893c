package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	"tutti/fanout"
	"tutti/store"
)

// HealthOf returns the healths of hosts; see [store.Views].
func (v views) HealthOf(ctx context.Context, hosts []string) ([]store.HostHealth, error) {
	if hosts == nil {
		var err error
		if hosts, err = column[string](ctx, v.r, everyHost); err != nil {
			return nil, v.readFault(err)
		}
	}
	all, err := v.health(ctx, hosts, len(hosts) > fewHosts)
	if err == nil {
		err = v.addPulses(ctx, all)
	}
	return all, v.readFault(err)
}

// fewHosts is how many are looked up one by one.
const fewHosts = 200

const (
	// reachedRow and failedRow are results that say whether a host could be reached.
	reachedRow = "(started OR outcome IN ('ok', 'failed'))"
	failedRow  = "(outcome = 'unreachable' AND error_op <> 'local')"
	// contactAt is when a result says it.
	contactAt = "coalesce(x.ended_at, x.started_at, (SELECT runs.started_at FROM runs WHERE runs.id = x.run_id))"
	// everyHost steps from name to name in the index, which may have very many rows for
	// each.
	everyHost = `WITH RECURSIVE h (value) AS (
		SELECT min(host) FROM results UNION ALL SELECT (SELECT min(host) FROM results WHERE host > h.value) FROM h WHERE h.value IS NOT NULL)
		SELECT value FROM h WHERE value IS NOT NULL`
	// newestResult is that of each host, and whether that reached it.
	newestResult = `
		WITH h (value) AS (SELECT value FROM json_each(?))
		SELECT h.value, x.run_id, ` + contactAt + `, ` + reachedRow + `
		FROM h LEFT JOIN results AS x INDEXED BY results_host ON x.host = h.value
			AND x.run_id = (SELECT max(run_id) FROM results WHERE host = h.value)`
	// ofRun is a line for each host of a run: 1 if it was reached, when, and its name; or
	// 0 and its name. That is read in a tenth of the time that rows take.
	ofRun = `
		SELECT coalesce(group_concat(iif(` + reachedRow + `, '1' || ` + contactAt + `, '0') || x.host, char(10)), '')
		FROM results AS x WHERE x.run_id = ?`
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

// health reads the newest result of each host, and more only of those that it did not
// reach. many: there are so many hosts that most are in the newest runs.
func (v views) health(ctx context.Context, hosts []string, many bool) ([]store.HostHealth, error) {
	all, missing := make([]store.HostHealth, len(hosts)), make(map[string]*store.HostHealth, len(hosts))
	for i, host := range hosts {
		all[i].Host = host
		missing[host] = &all[i]
	}
	if many {
		if err := v.newestRuns(ctx, missing); err != nil {
			return nil, err
		}
	}
	if err := v.newestResults(ctx, missing); err != nil {
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

// newestRuns reads run after run, the newest first, and takes the hosts out of missing
// that were in one; until it has read more results than it has found hosts for.
func (v views) newestRuns(ctx context.Context, missing map[string]*store.HostHealth) error {
	wanted, before := len(missing), int64(math.MaxInt64)
	for read := 0; read < 2*wanted && len(missing) > 0; {
		var lines string
		err := v.r.QueryRowContext(unwatched(ctx), "SELECT id FROM runs WHERE id < ? ORDER BY id DESC LIMIT 1", before).Scan(&before)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = v.r.QueryRowContext(unwatched(ctx), ofRun, before).Scan(&lines)
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		read += 1 + strings.Count(lines, "\n")
		if err := takeOut(missing, before, lines); err != nil {
			return err
		}
	}
	return nil
}

// takeOut takes the hosts out of missing that are in the lines of a run.
func takeOut(missing map[string]*store.HostHealth, run int64, lines string) error {
	for line := range strings.SplitSeq(lines, "\n") {
		host, reached := strings.CutPrefix(line, "1")
		at := ""
		if reached && len(host) > len(fanout.TimeLayout) {
			at, host = host[:len(fanout.TimeLayout)], host[len(fanout.TimeLayout):]
		} else {
			host = strings.TrimPrefix(line, "0")
		}
		h := missing[host]
		if h == nil {
			continue
		}
		delete(missing, host)
		if h.LastRun = run; !reached {
			continue
		}
		var err error
		h.Reached.Run = run
		if h.Reached.At, err = parseTime(sql.NullString{String: at, Valid: true}); err != nil {
			return err
		}
	}
	return nil
}

// newestResults looks the newest result of each host up that is missing.
func (v views) newestResults(ctx context.Context, missing map[string]*store.HostHealth) error {
	if len(missing) == 0 {
		return nil
	}
	rows, err := v.read(ctx, newestResult, jsonList(slices.Collect(maps.Keys(missing))))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var host string
		var run sql.NullInt64
		var reached sql.NullBool
		var at sql.NullString
		if err := rows.Scan(&host, &run, &at, &reached); err != nil {
			return err
		}
		h := missing[host]
		if h == nil {
			continue // a name that JSON cannot hold, which no host has
		}
		if h.LastRun = run.Int64; reached.Bool {
			h.Reached.Run = run.Int64
			if h.Reached.At, err = parseTime(at); err != nil {
				return err
			}
		}
	}
	return rows.Err()
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

// HostRuns returns the results of a host in its newest runs; see [store.Views].
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
	runs, err := v.history.runs.runsByID(ctx, v.r, ids, refuseRun)
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
