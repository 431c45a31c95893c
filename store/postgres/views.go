package postgres

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tutti/store"
	"tutti/store/tables"
)

// views are the reads that pages are made of; see [store.Views].
type views struct {
	*handle
	history *History
}

var _ store.Views = views{}

func (v views) readFault(err error) error { return v.fault("read", err) }

// cutOff reports whether the hosts of the run that have no result will get none.
func (v views) cutOff(run int64) bool { return v.history.runs.dead[run] }

// ownError is the line about a failure without what is the host's own.
const ownError = `CASE WHEN error_detail IS NOT NULL AND right(error, length(error_detail) + 2) = ': ' || error_detail
	THEN left(error, -length(error_detail) - 2) ELSE error END`

// hostAnswers are the hosts of a run in one text, as [tables.GroupHosts] reads it.
const hostAnswers = `coalesce(string_agg(concat_ws(chr(31), position, host, coalesce(output_hash, ''), coalesce(outcome, ''), started, attempts > 0,
	coalesce(exit_code::text, ''), coalesce(replace(signal, chr(30), ''), ''), coalesce(error_op, ''), coalesce(error_hint, ''),
	replace(` + ownError + `, chr(30), '')), chr(30) ORDER BY position), '')`

// together runs f in a transaction that sees one state of the history.
func (v views) together(ctx context.Context, f func(q queryer) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, v.pool, options, func(tx pgx.Tx) error { return f(tx) })
}

// Groups returns the groups of hosts with the same answer; see [store.Views].
func (v views) Groups(ctx context.Context, run int64, visible store.Visible) ([]store.Group, error) {
	var groups []store.Group
	err := v.together(ctx, func(q queryer) (err error) {
		groups, err = v.groups(ctx, q, run)
		return err
	})
	return store.GroupsFor(groups, visible), v.readFault(err)
}

// Compare returns the hosts of two runs by their answers; see [store.Views].
func (v views) Compare(ctx context.Context, before, after int64, visible store.Visible) (changes []store.Change, err error) {
	err = v.together(ctx, func(q queryer) error {
		var groups [2][]store.Group
		for i, run := range []int64{before, after} {
			all, err := v.groups(ctx, q, run)
			if err != nil {
				return err
			}
			groups[i] = store.GroupsFor(all, visible)
		}
		changes = store.Changes(groups[0], groups[1])
		return nil
	})
	return changes, v.readFault(err)
}

// groups are in the order of their first hosts. What hosts have in common is read
// afterwards, of one in each group.
func (v views) groups(ctx context.Context, q queryer, run int64) ([]store.Group, error) {
	var text string
	if err := q.QueryRow(ctx, "SELECT "+hostAnswers+" FROM results WHERE run_id = $1", run).Scan(&text); err != nil || text == "" {
		return nil, err
	}
	groups, err := tables.GroupHosts(text)
	if err != nil {
		return nil, err
	}
	hostsAt := make(map[int]*store.Group, len(groups)) // by the position of the first
	for _, g := range groups {
		hostsAt[g.Positions[0]] = g
	}
	return scanAll(ctx, q, func(rows pgx.Rows) (store.Group, error) {
		var a tables.AnswerRow
		var first int
		err := rows.Scan(&first, &a.Outcome, &a.Started, &a.Attempts, &a.ExitCode, &a.Signal, &a.Op, &a.Message, &a.Hint, &a.Hash)
		if err != nil {
			return store.Group{}, err
		}
		g := hostsAt[first]
		g.Answer, err = a.Answer(v.cutOff(run))
		return *g, err
	}, `
		SELECT position, outcome, started, attempts, exit_code, signal, error_op, `+ownError+`, error_hint, output_hash
		FROM results WHERE run_id = $1 AND position = ANY($2::bigint[]) ORDER BY position`, run, slices.Collect(maps.Keys(hostsAt)))
}

// RunsPage are some of the runs that fit q; see [store.Views].
func (v views) RunsPage(ctx context.Context, q store.Query) (store.RunPage, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = store.DefaultPage
	}
	q.Limit = limit + 1
	runs, err := v.history.Runs(ctx, q)
	if err != nil {
		return store.RunPage{}, err
	}
	return store.PageOfRuns(runs, limit), nil
}

// Submitted is the run of a principal that ref names; see [store.Views].
func (v views) Submitted(ctx context.Context, ref, principal string) (store.Run, error) {
	back, ok := store.ParseLast(ref)
	if !ok {
		return v.history.Run(ctx, ref, "")
	}
	id, err := v.history.lastRun(ctx, ref, back, "principal = $2", principal)
	if err != nil {
		return store.Run{}, err
	}
	return v.history.runByID(ctx, id, ref)
}

// Counts are those of the visible hosts of runs; see [store.Views].
func (v views) Counts(ctx context.Context, runs []int64, visible store.Visible) (map[int64]store.HostCounts, error) {
	counts := make(map[int64]store.HostCounts)
	rows, err := v.pool.Query(ctx, "SELECT run_id, host, outcome, started FROM results WHERE run_id = ANY($1)", runs)
	if err != nil {
		return nil, v.readFault(err)
	}
	var run int64
	var host string
	var a tables.AnswerRow
	_, err = pgx.ForEachRow(rows, []any{&run, &host, &a.Outcome, &a.Started}, func() error {
		c := counts[run]
		defer func() { counts[run] = c }()
		if visible != nil && !visible(host) {
			c.Hidden++
			return nil
		}
		c.Hosts++
		phase, outcome, err := tables.HostPhase(a.Outcome, a.Started, 0, v.cutOff(run))
		if phase == store.HostEnded && err == nil {
			c.Outcomes[outcome]++
		}
		return err
	})
	maps.DeleteFunc(counts, func(_ int64, c store.HostCounts) bool { return c.Hosts == 0 })
	return counts, v.readFault(err)
}
