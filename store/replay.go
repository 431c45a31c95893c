package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
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

// The sizes of what is read at once. Nothing is read while the sink is called:
// a sink that waits for a pager must not hold back the write-ahead log.
const (
	replayHosts = 256
	replayRows  = 16
)

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
	targets []playedTarget
	output  *sql.Stmt // reads rows of output
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
	record.Task.Command = p.run.Command
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

// A playedHost is what is recorded of a target beside its output.
type playedHost struct {
	result  fanout.Result
	ended   bool
	earlier []playedAttempt
}

type playedAttempt struct {
	result fanout.Result
	delay  time.Duration
}

// playPage tells the targets of a page, whose results are read at once.
func (p *player) playPage(ctx context.Context, page []playedTarget, summary *fanout.Summary) error {
	hosts, err := p.readHosts(ctx, page)
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

func (p *player) readHosts(ctx context.Context, page []playedTarget) (map[int]*playedHost, error) {
	first, last := page[0].position, page[len(page)-1].position
	hosts := make(map[int]*playedHost)
	rows, err := p.store.r.QueryContext(ctx, `
		SELECT position, attempts, `+reportColumns+` FROM results
		WHERE run_id = ? AND position BETWEEN ? AND ?`, p.run.ID, first, last)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var position, attempts int
		var row reportRow
		if err := rows.Scan(append([]any{&position, &attempts}, row.fields()...)...); err != nil {
			return nil, err
		}
		h := &playedHost{}
		if h.result, h.ended, err = row.result(); err != nil {
			return nil, err
		}
		h.result.Attempts = attempts
		hosts[position] = h
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return hosts, p.readAttempts(ctx, first, last, hosts)
}

// readAttempts adds the earlier attempts to hosts.
func (p *player) readAttempts(ctx context.Context, first, last int, hosts map[int]*playedHost) error {
	rows, err := p.store.r.QueryContext(ctx, `
		SELECT r.position, a.attempt, a.delay_ms, `+qualified("a", reportColumns)+`
		FROM results r JOIN attempts a ON a.run_id = r.run_id AND a.host = r.host
		WHERE r.run_id = ? AND r.position BETWEEN ? AND ? ORDER BY r.position, a.attempt`, p.run.ID, first, last)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var position, attempt int
		var delay int64
		var row reportRow
		if err := rows.Scan(append([]any{&position, &attempt, &delay}, row.fields()...)...); err != nil {
			return err
		}
		a := playedAttempt{delay: time.Duration(delay) * time.Millisecond}
		if a.result, _, err = row.result(); err != nil {
			return err
		}
		a.result.Attempts = attempt
		if h := hosts[position]; h != nil {
			h.earlier = append(h.earlier, a)
		}
	}
	return rows.Err()
}

// qualified puts the name of a table before each of columns.
func qualified(table, columns string) string {
	names := strings.Split(columns, ",")
	for i, name := range names {
		names[i] = table + "." + strings.TrimSpace(name)
	}
	return strings.Join(names, ", ")
}

func (p *player) playHost(ctx context.Context, t *fanout.Target, h *playedHost) error {
	h.result.Target = *t
	told := 0
	for i := range h.earlier {
		a := &h.earlier[i]
		a.result.Target = *t
		if err := p.playAttempt(ctx, t, &a.result); err != nil {
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
		if err := p.playAttempt(ctx, t, &h.result); err != nil {
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

// playAttempt tells the start of an attempt and its output.
func (p *player) playAttempt(ctx context.Context, t *fanout.Target, r *fanout.Result) error {
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
	for after := 0; ; {
		events, next, err := p.readOutput(ctx, t, r.Attempts, after)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := p.emit(ctx, e); err != nil {
				return err
			}
		}
		if len(events) < replayRows {
			return nil
		}
		after = next
	}
}

// readOutput reads the rows of output that follow the one numbered after.
func (p *player) readOutput(ctx context.Context, t *fanout.Target, attempt, after int) (events []fanout.Event, next int, err error) {
	rows, err := p.output.QueryContext(ctx, p.run.ID, t.Name, attempt, after, replayRows)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var stream, at, codec string
		var data any
		if err := rows.Scan(&next, &stream, &at, &codec, &data); err != nil {
			return nil, 0, err
		}
		e := fanout.Event{Kind: fanout.Output, Target: t, Attempt: attempt}
		if stream == fanout.Stderr.String() {
			e.Stream = fanout.Stderr
		}
		if e.Time, err = time.Parse(time.RFC3339, at); err != nil {
			return nil, 0, err
		}
		if e.Data, e.Omitted, err = decodeRow(codec, data); err != nil {
			return nil, 0, fmt.Errorf("output of %s in run %d: %w", t.Name, p.run.ID, err)
		}
		events = append(events, e)
	}
	return events, next, rows.Err()
}

// decodeRow reads the last two columns of a row of output.
func decodeRow(codec string, value any) (data []byte, omitted int64, err error) {
	switch v := value.(type) {
	case int64:
		if codec == codecOmitted {
			return nil, v, nil
		}
	case []byte:
		data, err = decode(codec, v)
		return data, 0, err
	}
	return nil, 0, fmt.Errorf("a row with codec %s holds %s", codec, strings.TrimPrefix(fmt.Sprintf("%T", value), "*"))
}
