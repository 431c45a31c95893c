package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

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
	where, args := v.whereHosts(q)
	rows, err := v.read(ctx, "SELECT position, host, attempts, "+tables.ReportColumns+" FROM "+resultsOf(q.Hosts)+" WHERE "+where+" ORDER BY position LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var hosts []store.HostRow
	for rows.Next() {
		h, err := tables.ScanHostRow(rows, func() bool { return v.cutOff(q.Run) })
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, rows.Err()
}

// resultsOf is the table of hosts of which some are chosen by name; nil: they are not.
// SQLite prefers to look at all hosts of a run.
func resultsOf(hosts []string) string {
	const fewHosts = 256
	if hosts != nil && len(hosts) <= fewHosts {
		return "results INDEXED BY results_host"
	}
	return "results"
}

func (v views) whereHosts(q *store.ResultQuery) (where string, args []any) {
	where, args = "run_id = ? AND position >= ?", []any{q.Run, q.From}
	add := func(cond string, values ...any) {
		where += " AND " + cond
		args = append(args, values...)
	}
	if q.Phases != nil || q.Outcomes != nil {
		phases := make([]string, len(q.Phases))
		for i, s := range q.Phases {
			phases[i] = string(s)
		}
		outcomes := make([]string, len(q.Outcomes))
		for i, o := range q.Outcomes {
			outcomes[i] = o.String()
		}
		phase, outcome := phaseColumn, "outcome"
		if v.cutOff(q.Run) {
			phase, outcome = "'ended'", "coalesce(outcome, iif(started, 'lost', 'skipped'))"
		}
		add("("+phase+" IN "+inPlaces+" OR "+outcome+" IN "+inPlaces+")", jsonList(phases), jsonList(outcomes))
	}
	if q.Hosts != nil {
		add("host IN "+inPlaces, jsonList(q.Hosts))
	}
	if q.Name != "" {
		add("instr(host, ?) > 0", q.Name)
	}
	if q.Started != nil {
		add("started = ?", *q.Started)
	}
	return where, args
}

// phaseColumn is the word of store.PhaseOf.
const phaseColumn = `CASE WHEN outcome IS NOT NULL THEN 'ended' WHEN started THEN 'running' WHEN attempts > 0 THEN 'retrying' ELSE 'waiting' END`

// Attempts are the earlier ones of a host; see [store.Views].
func (v views) Attempts(ctx context.Context, run int64, host string) ([]store.RecordedAttempt, error) {
	position, _, err := v.lastAttempt(ctx, run, host)
	if err != nil {
		return nil, v.readFault(err)
	}
	hosts := map[int]*store.RecordedHost{position: {}}
	p := &pages{fileHandle: v.fileHandle, run: run}
	err = p.readAttempts(unwatched(ctx), "["+strconv.Itoa(position)+"]", hosts)
	return hosts[position].Earlier, v.readFault(err)
}

// lastAttempt is the place of a host in a run, and the number of its last attempt. It
// is a *NoHostError if it had no part in the run.
func (v views) lastAttempt(ctx context.Context, run int64, host string) (position, attempt int, err error) {
	err = v.r.QueryRowContext(unwatched(ctx), "SELECT position, attempts FROM results INDEXED BY results_host WHERE host = ? AND run_id = ?", host, run).
		Scan(&position, &attempt)
	if errors.Is(err, sql.ErrNoRows) {
		err = &store.NoHostError{Run: run, Host: host}
	}
	return position, attempt, err
}
