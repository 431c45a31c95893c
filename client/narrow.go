package client

import (
	"context"

	"tutti/fanout"
)

// A narrowing passes on the events of some hosts of a run, as if there were no others.
type narrowing struct {
	sink    fanout.Sink
	chosen  map[string]bool
	targets map[string]*fanout.Target
	summary fanout.Summary
}

func newNarrowing(names []string, sink fanout.Sink) *narrowing {
	n := &narrowing{sink: sink, chosen: make(map[string]bool), targets: make(map[string]*fanout.Target)}
	for _, name := range names {
		n.chosen[name] = true
	}
	return n
}

// Handle passes e on, if it is about a host that was chosen, or about the run.
func (n *narrowing) Handle(ctx context.Context, e fanout.Event) error {
	switch {
	case e.Kind == fanout.RunStarted:
		plan := *e.Plan
		plan.Targets = nil
		for _, t := range e.Plan.Targets {
			if n.chosen[t.Name] {
				t.Index = len(plan.Targets)
				plan.Targets = append(plan.Targets, t)
			}
		}
		for i := range plan.Targets {
			n.targets[plan.Targets[i].Name] = &plan.Targets[i]
		}
		e.Plan = &plan
	case e.Kind == fanout.RunFinished:
		s := *e.Summary
		s.Counts, s.Hosts, s.RemoteCode = n.summary.Counts, len(n.targets), n.summary.RemoteCode
		e.Summary = &s
	case e.Target != nil:
		t := n.targets[e.Target.Name]
		if t == nil {
			return nil
		}
		e.Target = t
		if e.Result != nil {
			result := *e.Result
			result.Target = *t
			e.Result = &result
		}
		if e.Kind == fanout.TargetFinished {
			n.summary.Add(*e.Result)
		}
	}
	return n.sink.Handle(ctx, e)
}
