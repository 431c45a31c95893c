package daemon

import (
	"context"

	"tutti/runner"
	"tutti/scheduler"
)

// JobHosts are the names of the hosts that each of the jobs would run on now; none of
// one of which they cannot be known. Each inventory is read once.
func (f *fleet) JobHosts(ctx context.Context, jobs []*scheduler.Job) [][]string {
	how := f.lookup()
	how.Inventories = &runner.Inventories{}
	all := make([][]string, len(jobs))
	for i, job := range jobs {
		request, err := runner.CompleteJob(job, f.env.Getenv)
		if err != nil {
			continue
		}
		chosen, err := f.env.Choose(ctx, &request, how, job.Selector)
		if err != nil || chosen.Files == "" { // hosts that are in no inventory are in no scope
			continue
		}
		for _, h := range chosen.Hosts {
			all[i] = append(all[i], h.Name)
		}
	}
	return all
}
