package sqlite

import (
	"cmp"
	"context"
	"database/sql"
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

// Groups are the hosts that answered the same; see [store.Views].
func (v views) Groups(ctx context.Context, run int64, visible store.Visible) ([]store.Group, error) {
	groups, err := v.groups(ctx, v.r, run)
	return store.GroupsFor(groups, visible), v.readFault(err)
}

// Compare are the hosts of two runs by their answers; see [store.Views].
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

func (v views) groups(ctx context.Context, q queryer, run int64) ([]store.Group, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	rows, err := q.QueryContext(unwatched(ctx), `
		SELECT outcome, started, attempts > 0, exit_code, signal, error_op, `+ownError+`, error_hint, output_hash,
			group_concat(position || ' ' || host, char(10))
		FROM results WHERE run_id = ? GROUP BY `+answerKey+` ORDER BY min(position)`, run)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var groups []store.Group
	for rows.Next() {
		var a answerRow
		var hosts string
		if err := rows.Scan(&a.outcome, &a.started, &a.attempts, &a.exitCode, &a.signal, &a.op, &a.message, &a.hint, &a.hash, &hosts); err != nil {
			return nil, err
		}
		answer, err := a.answer(v.cutOff(run))
		if err != nil {
			return nil, err
		}
		g := store.Group{Answer: answer}
		if g.Hosts, err = hostsInOrder(hosts); err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, rows.Err()
}

// hostsInOrder are the names in lines with a position and a name. They are in order as
// a rule, to which SQLite is not bound; to ask for it takes longer than all the rest.
func hostsInOrder(lines string) ([]string, error) {
	places := make([]store.HostPlace, 0, 1+strings.Count(lines, "\n"))
	for line := range strings.SplitSeq(lines, "\n") {
		position, host, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(position)
		if err != nil {
			return nil, err
		}
		places = append(places, store.HostPlace{Position: n, Host: host})
	}
	byPosition := func(a, b store.HostPlace) int { return cmp.Compare(a.Position, b.Position) }
	if !slices.IsSortedFunc(places, byPosition) {
		slices.SortFunc(places, byPosition)
	}
	hosts := make([]string, len(places))
	for i := range places {
		hosts[i] = places[i].Host
	}
	return hosts, nil
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
