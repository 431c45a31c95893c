package store

import (
	"context"
	"fmt"
	"time"

	"tutti/fanout"
)

// Pages read a recorded run piece by piece. No read is open while the sink is called: a
// sink that waits for a pager must not block writers.
type Pages interface {
	// Plan returns the run's PlanText.
	Plan(ctx context.Context) (string, error)
	// Places returns the hosts that a filter selects, in the order of the plan.
	Places(ctx context.Context, f Filter) ([]HostPlace, error)
	// Hosts returns the records of hosts, by their positions, with the output of those
	// that wrote little.
	Hosts(ctx context.Context, positions []int) (map[int]*RecordedHost, error)
	// Output returns the pieces of an attempt after the one numbered after, at most
	// most, as events without a target, whose Number is that of the piece.
	Output(ctx context.Context, host string, attempt, after, most int) ([]fanout.Event, error)
	// Fault adds the history to an error; nil for nil.
	Fault(err error) error
}

// A HostPlace is a host, and its position in the plan.
type HostPlace struct {
	Position int
	Host     string
}

// A RecordedHost is the record of a host.
type RecordedHost struct {
	// Result has no target, and of earlier attempts only the number. Ended: it is
	// final.
	Result  fanout.Result
	Ended   bool
	Earlier []RecordedAttempt
	// Brief is all output of the last attempt, as of Pages.Output, if it is small; nil:
	// Output has to be called.
	Brief []fanout.Event
}

// A RecordedAttempt is an attempt that another followed, Delay later.
type RecordedAttempt struct {
	Result fanout.Result
	Delay  time.Duration
}

// The sizes of reads.
const (
	replayHosts = 256
	replayRows  = 16
)

// Play sends the events of a recorded run to sink; see [History.Replay].
func Play(ctx context.Context, run Run, pages Pages, f Filter, sink fanout.Sink) error {
	p := &player{pages: pages, run: run, filter: f, sink: sink}
	if err := p.play(ctx); err != nil {
		if p.sinkErr != nil {
			return p.sinkErr
		}
		return pages.Fault(err)
	}
	return nil
}

type player struct {
	pages   Pages
	run     Run
	filter  Filter
	sink    fanout.Sink
	sinkErr error
	policy  fanout.Policy
	targets []playedTarget
	numbers fanout.Numbering // of the current target
}

// A playedTarget is a target and its position in the run.
type playedTarget struct {
	target   fanout.Target
	position int
}

func (p *player) play(ctx context.Context) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	summary := fanout.Summary{}
	for rest := p.targets; len(rest) > 0; {
		n := min(len(rest), replayHosts)
		if err := p.playPage(ctx, rest[:n], &summary); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return p.finish(ctx, summary)
}

// begin sends the start of the run.
func (p *player) begin(ctx context.Context) error {
	plan, err := p.plan(ctx)
	if err != nil {
		return err
	}
	return p.emit(ctx, fanout.Event{Kind: fanout.RunStarted, Time: p.run.Summary.Started, Plan: &plan})
}

// finish sends the end of the run, with the summary of the replayed hosts.
func (p *player) finish(ctx context.Context, summary fanout.Summary) error {
	summary.Hosts = len(p.targets)
	summary.Stopped, summary.SpentBy = p.run.Summary.Stopped, p.run.Summary.SpentBy
	summary.Started = p.run.Summary.Started
	if p.run.State != Interrupted {
		summary.Ended = p.run.Summary.Ended
	}
	return p.emit(ctx, fanout.Event{Kind: fanout.RunFinished, Time: p.end(), Summary: &summary})
}

// end returns when the run ended, or when it started if it has not ended.
func (p *player) end() time.Time {
	if p.run.Summary.Ended.IsZero() {
		return p.run.Summary.Started
	}
	return p.run.Summary.Ended
}

// emit passes e to the sink.
func (p *player) emit(ctx context.Context, e fanout.Event) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	e.RunID = p.run.ID
	switch {
	case e.Target != nil:
		e.Number = p.numbers.Next(&e)
	case e.Kind == fanout.RunStarted:
		e.Number = 1
	case e.Kind == fanout.RunFinished:
		e.Number = p.policy.LastNumber(p.run.Summary.Hosts)
	}
	p.sinkErr = p.sink.Handle(ctx, e)
	return p.sinkErr
}

// plan rebuilds the plan with the targets that the filter chooses.
func (p *player) plan(ctx context.Context) (fanout.Plan, error) {
	text, err := p.pages.Plan(ctx)
	if err != nil {
		return fanout.Plan{}, err
	}
	record, err := readPlan(text, p.run.Command, p.run.ID)
	if err != nil {
		return fanout.Plan{}, err
	}
	places, err := p.pages.Places(ctx, p.filter)
	if err != nil {
		return fanout.Plan{}, err
	}
	for i, place := range places {
		p.targets = append(p.targets, playedTarget{target: fanout.Target{Index: i, Name: place.Host}, position: place.Position})
	}
	p.policy = record.Policy
	plan := fanout.Plan{
		Source:   p.run.Source,
		Selector: p.run.Selector,
		Task:     record.Task,
		Policy:   record.Policy,
	}
	for _, t := range p.targets {
		plan.Targets = append(plan.Targets, t.target)
	}
	return plan, nil
}

// playPage sends the events of a page of targets, whose records are read together.
func (p *player) playPage(ctx context.Context, page []playedTarget, summary *fanout.Summary) error {
	positions := make([]int, len(page))
	for i := range page {
		positions[i] = page[i].position
	}
	hosts, err := p.pages.Hosts(ctx, positions)
	if err != nil {
		return err
	}
	for i := range page {
		h := hosts[page[i].position]
		if h == nil {
			return p.pruned()
		}
		if err := p.playHost(ctx, &page[i].target, h); err != nil {
			return err
		}
		if h.Ended {
			summary.Add(h.Result)
		}
	}
	return nil
}

func (p *player) pruned() error { return fmt.Errorf("run %d was pruned while it was read", p.run.ID) }

func (p *player) playHost(ctx context.Context, t *fanout.Target, h *RecordedHost) error {
	h.Result.Target = *t
	p.numbers = fanout.Numbering{}
	told := 0
	for i := range h.Earlier {
		a := &h.Earlier[i]
		a.Result.Target = *t
		if err := p.playAttempt(ctx, t, &a.Result, nil); err != nil {
			return err
		}
		told = a.Result.Attempts
		if err := p.emitRetrying(ctx, t, a); err != nil {
			return err
		}
	}
	// A run that was stopped between two attempts ends with the earlier one.
	if h.Result.Attempts > told {
		if err := p.playAttempt(ctx, t, &h.Result, h.Brief); err != nil {
			return err
		}
	}
	if !h.Ended {
		return nil
	}
	return p.emitFinished(ctx, t, &h.Result)
}

func (p *player) emitStarted(ctx context.Context, t *fanout.Target, r *fanout.Result) error {
	return p.emit(ctx, fanout.Event{
		Kind: fanout.TargetStarted, Time: r.StartedAt, Target: t, Attempt: r.Attempts, Address: r.Report.Address,
	})
}

func (p *player) emitRetrying(ctx context.Context, t *fanout.Target, a *RecordedAttempt) error {
	return p.emit(ctx, fanout.Event{
		Kind: fanout.TargetRetrying, Time: p.endOf(&a.Result), Target: t,
		Attempt: a.Result.Attempts, Delay: a.Delay, Result: &a.Result,
	})
}

func (p *player) emitFinished(ctx context.Context, t *fanout.Target, r *fanout.Result) error {
	return p.emit(ctx, fanout.Event{
		Kind: fanout.TargetFinished, Time: p.endOf(r), Target: t, Attempt: r.Attempts, Result: r,
	})
}

// endOf returns when r's attempt ended, or when the run did if there was none.
func (p *player) endOf(r *fanout.Result) time.Time {
	if r.EndedAt.IsZero() {
		return p.end()
	}
	return r.EndedAt
}

// playAttempt sends the start of an attempt and its output; brief is all of the output,
// or nil if it has to be read.
func (p *player) playAttempt(ctx context.Context, t *fanout.Target, r *fanout.Result, brief []fanout.Event) error {
	if !r.StartedAt.IsZero() {
		if err := p.emitStarted(ctx, t, r); err != nil {
			return err
		}
	}
	if p.filter.NoOutput || r.StdoutBytes+r.StderrBytes == 0 {
		return nil
	}
	if len(brief) > 0 {
		return p.emitOutput(ctx, t, r.Attempts, brief)
	}
	for after := 0; ; {
		events, err := p.output(ctx, t, r.Attempts, after, replayRows)
		if err != nil {
			return err
		}
		if err := p.emitOutput(ctx, t, r.Attempts, events); err != nil {
			return err
		}
		if len(events) < replayRows {
			return nil
		}
		after = int(events[len(events)-1].Number)
	}
}

// output reads pieces of output; see Pages.
func (p *player) output(ctx context.Context, t *fanout.Target, attempt, after, most int) ([]fanout.Event, error) {
	events, err := p.pages.Output(ctx, t.Name, attempt, after, most)
	if err != nil {
		return nil, fmt.Errorf("output of %s in run %d: %w", t.Name, p.run.ID, err)
	}
	return events, nil
}

// emitOutput sends output of t.
func (p *player) emitOutput(ctx context.Context, t *fanout.Target, attempt int, events []fanout.Event) error {
	for _, e := range events {
		e.Target, e.Attempt = t, attempt
		if err := p.emit(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
