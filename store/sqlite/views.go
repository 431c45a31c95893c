package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"

	"tutti/store"
	"tutti/store/tables"
)

// views are the reads that pages are made of; see [store.Views].
type views struct {
	*fileHandle
	history *History
	ended   *endedContacts
}

var _ store.Views = views{}

// read is a query of bounded length: to watch for the end of ctx takes longer than to
// read what it returns.
func (v views) read(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	return v.r.QueryContext(unwatched(ctx), query, args...)
}

func (v views) readFault(err error) error { return v.fault("read", err) }

// cutOff reports whether the hosts of the run that have no result will get none.
func (v views) cutOff(run int64) bool { return v.history.runs.dead[run] }

// ownError is the line about a failure without what is the host's own.
const ownError = `CASE WHEN error_detail IS NOT NULL AND substr(error, -length(error_detail) - 2) = ': ' || error_detail
	THEN substr(error, 1, length(error) - length(error_detail) - 2) ELSE error END`

// hostAnswers are the hosts of a run in one text: positions, names, and what tells their
// answers apart. To read it takes half the time that SQLite takes to group the rows.
const hostAnswers = `group_concat(concat_ws(char(31), position, host, ifnull(output_hash, ''), ifnull(outcome, ''), started, attempts > 0,
	ifnull(exit_code, ''), ifnull(replace(signal, char(30), ''), ''), ifnull(error_op, ''), ifnull(error_hint, ''),
	replace(` + ownError + `, char(30), '')), char(30))`

// Groups returns the groups of hosts with the same answer; see [store.Views].
func (v views) Groups(ctx context.Context, run int64, visible store.Visible) ([]store.Group, error) {
	var groups []store.Group
	err := v.readTogether(ctx, func(q queryer) (err error) {
		groups, err = v.groups(ctx, q, run)
		return err
	})
	return store.GroupsFor(groups, visible), v.readFault(err)
}

// Compare returns the hosts of two runs by their answers; see [store.Views].
func (v views) Compare(ctx context.Context, before, after int64, visible store.Visible) (changes []store.Change, err error) {
	err = v.readTogether(ctx, func(q queryer) error {
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
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	var text sql.NullString
	err := q.QueryRowContext(unwatched(ctx), "SELECT "+hostAnswers+" FROM results WHERE run_id = ?", run).Scan(&text)
	if err != nil || !text.Valid {
		return nil, err
	}
	groups, err := tables.GroupHosts(text.String)
	if err != nil {
		return nil, err
	}
	hostsAt := make(map[int]*store.Group, len(groups)) // by the position of the first
	for _, g := range groups {
		hostsAt[g.Positions[0]] = g
	}
	return v.answers(ctx, q, run, hostsAt)
}

// answers adds to hosts what they have in common: that of the first.
func (v views) answers(ctx context.Context, q queryer, run int64, hostsAt map[int]*store.Group) ([]store.Group, error) {
	positions, err := json.Marshal(slices.Collect(maps.Keys(hostsAt)))
	if err != nil {
		return nil, err
	}
	rows, err := q.QueryContext(unwatched(ctx), `
		SELECT position, outcome, started, attempts, exit_code, signal, error_op, `+ownError+`, error_hint, output_hash
		FROM results WHERE run_id = ? AND position IN `+inPlaces+` ORDER BY position`, run, string(positions))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var groups []store.Group
	for rows.Next() {
		var a tables.AnswerRow
		var first int
		if err := rows.Scan(&first, &a.Outcome, &a.Started, &a.Attempts, &a.ExitCode, &a.Signal, &a.Op, &a.Message, &a.Hint, &a.Hash); err != nil {
			return nil, err
		}
		answer, err := a.Answer(v.cutOff(run))
		if err != nil {
			return nil, err
		}
		g := hostsAt[first]
		g.Answer = answer
		groups = append(groups, *g)
	}
	return groups, rows.Err()
}
