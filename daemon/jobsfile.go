package daemon

import (
	"context"
	"fmt"
	"iter"

	"tutti/access"
	"tutti/jobs"
	"tutti/scheduler"
)

// jobsFile is what errors call a file of jobs that a client has sent.
const jobsFile = "jobs.yaml"

// mostJobs is how many jobs a file may have that a client has sent.
const mostJobs = 10_000

// Plan says what has to be done so that the jobs are those of a file. A path in it has
// to be a whole one: a client has no directory on this machine.
func (c jobChanges) Plan(ctx context.Context, p *access.Principal, data []byte, prune bool) (*jobs.Plan, error) {
	s := c.of(p)
	s.MostJobs = mostJobs
	read, err := s.Read(ctx, jobsFile, data, "")
	if err != nil {
		return nil, err
	}
	for i := range read {
		if err := checkLocalIn(p, &read[i]); err != nil {
			return nil, err
		}
	}
	plan, err := s.Plan(ctx, jobsFile, read, prune)
	if err != nil {
		return nil, err
	}
	for i := range plan.Changed {
		if err := checkLocalIn(p, &plan.Changed[i].Old); err != nil {
			return nil, err
		}
	}
	for i := range plan.Removed {
		if err := checkLocalIn(p, &plan.Removed[i].Job); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// checkLocalIn is checkLocal for one job of several.
func checkLocalIn(p *access.Principal, job *scheduler.Job) error {
	if err := checkLocal(p, job); err != nil {
		return fmt.Errorf("job %s: %w", job.Name, err)
	}
	return nil
}

// Apply does what was planned, step by step.
func (c jobChanges) Apply(ctx context.Context, p *access.Principal, plan *jobs.Plan) iter.Seq2[jobs.Step, error] {
	return c.of(p).Apply(ctx, plan, p.Name)
}
