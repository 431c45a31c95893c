package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// briefOutput bounds the output of a host that is read together with that of other hosts;
// each byte may have its own row.
const briefOutput = 512

// Replay sends the events of the run to sink; see [store.History].
func (h *History) Replay(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error {
	info, err := h.runByID(ctx, run, fmt.Sprint(run))
	if err != nil {
		return err
	}
	return store.Play(ctx, info, &pages{handle: h.handle, run: run}, f, sink)
}

// pages are the [store.Pages] of a run.
type pages struct {
	*handle
	run int64
}

var _ store.Pages = (*pages)(nil)

// Fault adds the history to an error.
func (p *pages) Fault(err error) error { return p.fault("read", err) }

// Plan is the text of the plan.
func (p *pages) Plan(ctx context.Context) (plan string, err error) {
	err = p.pool.QueryRow(ctx, "SELECT plan FROM runs WHERE id = $1", p.run).Scan(&plan)
	return plan, err
}

// Places returns the hosts that a filter selects.
func (p *pages) Places(ctx context.Context, f store.Filter) ([]store.HostPlace, error) {
	c := conditions{all: []string{"run_id = ?"}, args: []any{p.run}}
	from := "hosts"
	if f.Outcomes != nil {
		from = "results"
		c.add("outcome = ANY(?)", outcomeNames(f.Outcomes))
	}
	if f.Hosts != nil {
		c.add("host = ANY(?)", f.Hosts)
	}
	where, args := c.clause(" ORDER BY position")
	return scanAll(ctx, p.pool, func(rows pgx.Rows) (x store.HostPlace, err error) {
		err = rows.Scan(&x.Position, &x.Host)
		return x, err
	}, "SELECT position, host FROM "+from+where, args...)
}

// The queries of Hosts; their arguments are the run and positions.
const (
	hostsAt = "SELECT position, attempts, " + tables.ReportColumns + ` FROM results
		WHERE run_id = $1 AND position = ANY($2::bigint[])`
	// briefAt is the output of hosts that wrote little.
	briefAt = `
		SELECT r.position, o.attempt, o.seq, o.stream, o.at, o.codec, o.data, o.size
		FROM results AS r JOIN output AS o ON o.run_id = r.run_id AND o.host = r.host AND o.attempt = r.attempts
		WHERE r.run_id = $1 AND r.position = ANY($2::bigint[]) AND r.stdout_bytes + r.stderr_bytes BETWEEN 1 AND $3
		ORDER BY r.position, o.seq`
)

// attemptsAt are the earlier attempts.
var attemptsAt = `
	SELECT h.position, a.attempt, a.delay_ms, ` + qualified("a", tables.ReportColumns) + `
	FROM hosts AS h JOIN attempts AS a ON a.run_id = h.run_id AND a.host = h.host
	WHERE h.run_id = $1 AND h.position = ANY($2::bigint[]) ORDER BY h.position, a.attempt`

// qualified puts the name of a table before each of columns.
func qualified(table, columns string) string {
	names := strings.Split(columns, ",")
	for i, name := range names {
		names[i] = table + "." + strings.TrimSpace(name)
	}
	return strings.Join(names, ", ")
}

// Hosts returns the records of hosts, by their positions, in one round trip.
func (p *pages) Hosts(ctx context.Context, positions []int) (map[int]*store.RecordedHost, error) {
	hosts := make(map[int]*store.RecordedHost)
	var b pgx.Batch
	b.Queue(hostsAt, p.run, positions).Query(eachRow(func(rows pgx.Rows) error { return scanRecorded(rows, hosts) }))
	b.Queue(attemptsAt, p.run, positions).Query(eachRow(func(rows pgx.Rows) error { return scanAttempt(rows, hosts) }))
	var unreadable error
	b.Queue(briefAt, p.run, positions, briefOutput).Query(eachRow(func(rows pgx.Rows) error {
		if err := scanBrief(rows, hosts); err != nil && unreadable == nil {
			unreadable = err
		}
		return nil
	}))
	if err := p.pool.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	if unreadable != nil {
		// Read host by host, so that the error comes at the host that cannot be read.
		for _, h := range hosts {
			h.Brief = nil
		}
	}
	return hosts, nil
}

func scanRecorded(rows pgx.Rows, hosts map[int]*store.RecordedHost) (err error) {
	var position, attempts int
	var row tables.ReportRow
	if err := rows.Scan(append([]any{&position, &attempts}, row.Fields()...)...); err != nil {
		return err
	}
	h := &store.RecordedHost{}
	h.Result, h.Ended, err = row.Result()
	h.Result.Attempts = attempts
	hosts[position] = h
	return err
}

func scanAttempt(rows pgx.Rows, hosts map[int]*store.RecordedHost) (err error) {
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
	return nil
}

func scanBrief(rows pgx.Rows, hosts map[int]*store.RecordedHost) error {
	var position, attempt int
	e, err := scanOutput(rows, &position, &attempt)
	if err != nil {
		return err
	}
	// In a run that goes on there may be another attempt by now.
	if h := hosts[position]; h != nil && h.Result.Attempts == attempt {
		h.Brief = append(h.Brief, e)
	}
	return nil
}

// Output reads the rows of output that follow the one numbered after.
func (p *pages) Output(ctx context.Context, host string, attempt, after, most int) ([]fanout.Event, error) {
	return scanAll(ctx, p.pool, func(rows pgx.Rows) (fanout.Event, error) { return scanOutput(rows) }, `
		SELECT seq, stream, at, codec, data, size FROM output
		WHERE run_id = $1 AND host = $2 AND attempt = $3 AND seq > $4 ORDER BY seq LIMIT $5`, p.run, host, attempt, after, most)
}

// scanOutput reads a row whose columns are those of keys, then seq, stream, at, codec,
// data and size.
func scanOutput(rows pgx.Rows, keys ...any) (fanout.Event, error) {
	e := fanout.Event{Kind: fanout.Output}
	var stream, at, codec string
	var data []byte
	var size int64
	if err := rows.Scan(append(keys, &e.Number, &stream, &at, &codec, &data, &size)...); err != nil {
		return e, err
	}
	if stream == fanout.Stderr.String() {
		e.Stream = fanout.Stderr
	}
	var err error
	if e.Time, err = time.Parse(time.RFC3339, at); err != nil {
		return e, err
	}
	e.Data, e.Omitted, err = store.Decode(codec, keptData(data, size))
	return e, err
}

// keptData is what a row of output holds, as [store.Decode] takes it.
func keptData(data []byte, size int64) any {
	if data == nil {
		return size
	}
	return data
}
