package daemon

import (
	"context"
	"strings"

	"tutti/inventory"
	"tutti/runner"
	"tutti/scheduler"
)

// JobHosts are the names of the hosts that each of the jobs would run on now; none of
// one of which that cannot be told. Each inventory is read once.
func (f *fleet) JobHosts(ctx context.Context, jobs []*scheduler.Job) [][]string {
	type reading struct {
		inv   *inventory.Inventory
		files string
		err   error
	}
	readings := map[string]reading{}
	all := make([][]string, len(jobs))
	for i, job := range jobs {
		request, err := runner.CompleteJob(job, f.env.Getenv)
		if err != nil {
			continue
		}
		key := strings.Join(append(job.Inventory, job.Options["hosts"]...), "\x00")
		r, known := readings[key]
		if !known {
			r.inv, r.files, r.err = f.env.LoadInventory(ctx, &request, nil)
			readings[key] = r
		}
		if r.err != nil || r.files == "" { // hosts that are in no inventory are in no scope
			continue
		}
		chosen, err := runner.Select(ctx, &request, f.lookup(), r.inv, r.files, job.Selector)
		if err != nil {
			continue
		}
		for _, h := range chosen.Hosts {
			all[i] = append(all[i], h.Name)
		}
	}
	return all
}
