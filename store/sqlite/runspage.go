package sqlite

import (
	"context"
	"encoding/json"
	"strings"

	"tutti/store"
	"tutti/store/tables"
)

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
	id, err := lastRun(ctx, v.history, ref, back, ofPrincipal, principal)
	if err != nil {
		return store.Run{}, err
	}
	return v.history.runByID(ctx, id, ref)
}

// Counts are those of the visible hosts of runs; see [store.Views].
func (v views) Counts(ctx context.Context, runs []int64, visible store.Visible) (map[int64]store.HostCounts, error) {
	counts, err := v.counts(ctx, runs, visible)
	return counts, v.readFault(err)
}

func (v views) counts(ctx context.Context, runs []int64, visible store.Visible) (map[int64]store.HostCounts, error) {
	list, err := json.Marshal(runs)
	if err != nil {
		return nil, err
	}
	rows, err := v.read(ctx, `
		SELECT run_id, outcome, started, group_concat(host, char(10)) FROM results
		WHERE run_id IN `+inPlaces+` GROUP BY run_id, outcome, started`, string(list))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	counts := make(map[int64]store.HostCounts)
	for rows.Next() {
		var run int64
		var a tables.AnswerRow
		var hosts string
		if err := rows.Scan(&run, &a.Outcome, &a.Started, &hosts); err != nil {
			return nil, err
		}
		phase, outcome, err := tables.HostPhase(a.Outcome, a.Started, 0, v.cutOff(run))
		if err != nil {
			return nil, err
		}
		c := counts[run]
		for host := range strings.SplitSeq(hosts, "\n") {
			switch {
			case visible != nil && !visible(host):
				c.Hidden++
				continue
			case phase == store.HostEnded:
				c.Outcomes[outcome]++
			}
			c.Hosts++
		}
		counts[run] = c
	}
	for run, c := range counts {
		if c.Hosts == 0 {
			delete(counts, run)
		}
	}
	return counts, rows.Err()
}
