package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// briefOutput bounds the output of a host that is read together with that of other
// hosts; each byte may have its own row.
const briefOutput = 512

// Replay sends the events of the run to sink, host after host in the order of the
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
func (h *History) Replay(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error {
	info, err := h.runByID(ctx, run, fmt.Sprint(run))
	if err != nil {
		return err
	}
	p := &pages{fileHandle: h.fileHandle, run: run}
	defer p.close()
	return store.Play(ctx, info, p, f, sink)
}

// pages are the [store.Pages] of a run.
type pages struct {
	*fileHandle
	run    int64
	output *sql.Stmt // reads rows of output; nil: none was read
}

var _ store.Pages = (*pages)(nil)

func (p *pages) close() {
	if p.output != nil {
		_ = p.output.Close() // it only reads
	}
}

// Fault adds the history to an error.
func (p *pages) Fault(err error) error { return p.fault("read", err) }

// Plan is the text of the plan.
func (p *pages) Plan(ctx context.Context) (plan string, err error) {
	err = p.r.QueryRowContext(ctx, "SELECT plan FROM runs WHERE id = ?", p.run).Scan(&plan)
	return plan, err
}

// Places returns the hosts that a filter selects.
func (p *pages) Places(ctx context.Context, f store.Filter) (places []store.HostPlace, err error) {
	query, args := "SELECT position, host FROM "+resultsOf(f.Hosts)+" WHERE run_id = ?", []any{p.run}
	if f.Outcomes != nil {
		query += " AND outcome IN (" + placeholders(len(f.Outcomes)) + ")"
		args = append(args, outcomeArgs(f.Outcomes)...)
	}
	if f.Hosts != nil {
		names, err := json.Marshal(f.Hosts)
		if err != nil {
			return nil, err
		}
		query += " AND host IN (SELECT value FROM json_each(?))"
		args = append(args, string(names))
	}
	rows, err := p.r.QueryContext(ctx, query+" ORDER BY position", args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var x store.HostPlace
		if err := rows.Scan(&x.Position, &x.Host); err != nil {
			return nil, err
		}
		places = append(places, x)
	}
	return places, rows.Err()
}

// Hosts returns the records of hosts, by their positions.
func (p *pages) Hosts(ctx context.Context, positions []int) (map[int]*store.RecordedHost, error) {
	ctx = unwatched(ctx)
	list, err := json.Marshal(positions)
	places := string(list)
	if err != nil {
		return nil, err
	}
	hosts := make(map[int]*store.RecordedHost)
	rows, err := p.r.QueryContext(ctx, `
		SELECT position, attempts, `+tables.ReportColumns+` FROM results
		WHERE run_id = ? AND position IN `+inPlaces, p.run, places)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var position, attempts int
		var row tables.ReportRow
		if err := rows.Scan(append([]any{&position, &attempts}, row.Fields()...)...); err != nil {
			return nil, err
		}
		h := &store.RecordedHost{}
		if h.Result, h.Ended, err = row.Result(); err != nil {
			return nil, err
		}
		h.Result.Attempts = attempts
		hosts[position] = h
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if err := p.readAttempts(ctx, places, hosts); err != nil {
		return nil, err
	}
	if p.readBrief(ctx, places, hosts) != nil {
		// Read host by host, so that the error comes at the host that cannot be read.
		for _, h := range hosts {
			h.Brief = nil
		}
	}
	return hosts, nil
}

// inPlaces stands for positions; its parameter is a list of them in JSON.
const inPlaces = "(SELECT value FROM json_each(?))"

// unwatched is for queries of a few rows: to watch for the end of ctx takes longer
// than to read them, and emit looks at it.
func unwatched(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// readAttempts adds the earlier attempts to hosts.
func (p *pages) readAttempts(ctx context.Context, places string, hosts map[int]*store.RecordedHost) error {
	rows, err := p.r.QueryContext(ctx, `
		SELECT r.position, a.attempt, a.delay_ms, `+qualified("a", tables.ReportColumns)+`
		FROM results r JOIN attempts a ON a.run_id = r.run_id AND a.host = r.host
		WHERE r.run_id = ? AND r.position IN `+inPlaces+` ORDER BY r.position, a.attempt`, p.run, places)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var position, attempt int
		var delay int64
		var row tables.ReportRow
		if err := rows.Scan(append([]any{&position, &attempt, &delay}, row.Fields()...)...); err != nil {
			return err
		}
		a := store.RecordedAttempt{Delay: time.Duration(delay) * time.Millisecond}
		if a.Result, _, err = row.Result(); err != nil {
			return err
		}
		a.Result.Attempts = attempt
		if h := hosts[position]; h != nil {
			h.Earlier = append(h.Earlier, a)
		}
	}
	return rows.Err()
}

// readBrief adds the output of hosts that wrote little, in one query.
func (p *pages) readBrief(ctx context.Context, places string, hosts map[int]*store.RecordedHost) error {
	rows, err := p.r.QueryContext(ctx, `
		SELECT r.position, o.attempt, o.seq, o.stream, o.at, o.codec, o.data
		FROM results r JOIN output o ON o.run_id = r.run_id AND o.host = r.host AND o.attempt = r.attempts
		WHERE r.run_id = ? AND r.position IN `+inPlaces+` AND r.stdout_bytes + r.stderr_bytes BETWEEN 1 AND ?
		ORDER BY r.position, o.seq`, p.run, places, briefOutput)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var position, attempt int
		e, err := scanOutput(rows, &position, &attempt)
		if err != nil {
			return err
		}
		// In a run that goes on there may be another attempt by now.
		if h := hosts[position]; h != nil && h.Result.Attempts == attempt {
			h.Brief = append(h.Brief, e)
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

// Output reads the rows of output that follow the one numbered after.
func (p *pages) Output(ctx context.Context, host string, attempt, after, most int) (events []fanout.Event, err error) {
	if p.output == nil {
		p.output, err = p.r.PrepareContext(ctx, `
			SELECT seq, stream, at, codec, data FROM output
			WHERE run_id = ? AND host = ? AND attempt = ? AND seq > ? ORDER BY seq LIMIT ?`)
		if err != nil {
			return nil, err
		}
	}
	rows, err := p.output.QueryContext(unwatched(ctx), p.run, host, attempt, after, most)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		e, err := scanOutput(rows)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, rows.Err()
}

// scanOutput reads a row whose columns are those of keys, then seq, stream, at, codec
// and data.
func scanOutput(rows *sql.Rows, keys ...any) (fanout.Event, error) {
	e := fanout.Event{Kind: fanout.Output}
	var stream, at, codec string
	var data any
	if err := rows.Scan(append(keys, &e.Number, &stream, &at, &codec, &data)...); err != nil {
		return e, err
	}
	if stream == fanout.Stderr.String() {
		e.Stream = fanout.Stderr
	}
	var err error
	if e.Time, err = time.Parse(time.RFC3339, at); err != nil {
		return e, err
	}
	e.Data, e.Omitted, err = store.Decode(codec, data)
	return e, err
}
