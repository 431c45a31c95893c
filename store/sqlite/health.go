package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"math"
	"slices"
	"strings"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// HealthOf returns the healths of hosts; see [store.Views].
func (v views) HealthOf(ctx context.Context, hosts []string) ([]store.HostHealth, error) {
	if hosts == nil {
		lines, err := linesOf(ctx, v.r, everyHost)
		if err != nil {
			return nil, v.readFault(err)
		}
		hosts = slices.Collect(lines)
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
	// contactAt is when a result says it; contactOfR and contactOfF are those of r and f.
	contactAt  = "coalesce(x.ended_at, x.started_at, (SELECT runs.started_at FROM runs WHERE runs.id = x.run_id))"
	contactOfR = "coalesce(r.ended_at, r.started_at, (SELECT runs.started_at FROM runs WHERE runs.id = r.run_id))"
	contactOfF = "coalesce(f.ended_at, f.started_at, (SELECT runs.started_at FROM runs WHERE runs.id = f.run_id))"
	// everyHost steps from name to name in the index, which may have very many rows for
	// each; it is a line for each name.
	everyHost = `WITH RECURSIVE h (value) AS (
		SELECT min(host) FROM results UNION ALL SELECT (SELECT min(host) FROM results WHERE host > h.value) FROM h WHERE h.value IS NOT NULL)
		SELECT coalesce(group_concat(value, char(10)), '') FROM h`
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
	ofHost = "FROM results AS x INDEXED BY results_host WHERE x.host = h.value"
	// contactsOfHosts are when each host was last reached, when that failed last after that,
	// and since when.
	contactsOfHosts = `
		WITH h (value) AS (SELECT value FROM json_each(?))
		SELECT h.value, r.run_id, ` + contactOfR + `, f.run_id, ` + contactOfF + `, f.error_op, f.error,
			(SELECT ` + contactAt + ` ` + ofHost + ` AND x.run_id > coalesce(r.run_id, 0) AND ` + failedRow + ` ORDER BY x.run_id LIMIT 1)
		FROM h
		LEFT JOIN results AS r INDEXED BY results_host ON r.host = h.value
			AND r.run_id = (SELECT x.run_id ` + ofHost + ` AND ` + reachedRow + ` ORDER BY x.run_id DESC LIMIT 1)
		LEFT JOIN results AS f INDEXED BY results_host ON f.host = h.value
			AND f.run_id = (SELECT x.run_id ` + ofHost + ` AND x.run_id > coalesce(r.run_id, 0) AND ` + failedRow + ` ORDER BY x.run_id DESC LIMIT 1)`
)

// health reads the newest result of each host, and more only of those that it did not
// reach. many: there are so many hosts that most are in the newest runs.
func (v views) health(ctx context.Context, hosts []string, many bool) ([]store.HostHealth, error) {
	all, byName := make([]store.HostHealth, len(hosts)), make(healths, len(hosts))
	for i, host := range hosts {
		all[i].Host = host
		byName[host] = &all[i]
	}
	if many {
		if err := v.newestRuns(ctx, byName); err != nil {
			return nil, err
		}
	}
	if err := byName.newestResults(ctx, v); err != nil {
		return nil, err
	}
	return all, byName.contacts(ctx, v)
}

// healths are those of hosts, by name. One whose newest run is not known has no LastRun.
type healths map[string]*store.HostHealth

// names are the hosts that are as which says.
func (h healths) names(which func(*store.HostHealth) bool) (names []string) {
	for name, x := range h {
		if which(x) {
			names = append(names, name)
		}
	}
	return names
}

// newestRuns reads run after run, the newest first, for the hosts that were in one; until
// it has read more results than it has found hosts for.
func (v views) newestRuns(ctx context.Context, hosts healths) error {
	left, before := len(hosts), int64(math.MaxInt64)
	for read := 0; read < 2*len(hosts) && left > 0; {
		// The state is read first: of a run that has ended nothing changes after that.
		var state store.State
		err := v.r.QueryRowContext(unwatched(ctx), "SELECT id, state FROM runs WHERE id < ? ORDER BY id DESC LIMIT 1", before).Scan(&before, &state)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		contacts, err := v.ended.read(ctx, v.r, before, state)
		if err != nil {
			return err
		}
		read += 1 + len(contacts)
		left -= hosts.take(before, contacts)
	}
	return nil
}

// linesOf are those of a query whose only row is one text. It is read at once, in a fraction
// of the time that rows take.
func linesOf(ctx context.Context, q queryer, query string, args ...any) (iter.Seq[string], error) {
	var text string
	if err := q.QueryRowContext(unwatched(ctx), query, args...).Scan(&text); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if text == "" {
		return func(func(string) bool) {}, nil
	}
	return strings.SplitSeq(text, "\n"), nil
}

// take notes what a run says of the hosts of which no newer run is known, and returns how
// many it says something of.
func (h healths) take(run int64, contacts []contact) (found int) {
	for i := range contacts {
		c := &contacts[i]
		x := h[c.host]
		if x == nil || x.LastRun != 0 {
			continue
		}
		found++
		if x.LastRun = run; c.reached {
			x.Reached.Run, x.Reached.At = run, c.at
		}
	}
	return found
}

// newestResults looks up the newest result of each host of which it is not known.
func (h healths) newestResults(ctx context.Context, v views) error {
	names := h.names(func(x *store.HostHealth) bool { return x.LastRun == 0 })
	if len(names) == 0 {
		return nil
	}
	rows, err := v.read(ctx, newestResult, jsonList(names))
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
		x := h[host]
		if x == nil {
			continue // a name that JSON cannot hold, which no host has
		}
		if x.LastRun = run.Int64; reached.Bool {
			x.Reached.Run = run.Int64
			if x.Reached.At, err = parseTime(at); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

// contacts looks up when the hosts that the newest run did not reach were last reached, and
// since when they are not.
func (h healths) contacts(ctx context.Context, v views) error {
	names := h.names(func(x *store.HostHealth) bool { return x.LastRun != 0 && x.Reached.Run == 0 })
	if len(names) == 0 {
		return nil
	}
	rows, err := v.read(ctx, contactsOfHosts, jsonList(names))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var host string
		var reached, failed sql.NullInt64
		var reachedAt, failedAt, op, message, since sql.NullString
		if err := rows.Scan(&host, &reached, &reachedAt, &failed, &failedAt, &op, &message, &since); err != nil {
			return err
		}
		x := h[host]
		if x == nil {
			continue // as above
		}
		x.Reached.Run, x.Failed.Run = reached.Int64, failed.Int64
		x.Op, x.Error = fanout.Op(op.String), message.String
		if err := parseTimes(timeCell(&x.Reached.At, reachedAt), timeCell(&x.Failed.At, failedAt), timeCell(&x.Since, since)); err != nil {
			return err
		}
	}
	return rows.Err()
}

// HostRuns returns the results of a host in its newest runs; see [store.Views].
func (v views) HostRuns(ctx context.Context, host string, most int) ([]store.HostRun, error) {
	all, err := v.hostRuns(ctx, host, most)
	return all, v.readFault(err)
}

func (v views) hostRuns(ctx context.Context, host string, most int) ([]store.HostRun, error) {
	rows, err := v.read(ctx, `
		SELECT run_id, position, host, attempts, `+tables.ReportColumns+` FROM results INDEXED BY results_host
		WHERE host = ? ORDER BY run_id DESC LIMIT ?`, host, most)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var all []store.HostRun
	var ids []int64
	for rows.Next() {
		var run int64
		row, err := tables.ScanHostRow(rows, func() bool { return v.cutOff(run) }, &run)
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
