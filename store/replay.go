package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"tutti/fanout"
)

// A Filter chooses hosts of a run. The zero value chooses all.
type Filter struct {
	// Hosts by name; nil: any.
	Hosts []string
	// Outcomes they ended with; nil: any, and those that have not ended.
	Outcomes []fanout.Outcome
}

// Replay tells the run again to sink, host after host in the order of the
// plan. The events are those it was recorded from, with these differences:
// targets know their name only; pieces of output are joined; an Output event
// with Omitted stands where bytes are missing; times and durations are in
// milliseconds. The plan and the summary are about the hosts that the filter
// chooses. A host that has not ended has no TargetFinished, and the summary of
// a run that is running, or was cut off, has no Ended. Memory does not grow with
// the output.
//
// The error is a *NoRunError, an *Error, or that of sink, which is not called
// again after it.
func (s *Store) Replay(ctx context.Context, run int64, f Filter, sink fanout.Sink) error {
	info, err := s.runByID(ctx, run, fmt.Sprint(run))
	if err != nil {
		return err
	}
	p := &player{store: s, run: info, filter: f, sink: sink}
	if err := p.play(ctx); err != nil {
		if p.sinkErr != nil {
			return p.sinkErr
		}
		return s.fault("read", err)
	}
	return nil
}

type player struct {
	store   *Store
	run     Run
	filter  Filter
	sink    fanout.Sink
	sinkErr error
	policy  fanout.Policy
	targets []playedTarget
	output  *sql.Stmt        // reads rows of output
	numbers fanout.Numbering // of the target at hand
}

// A playedTarget is a target and its place in the run as it was.
type playedTarget struct {
	target   fanout.Target
	position int
}

func (p *player) play(ctx context.Context) error {
	plan, err := p.plan(ctx)
	if err != nil {
		return err
	}
	if p.output, err = p.store.r.PrepareContext(ctx, `
		SELECT seq, stream, at, codec, data FROM output
		WHERE run_id = ? AND host = ? AND attempt = ? AND seq > ? ORDER BY seq LIMIT ?`); err != nil {
		return err
	}
	defer func() { _ = p.output.Close() }() // it only reads
	started := p.run.Summary.Started
	if err := p.emit(ctx, fanout.Event{Kind: fanout.RunStarted, Time: started, Plan: &plan}); err != nil {
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
	summary.Hosts = len(p.targets)
	summary.Stopped, summary.SpentBy = p.run.Summary.Stopped, p.run.Summary.SpentBy
	summary.Started = started
	if p.run.State != Interrupted {
		summary.Ended = p.run.Summary.Ended
	}
	return p.emit(ctx, fanout.Event{Kind: fanout.RunFinished, Time: p.end(), Summary: &summary})
}

// end is when the run ended, or when it began as long as it has not.
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
	var decided string
	if err := p.store.r.QueryRowContext(ctx, "SELECT plan FROM runs WHERE id = ?", p.run.ID).Scan(&decided); err != nil {
		return fanout.Plan{}, err
	}
	var record planRecord
	if err := json.Unmarshal([]byte(decided), &record); err != nil {
		return fanout.Plan{}, fmt.Errorf("plan of run %d: %w", p.run.ID, err)
	}
	if err := p.choose(ctx); err != nil {
		return fanout.Plan{}, err
	}
	record.Task.Action = labelled(record.Task.Action, p.run.Command)
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

func (p *player) choose(ctx context.Context) error {
	query, args := "SELECT position, host FROM results WHERE run_id = ?", []any{p.run.ID}
	if p.filter.Outcomes != nil {
		query += " AND outcome IN (" + placeholders(len(p.filter.Outcomes)) + ")"
		args = append(args, outcomeArgs(p.filter.Outcomes)...)
	}
	if p.filter.Hosts != nil {
		names, err := json.Marshal(p.filter.Hosts)
		if err != nil {
			return err
		}
		query += " AND host IN (SELECT value FROM json_each(?))"
		args = append(args, string(names))
	}
	rows, err := p.store.r.QueryContext(ctx, query+" ORDER BY position", args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		t := playedTarget{target: fanout.Target{Index: len(p.targets)}}
		if err := rows.Scan(&t.position, &t.target.Name); err != nil {
			return err
		}
		p.targets = append(p.targets, t)
	}
	return rows.Err()
}

// playPage tells the targets of a page, whose results are read at once.
func (p *player) playPage(ctx context.Context, page []playedTarget, summary *fanout.Summary) error {
	hosts, err := p.readHosts(unwatched(ctx), page)
	if err != nil {
		return err
	}
	for i := range page {
		h := hosts[page[i].position]
		if h == nil {
			return fmt.Errorf("run %d was pruned meanwhile", p.run.ID)
		}
		if err := p.playHost(ctx, &page[i].target, h); err != nil {
			return err
		}
		if h.ended {
			summary.Add(h.result)
		}
	}
	return nil
}

func (p *player) playHost(ctx context.Context, t *fanout.Target, h *playedHost) error {
	h.result.Target = *t
	p.numbers = fanout.Numbering{}
	told := 0
	for i := range h.earlier {
		a := &h.earlier[i]
		a.result.Target = *t
		if err := p.playAttempt(ctx, t, &a.result, nil); err != nil {
			return err
		}
		told = a.result.Attempts
		if err := p.emit(ctx, fanout.Event{
			Kind: fanout.TargetRetrying, Time: p.endOf(&a.result), Target: t,
			Attempt: told, Delay: a.delay, Result: &a.result,
		}); err != nil {
			return err
		}
	}
	// A run that was stopped between two attempts ends with the earlier one.
	if h.result.Attempts > told {
		if err := p.playAttempt(ctx, t, &h.result, h.brief); err != nil {
			return err
		}
	}
	if !h.ended {
		return nil
	}
	return p.emit(ctx, fanout.Event{
		Kind: fanout.TargetFinished, Time: p.endOf(&h.result), Target: t,
		Attempt: h.result.Attempts, Result: &h.result,
	})
}

// endOf is when r's attempt ended, or the run if there was none.
func (p *player) endOf(r *fanout.Result) time.Time {
	if r.EndedAt.IsZero() {
		return p.end()
	}
	return r.EndedAt
}

// playAttempt tells the start of an attempt and its output; brief is all of that,
// or nothing if it is still to be read.
func (p *player) playAttempt(ctx context.Context, t *fanout.Target, r *fanout.Result, brief []fanout.Event) error {
	if !r.StartedAt.IsZero() {
		if err := p.emit(ctx, fanout.Event{
			Kind: fanout.TargetStarted, Time: r.StartedAt, Target: t, Attempt: r.Attempts, Address: r.Report.Address,
		}); err != nil {
			return err
		}
	}
	if r.StdoutBytes+r.StderrBytes == 0 {
		return nil
	}
	if len(brief) > 0 {
		return p.emitOutput(ctx, t, r.Attempts, brief)
	}
	for after := 0; ; {
		events, next, err := p.readOutput(ctx, t, r.Attempts, after)
		if err != nil {
			return err
		}
		if err := p.emitOutput(ctx, t, r.Attempts, events); err != nil {
			return err
		}
		if len(events) < replayRows {
			return nil
		}
		after = next
	}
}

// emitOutput passes on what t said.
func (p *player) emitOutput(ctx context.Context, t *fanout.Target, attempt int, events []fanout.Event) error {
	for _, e := range events {
		e.Target, e.Attempt = t, attempt
		if err := p.emit(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
