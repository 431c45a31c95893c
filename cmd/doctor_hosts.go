package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tutti/api"
	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/output"
	"tutti/runner"
)

// visit logs in to the hosts of plan as a run would, opens a session, and reports
// the findings.
func (d *doctor) visit(ctx context.Context, plan *runner.Decision) (fanout.Summary, error) {
	client, err := d.Client(ctx, plan)
	if err != nil {
		return fanout.Summary{}, err
	}
	defer func() { _ = client.Close() }() // there is nothing left to lose on it
	found := &visits{groups: map[visitKey]*visitGroup{}}
	sinks := []fanout.Sink{found, d.screen.watch()}
	if d.o.mode.Word == modeJSON {
		events := output.NewJSON(d.screen.out, d.code)
		d.screen.closers = append(d.screen.closers, events)
		sinks = append(sinks, events)
	}
	summary, err := d.Execute(ctx, plan.Plan, fanout.Options{Executor: client.Visitor(), Sink: fanout.Tee(sinks...)})
	if err != nil && !errors.Is(err, fanout.ErrSignal) {
		return summary, err
	}
	for _, g := range found.sorted() {
		d.visited[g.finding()]++
		if d.o.mode.Word != modeJSON {
			d.showVisits(g)
		}
	}
	return summary, err
}

// A visitKey is what hosts that are reported together have in common.
type visitKey struct {
	outcome fanout.Outcome
	op      fanout.Op
	message string
}

// A visitGroup is the hosts with one key.
type visitGroup struct {
	visitKey
	detail, remedy string // of the first host
	first          int    // index of the first host
	names          []string
	took           [3]span // of resolve, dial and login
}

// visits collects the hosts' results.
type visits struct{ groups map[visitKey]*visitGroup }

var _ fanout.Sink = (*visits)(nil)

// Handle collects e; it never fails.
func (v *visits) Handle(_ context.Context, e fanout.Event) error {
	if e.Kind != fanout.TargetFinished {
		return nil
	}
	r := e.Result.Report
	f := cmp.Or(r.Failure, &fanout.Failure{})
	key := visitKey{e.Result.Outcome, f.Op, f.Message}
	g := v.groups[key]
	if g == nil {
		g = &visitGroup{visitKey: key, detail: f.Detail, remedy: f.Hint, first: e.Target.Index}
		v.groups[key] = g
	}
	g.first = min(g.first, e.Target.Index)
	g.names = append(g.names, e.Target.Name)
	for i, d := range []time.Duration{r.Resolve, r.Dial, r.Login} {
		g.took[i].add(d, e.Target.Name)
	}
	return nil
}

// sorted is the groups as they are shown: what works, then the rest by size.
func (v *visits) sorted() []*visitGroup {
	groups := make([]*visitGroup, 0, len(v.groups))
	for _, g := range v.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *visitGroup) int {
		return cmp.Or(cmp.Compare(a.outcome, b.outcome), cmp.Compare(len(b.names), len(a.names)), cmp.Compare(a.first, b.first))
	})
	return groups
}

// finding is what a group comes to.
func (g *visitGroup) finding() api.Finding {
	if g.outcome == fanout.OK {
		return api.FindingOK
	}
	return api.FindingProblem
}

// showVisits reports a group.
func (d *doctor) showVisits(g *visitGroup) {
	hosts := fmt.Sprintf("%s (%d)", hostlist.Fold(g.names), len(g.names))
	if g.finding() == api.FindingOK {
		d.row(api.FindingOK, "login", hosts+g.steps())
		return
	}
	why := g.message
	if g.detail != "" && len(g.names) == 1 {
		why += ": " + g.detail
	}
	step := cmp.Or(string(g.op), g.outcome.String())
	d.row(api.FindingProblem, step, strings.TrimSuffix(hosts+": "+why, ": ")+g.steps(), g.remedy)
}

// steps is how long each step took, and where the longest was.
func (g *visitGroup) steps() string {
	var parts []string
	for i, name := range []string{"resolve", "dial", "login"} {
		if text := g.took[i].String(); text != "" {
			parts = append(parts, name+" "+text)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	text := "; " + strings.Join(parts, ", ")
	if s := g.took[2]; s.n > 1 && s.most > 2*s.least {
		text += ", the longest at " + s.slowest
	}
	return text
}

// A span is the shortest and the longest of some durations. What took no time
// was not done and is left out.
type span struct {
	least, most time.Duration
	slowest     string // the host of the longest
	n           int
}

func (s *span) add(d time.Duration, host string) {
	if d == 0 {
		return
	}
	if s.n++; s.n == 1 || d < s.least {
		s.least = d
	}
	if d > s.most {
		s.most, s.slowest = d, host
	}
}

func (s *span) String() string {
	switch {
	case s.n == 0:
		return ""
	case s.n == 1 || milliseconds(s.least) == milliseconds(s.most):
		return milliseconds(s.most)
	}
	return fmt.Sprintf("%s to %s", milliseconds(s.least), milliseconds(s.most))
}
