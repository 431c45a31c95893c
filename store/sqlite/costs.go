package sqlite

import (
	"context"

	"tutti/store"
)

// rowBytes is about what the row of a host takes in a file.
const rowBytes = 300

// JobCosts returns, by job number, the space that the runs of each job use. Jobs
// without runs are not in it.
func (h *History) JobCosts(ctx context.Context) (map[int64]store.JobCost, error) {
	costs, err := jobCosts(ctx, h.r)
	return costs, h.fault("read", err)
}

func jobCosts(ctx context.Context, q queryer) (map[int64]store.JobCost, error) {
	rows, err := q.QueryContext(ctx, `
		SELECT job_id, count(*), sum(`+runBytes+`) FROM runs WHERE job_id IS NOT NULL GROUP BY job_id`, rowBytes)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	costs := make(map[int64]store.JobCost)
	for rows.Next() {
		var job int64
		var c store.JobCost
		if err := rows.Scan(&job, &c.Runs, &c.Bytes); err != nil {
			return nil, err
		}
		costs[job] = c
	}
	return costs, rows.Err()
}

// runBytes is the space that a run uses; its parameter is rowBytes.
const runBytes = "recorded_bytes + ? * (hosts + 1)"
