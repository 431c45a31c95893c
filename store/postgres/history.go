package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// A History is what happened, see [store.History]: runs, and what became of scheduled
// times.
type History struct {
	*handle
	views
	runs     *runReader
	states   *states
	repairer *repairer
}

// A runReader reads runs, and their ends for the ledger.
type runReader struct {
	// dead are the runs in state running whose process is gone, in a history that could
	// not be repaired. It does not change after Open.
	dead map[int64]bool
}

// Runs returns the runs that fit q, newest first.
func (h *History) Runs(ctx context.Context, q store.Query) ([]store.Run, error) {
	c := whereRuns(&q)
	where, args := c.clause(newestFirst(q.Limit))
	runs, err := h.runs.selectRuns(ctx, h.pool, refuseRun, "SELECT "+tables.RunColumns+" FROM runs"+where, args...)
	return runs, h.fault("read", err)
}

// newestFirst is the order of pages; limit 0: all.
func newestFirst(limit int) string {
	if limit <= 0 {
		return " ORDER BY id DESC"
	}
	return " ORDER BY id DESC LIMIT " + strconv.Itoa(limit)
}

// HostNames returns the names of all hosts in any run.
func (h *History) HostNames(ctx context.Context) ([]string, error) {
	names, err := column[string](ctx, h.pool, everyHost)
	return names, h.fault("read", err)
}

// everyHost steps from name to name in the index, which may have very many rows for each.
const everyHost = `
	WITH RECURSIVE h (value) AS (
		SELECT min(host) FROM hosts
		UNION ALL SELECT (SELECT min(host) FROM hosts WHERE host > h.value) FROM h WHERE h.value IS NOT NULL)
	SELECT value FROM h WHERE value IS NOT NULL ORDER BY value`

// Run returns the run that ref names; see [store.History].
func (h *History) Run(ctx context.Context, ref, user string) (store.Run, error) {
	id, err := h.runID(ctx, ref, user)
	if err != nil {
		return store.Run{}, err
	}
	return h.runByID(ctx, id, ref)
}

func (h *History) runByID(ctx context.Context, id int64, ref string) (store.Run, error) {
	runs, err := h.runs.selectRuns(ctx, h.pool, refuseRun, "SELECT "+tables.RunColumns+" FROM runs WHERE id = $1", id)
	if err != nil {
		return store.Run{}, h.fault("read", err)
	}
	if len(runs) == 0 {
		return store.Run{}, h.fault("read", noRun(ctx, h.pool, ref))
	}
	return runs[0], nil
}

// endedState selects runs that have ended, in the words of the indexes runs_last and
// runs_principal.
const endedState = "state IN ('finished', 'interrupted')"

// ended is endedState, for a history that could not be repaired with its interrupted runs.
func (r *runReader) ended() string {
	var dead []string
	for id := range r.dead {
		dead = append(dead, strconv.FormatInt(id, 10))
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
		return h.lastRun(ctx, ref, back, "by_hand")
	}
	return h.lastRun(ctx, ref, back, `by_hand AND "user" = $2`, user)
}

// lastRun is the number of the newest run that has ended, or so many before it, of those
// that meet a condition; ref is what it was called.
func (h *History) lastRun(ctx context.Context, ref string, back int64, cond string, args ...any) (id int64, err error) {
	query := "SELECT id FROM runs WHERE " + h.runs.ended() + " AND " + cond + " ORDER BY id DESC LIMIT 1 OFFSET $1"
	err = h.pool.QueryRow(ctx, query, append([]any{back}, args...)...).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, h.fault("read", noRun(ctx, h.pool, ref))
	}
	return id, h.fault("read", err)
}

func noRun(ctx context.Context, q queryer, ref string) error {
	e := &store.NoRunError{Ref: ref}
	if err := q.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM runs").Scan(&e.Newest); err != nil {
		return err
	}
	return e
}

// HostsOf returns the names of the hosts of the run that ref names, see Run, in the order
// of its plan: all of them, or those that ended with one of outcomes.
func (h *History) HostsOf(ctx context.Context, ref, user string, outcomes []fanout.Outcome) ([]string, error) {
	run, err := h.Run(ctx, ref, user)
	if err != nil {
		return nil, err
	}
	query, args := "SELECT host FROM results WHERE run_id = $1", []any{run.ID}
	if outcomes != nil {
		query, args = query+" AND outcome = ANY($2)", append(args, outcomeNames(outcomes))
	}
	hosts, err := column[string](ctx, h.pool, query+" ORDER BY position", args...)
	return hosts, h.fault("read", err)
}

func outcomeNames(outcomes []fanout.Outcome) []string {
	names := make([]string, len(outcomes))
	for i, o := range outcomes {
		names[i] = o.String()
	}
	return names
}

// selectRuns calls unreadable with what could be read of a row, and the error, which it
// may handle.
func (r *runReader) selectRuns(ctx context.Context, q queryer, unreadable func(*store.Run, error) error, query string, args ...any) ([]store.Run, error) {
	return tables.All(ctx, on(q), func(rows tables.Rows) (store.Run, error) {
		run, err := tables.ScanRun(rows)
		if err != nil && run.ID != 0 {
			err = unreadable(&run, err)
		}
		if run.State == store.Running && r.dead[run.ID] {
			run.State = store.Interrupted
		}
		return run, err
	}, query, args...)
}

// refuseRun does not handle a run that cannot be read.
func refuseRun(_ *store.Run, err error) error { return err }

// runsByID returns the runs of these numbers that exist; unreadable is that of selectRuns.
func (r *runReader) runsByID(ctx context.Context, q queryer, ids []int64, unreadable func(*store.Run, error) error) (map[int64]*store.Run, error) {
	runs, err := r.selectRuns(ctx, q, unreadable, "SELECT "+tables.RunColumns+" FROM runs WHERE id = ANY($1)", ids)
	byID := make(map[int64]*store.Run, len(runs))
	for i := range runs {
		byID[runs[i].ID] = &runs[i]
	}
	return byID, err
}

// Decided returns how the run was decided.
func (h *History) Decided(ctx context.Context, run int64) (store.Decided, error) {
	var plan, command string
	err := h.pool.QueryRow(ctx, "SELECT plan, command FROM runs WHERE id = $1", run).Scan(&plan, &command)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Decided{}, h.fault("read", noRun(ctx, h.pool, fmt.Sprint(run)))
	}
	if err != nil {
		return store.Decided{}, h.fault("read", err)
	}
	decided, err := store.ReadDecided(plan, command, run)
	return decided, h.fault("read", err)
}

// Results returns the results of the hosts of the run, in the order of its plan.
func (h *History) Results(ctx context.Context, run int64) ([]store.HostResult, error) {
	all, err := tables.All(ctx, on(h.pool), tables.ScanResult,
		"SELECT "+tables.ResultColumns+" FROM results WHERE run_id = $1 ORDER BY position", run)
	return all, h.fault("read", err)
}
