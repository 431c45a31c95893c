package server

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"

	"tutti/access"
	"tutti/api"
	"tutti/api/event"
	"tutti/fanout"
	"tutti/scheduler"
	"tutti/server/operation"
	"tutti/store"
)

// mostOutcomes bounds how many outcomes are looked at for one answer: of a job with many
// hosts there are fewer runs.
const mostOutcomes = 200_000

// outcomesSpec is the operation that shows where the runs of a job fail.
func outcomesSpec() operation.Spec {
	return operation.Spec{
		Method: http.MethodGet, Path: "/jobs/{job}/outcomes", ID: "getJobOutcomes", Tag: "jobs", Action: access.Read, Problems: []operation.Kind{noJob},
		Summary: "Show how each host ended in the newest runs of a job, those that fail most first",
	}
}

type getOutcomesIn struct {
	JobPath
	Runs  int `query:"runs" minimum:"1" maximum:"100" default:"30" doc:"of so many of its newest runs that have ended"`
	Hosts int `query:"hosts" minimum:"1" maximum:"1000" default:"100" doc:"of so many hosts"`
}

func (a jobOps) getOutcomes(ctx context.Context, in *getOutcomesIn) (*operation.Answer[api.JobOutcomes], error) {
	if err := a.seesJob(ctx, in.Job); err != nil {
		return nil, err
	}
	rows, err := a.Jobs.Log(ctx, store.FiringQuery{Job: in.Job, Decisions: []scheduler.Decision{scheduler.Run}, Limit: in.Runs + store.DefaultPage})
	if err != nil {
		return nil, err
	}
	visible, err := a.visible(ctx)
	if err != nil {
		return nil, err
	}
	grid := outcomeGrid{rows: map[string][]string{}}
	for i := range rows {
		run := rows[i].Run
		if run == nil || !run.State.Ended() || len(grid.runs) == in.Runs {
			continue
		}
		groups, err := a.Runs.Groups(ctx, run.ID, visible)
		if err != nil {
			return nil, err
		}
		if grid.add(run, groups); grid.size > mostOutcomes {
			break
		}
	}
	return operation.Reply(grid.form(in.Job, in.Hosts)), nil
}

// An outcomeGrid is how hosts ended in runs, newest first.
type outcomeGrid struct {
	runs []api.OutcomesRun
	rows map[string][]string // as long as runs, once they were padded
	size int
}

// add adds an earlier run, if it has a host in groups.
func (g *outcomeGrid) add(run *store.Run, groups []store.Group) {
	column := api.OutcomesRun{Run: run.ID, State: run.State, StartedAt: event.Time(run.Summary.Started)}
	for i := range groups {
		group := &groups[i]
		outcome := group.Outcome
		if group.Phase != store.HostEnded {
			outcome = store.CutOff(group.Started)
		}
		column.Hosts += len(group.Hosts)
		if outcome != fanout.OK {
			column.Bad += len(group.Hosts)
		}
		for _, host := range group.Hosts {
			g.rows[host] = append(g.padded(host), outcome.String())
		}
	}
	if column.Hosts > 0 {
		g.runs = append(g.runs, column)
		g.size += column.Hosts
	}
}

// padded is the row of a host, with nothing in the runs that did not have it.
func (g *outcomeGrid) padded(host string) []string {
	row := g.rows[host]
	for len(row) < len(g.runs) {
		row = append(row, "")
	}
	return row
}

// form has at most so many hosts.
func (g *outcomeGrid) form(job string, most int) api.JobOutcomes {
	form := api.JobOutcomes{Schema: 1, Type: "job_outcomes", Job: job, Runs: append([]api.OutcomesRun{}, g.runs...), Hosts: []api.HostOutcomes{}}
	slices.Reverse(form.Runs)
	hosts := make([]api.HostOutcomes, 0, len(g.rows))
	for host := range maps.Keys(g.rows) {
		one := api.HostOutcomes{Host: host, Outcomes: g.padded(host)}
		slices.Reverse(one.Outcomes)
		for _, outcome := range one.Outcomes {
			if outcome != "" && outcome != fanout.OK.String() {
				one.Bad++
			}
		}
		hosts = append(hosts, one)
	}
	slices.SortFunc(hosts, func(a, b api.HostOutcomes) int {
		return cmp.Or(cmp.Compare(b.Bad, a.Bad), cmp.Compare(a.Host, b.Host))
	})
	form.Hosts = append(form.Hosts, hosts[:min(most, len(hosts))]...)
	for i := len(form.Hosts); i < len(hosts); i++ {
		form.MoreHosts++
		if hosts[i].Bad > 0 {
			form.MoreBad++
		}
	}
	return form
}
