package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tutti/fanout"
	"tutti/store"
)

// views are the reads that pages are made of; see [store.Views].
type views struct {
	*fileHandle
	history *History
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

// answerKey tells answers apart in one text, by which SQLite groups in half the time.
const answerKey = `concat_ws(char(31), ifnull(output_hash, ''), ifnull(outcome, ''), started, attempts > 0, ifnull(exit_code, ''),
	ifnull(signal, ''), ifnull(error_op, ''), ifnull(error_hint, ''), ` + ownError + `)`

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

// groups are in the order of their first hosts. SQLite sorts all hosts for it, and what
// it need not carry along is read afterwards, of one host in each group.
func (v views) groups(ctx context.Context, q queryer, run int64) ([]store.Group, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	rows, err := q.QueryContext(unwatched(ctx), `
		SELECT min(position), group_concat(position || ' ' || host, char(10)) FROM results WHERE run_id = ? GROUP BY `+answerKey, run)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()   // rows.Err tells
	hostsAt := make(map[int]*store.Group) // by the position of the first
	for rows.Next() {
		var first int
		var lines string
		if err := rows.Scan(&first, &lines); err != nil {
			return nil, err
		}
		g := &store.Group{}
		if g.Hosts, g.Positions, err = hostsInOrder(lines); err != nil {
			return nil, err
		}
		hostsAt[first] = g
	}
	if err := rows.Err(); err != nil {
		return nil, err
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
		var a answerRow
		var first int
		if err := rows.Scan(&first, &a.outcome, &a.started, &a.attempts, &a.exitCode, &a.signal, &a.op, &a.message, &a.hint, &a.hash); err != nil {
			return nil, err
		}
		answer, err := a.answer(v.cutOff(run))
		if err != nil {
			return nil, err
		}
		g := hostsAt[first]
		g.Answer = answer
		groups = append(groups, *g)
	}
	return groups, rows.Err()
}

// hostsInOrder are the names and positions in lines with a position and a name. They are
// in order as a rule, to which SQLite is not bound; to ask for it takes longer than all
// the rest.
func hostsInOrder(lines string) (hosts []string, positions []int, err error) {
	count := 1 + strings.Count(lines, "\n")
	hosts, positions = make([]string, 0, count), make([]int, 0, count)
	for line := range strings.SplitSeq(lines, "\n") {
		position, host, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(position)
		if err != nil {
			return nil, nil, err
		}
		hosts, positions = append(hosts, host), append(positions, n)
	}
	if slices.IsSorted(positions) {
		return hosts, positions, nil
	}
	at := make(map[int]string, count)
	for i, position := range positions {
		at[position] = hosts[i]
	}
	slices.Sort(positions)
	for i, position := range positions {
		hosts[i] = at[position]
	}
	return hosts, positions, nil
}

// An answerRow is what hosts have in common.
type answerRow struct {
	outcome, signal, op, message, hint, hash sql.NullString
	started                                  bool
	attempts                                 int
	exitCode                                 sql.NullInt64
}

func (r *answerRow) answer(cutOff bool) (a store.Answer, err error) {
	a.Started = r.started
	a.Phase, a.Outcome, err = hostPhase(r.outcome, r.started, r.attempts, cutOff)
	if err != nil || !r.outcome.Valid {
		return a, err
	}
	a.ExitCode = exitCode(r.exitCode)
	a.Signal, a.Op, a.Error, a.Hint, a.OutputHash = r.signal.String, fanout.Op(r.op.String), r.message.String, r.hint.String, r.hash.String
	return a, nil
}

// hostPhase is the phase of a host and, if it has ended, its outcome. cutOff: it has
// ended even without one on record.
func hostPhase(outcome sql.NullString, started bool, attempts int, cutOff bool) (store.Phase, fanout.Outcome, error) {
	switch {
	case outcome.Valid:
		o, err := fanout.ParseOutcome(outcome.String)
		return store.HostEnded, o, err
	case cutOff:
		return store.HostEnded, store.CutOff(started), nil
	}
	return store.PhaseOf(false, started, attempts), 0, nil
}

// exitCode is nil for NULL.
func exitCode(n sql.NullInt64) *int {
	if !n.Valid {
		return nil
	}
	code := int(n.Int64)
	return &code
}
