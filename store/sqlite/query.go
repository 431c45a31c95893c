package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// A runReader reads runs, and their ends for the ledger.
type runReader struct {
	// dead are the runs in state running whose process died, in a history that could
	// not be repaired. It does not change after Open.
	dead map[int64]bool
}

// Runs returns the runs that fit q, newest first.
func (h *History) Runs(ctx context.Context, q store.Query) ([]store.Run, error) {
	where, args := whereRuns(q)
	query := "SELECT " + tables.RunColumns + " FROM runs" + where + " ORDER BY id DESC"
	if q.Limit > 0 {
		query += " LIMIT " + strconv.Itoa(q.Limit)
	}
	runs, err := h.runs.selectRuns(ctx, h.r, refuseRun, query, args...)
	return runs, h.fault("read", err)
}

func whereRuns(q store.Query) (string, []any) {
	var conds []string
	var args []any
	add := func(cond string, values ...any) {
		conds = append(conds, cond)
		args = append(args, values...)
	}
	hosts := q.Hosts
	if q.Host != "" {
		hosts = []string{q.Host}
	}
	const ofHosts = "EXISTS (SELECT 1 FROM json_each(?) h CROSS JOIN results r ON r.host = h.value AND r.run_id = runs.id"
	switch {
	case hosts != nil && q.Outcomes != nil:
		add(ofHosts+" WHERE r.outcome IN ("+placeholders(len(q.Outcomes))+"))", append([]any{jsonList(hosts)}, outcomeArgs(q.Outcomes)...)...)
	case hosts != nil:
		add(ofHosts+")", jsonList(hosts))
	case q.Outcomes != nil:
		counts := []string{"0"}
		for _, o := range q.Outcomes {
			counts = append(counts, o.String())
		}
		add("(" + strings.Join(counts, " + ") + ") > 0")
	}
	if q.Running {
		add("state = 'running'")
	}
	if !q.Since.IsZero() {
		add("started_at >= ?", timeText(q.Since))
	}
	whereMore(&q, add)
	for _, w := range q.Words {
		add("(instr(command, ?) > 0 OR instr(coalesce(note, ''), ?) > 0)", w, w)
	}
	if q.Source != "" {
		add("source = ?", q.Source)
	}
	if q.User != "" {
		add("user = ?", q.User)
	}
	if conds == nil {
		return "", nil
	}
	return " WHERE " + strings.Join(conds, " AND "), args
}

// whereMore adds the conditions that only pages use.
func whereMore(q *store.Query, add func(cond string, values ...any)) {
	if !q.Until.IsZero() {
		add("started_at < ?", timeText(q.Until))
	}
	if q.Before > 0 {
		add("id < ?", q.Before)
	}
	if q.States != nil {
		states := make([]string, len(q.States))
		for i, s := range q.States {
			states[i] = string(s)
		}
		add("state IN "+inPlaces, jsonList(states))
	}
	for _, x := range []struct{ column, value string }{{"job", q.Job}, {"selector", q.Selector}} {
		if x.value != "" {
			add(x.column+" = ?", x.value)
		}
	}
	if q.Note != "" {
		add("instr(note, ?) > 0", q.Note)
	}
	if q.RerunOf > 0 {
		add("rerun_of = ?", q.RerunOf)
	}
}

// jsonList is words as json_each reads them.
func jsonList(words []string) string {
	list, _ := json.Marshal(words) // strings always are JSON
	return string(list)
}

// HostNames returns the names of all hosts in any run.
func (h *History) HostNames(ctx context.Context) ([]string, error) {
	names, err := column[string](ctx, h.r, "SELECT DISTINCT host FROM results ORDER BY host")
	return names, h.fault("read", err)
}

func outcomeArgs(outcomes []fanout.Outcome) []any {
	args := make([]any, len(outcomes))
	for i, o := range outcomes {
		args[i] = o.String()
	}
	return args
}

// Run returns the run that ref names; see [store.History].
func (h *History) Run(ctx context.Context, ref, user string) (store.Run, error) {
	id, err := h.runID(ctx, ref, user)
	if err != nil {
		return store.Run{}, err
	}
	return h.runByID(ctx, id, ref)
}

func (h *History) runByID(ctx context.Context, id int64, ref string) (store.Run, error) {
	runs, err := h.runs.selectRuns(ctx, h.r, refuseRun, "SELECT "+tables.RunColumns+" FROM runs WHERE id = ?", id)
	if err != nil {
		return store.Run{}, h.fault("read", err)
	}
	if len(runs) == 0 {
		return store.Run{}, h.fault("read", noRun(ctx, h.r, ref))
	}
	return runs[0], nil
}

// endedState selects runs that have ended, in the words of the indexes runs_last and
// runs_principal.
const endedState = "state IN ('finished', 'interrupted')"

// ended is endedState, for a history that could not be repaired with its interrupted runs.
func (r *runReader) ended() string {
	var dead []string
	for id, gone := range r.dead {
		if gone {
			dead = append(dead, strconv.FormatInt(id, 10))
		}
	}
	if dead == nil {
		return endedState
	}
	return "(" + endedState + " OR id IN (" + strings.Join(dead, ", ") + "))"
}

// runID is the number that ref stands for; such a run may not exist.
func (h *History) runID(ctx context.Context, ref, user string) (int64, error) {
	back, ok := store.ParseLast(ref)
	if !ok {
		return store.ParseNumber(ref)
	}
	if user == "" {
		return lastRun(ctx, h, ref, back, "by_hand = 1")
	}
	return lastRun(ctx, h, ref, back, ofUser, user)
}

// What the last run has to meet, in the words of the indexes.
const (
	ofUser      = "by_hand = 1 AND user = ?"
	ofPrincipal = "principal = ?"
)

// lastQuery is the query of lastRun.
func (r *runReader) lastQuery(cond string) string {
	return "SELECT id FROM runs WHERE " + r.ended() + " AND " + cond + " ORDER BY id DESC LIMIT 1 OFFSET ?"
}

// lastRun is the number of the newest run that has ended, or so many before it, of those
// that meet a condition; ref is what it was called.
func lastRun(ctx context.Context, h *History, ref string, back int64, cond string, args ...any) (id int64, err error) {
	err = h.r.QueryRowContext(ctx, h.runs.lastQuery(cond), append(args, back)...).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, h.fault("read", noRun(ctx, h.r, ref))
	}
	return id, h.fault("read", err)
}

func noRun(ctx context.Context, q queryer, ref string) error {
	e := &store.NoRunError{Ref: ref}
	err := q.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM runs").Scan(&e.Newest)
	if err != nil {
		return err
	}
	return e
}

// HostsOf returns the names of the hosts of the run that ref names, see Run, in
// the order of its plan: all of them, or those that ended with one of outcomes.
func (h *History) HostsOf(ctx context.Context, ref, user string, outcomes []fanout.Outcome) ([]string, error) {
	run, err := h.Run(ctx, ref, user)
	if err != nil {
		return nil, err
	}
	query, args := "SELECT host FROM results WHERE run_id = ?", []any{run.ID}
	if outcomes != nil {
		query += " AND outcome IN (" + placeholders(len(outcomes)) + ")"
		args = append(args, outcomeArgs(outcomes)...)
	}
	hosts, err := column[string](ctx, h.r, query+" ORDER BY position", args...)
	return hosts, h.fault("read", err)
}

// selectRuns calls unreadable with what could be read of a row, and the error, which it may
// handle.
func (r *runReader) selectRuns(ctx context.Context, q queryer, unreadable func(*store.Run, error) error, query string, args ...any) ([]store.Run, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var runs []store.Run
	for rows.Next() {
		run, err := tables.ScanRun(rows)
		if err != nil && run.ID != 0 {
			err = unreadable(&run, err)
		}
		if err != nil {
			return nil, err
		}
		if run.State == store.Running && r.dead[run.ID] {
			run.State = store.Interrupted
		}
		runs = append(runs, run)
	}
	return runs, rows.Err()
}

// refuseRun does not handle a run that cannot be read.
func refuseRun(_ *store.Run, err error) error { return err }

// column reads the only column of a query.
func column[T any](ctx context.Context, q queryer, query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var values []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}
