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

// The sizes of what is read at once. Nothing is read while the sink is called:
// a sink that waits for a pager must not hold back the write-ahead log.
const (
	replayHosts = 256
	replayRows  = 16
	// briefOutput is how many bytes a host may have said for its output to be
	// read together with that of others. Each may have a row of its own.
	briefOutput = 512
)

// A playedHost is what is recorded of a target beside its output.
type playedHost struct {
	result  fanout.Result
	ended   bool
	earlier []playedAttempt
	brief   []fanout.Event // all output of the last attempt, if that is little
}

type playedAttempt struct {
	result fanout.Result
	delay  time.Duration
}

// readHosts reads what is recorded of the targets of a page, by their places.
func (p *player) readHosts(ctx context.Context, page []playedTarget) (map[int]*playedHost, error) {
	places, err := placesOf(page)
	if err != nil {
		return nil, err
	}
	hosts := make(map[int]*playedHost)
	rows, err := p.store.r.QueryContext(ctx, `
		SELECT position, attempts, `+reportColumns+` FROM results
		WHERE run_id = ? AND position IN `+inPlaces, p.run.ID, places)
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
	if err := p.readAttempts(ctx, places, hosts); err != nil {
		return nil, err
	}
	if p.readBrief(ctx, places, hosts) != nil {
		// Each host's is read in its turn, and the trouble told where it belongs.
		for _, h := range hosts {
			h.brief = nil
		}
	}
	return hosts, nil
}

// inPlaces stands for the places of a page; its parameter is what placesOf returns.
const inPlaces = "(SELECT value FROM json_each(?))"

func placesOf(page []playedTarget) (string, error) {
	places := make([]int, len(page))
	for i, t := range page {
		places[i] = t.position
	}
	list, err := json.Marshal(places)
	return string(list), err
}

// unwatched is for queries of a few rows: to watch for the end of ctx takes longer
// than to read them, and emit looks at it.
func unwatched(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// readAttempts adds the earlier attempts to hosts.
func (p *player) readAttempts(ctx context.Context, places string, hosts map[int]*playedHost) error {
	rows, err := p.store.r.QueryContext(ctx, `
		SELECT r.position, a.attempt, a.delay_ms, `+qualified("a", reportColumns)+`
		FROM results r JOIN attempts a ON a.run_id = r.run_id AND a.host = r.host
		WHERE r.run_id = ? AND r.position IN `+inPlaces+` ORDER BY r.position, a.attempt`, p.run.ID, places)
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

// readBrief adds the output of those who said little, in one query for all of them.
func (p *player) readBrief(ctx context.Context, places string, hosts map[int]*playedHost) error {
	rows, err := p.store.r.QueryContext(ctx, `
		SELECT r.position, o.attempt, o.stream, o.at, o.codec, o.data
		FROM results r JOIN output o ON o.run_id = r.run_id AND o.host = r.host AND o.attempt = r.attempts
		WHERE r.run_id = ? AND r.position IN `+inPlaces+` AND r.stdout_bytes + r.stderr_bytes BETWEEN 1 AND ?
		ORDER BY r.position, o.seq`, p.run.ID, places, briefOutput)
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
		if h := hosts[position]; h != nil && h.result.Attempts == attempt {
			h.brief = append(h.brief, e)
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

// readOutput reads the rows of output that follow the one numbered after.
func (p *player) readOutput(ctx context.Context, t *fanout.Target, attempt, after int) (events []fanout.Event, next int, err error) {
	rows, err := p.output.QueryContext(unwatched(ctx), p.run.ID, t.Name, attempt, after, replayRows)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		e, err := scanOutput(rows, &next)
		if err != nil {
			return nil, 0, fmt.Errorf("output of %s in run %d: %w", t.Name, p.run.ID, err)
		}
		events = append(events, e)
	}
	return events, next, rows.Err()
}

// scanOutput reads a row whose columns are those of keys, then stream, at, codec
// and data.
func scanOutput(rows *sql.Rows, keys ...any) (fanout.Event, error) {
	e := fanout.Event{Kind: fanout.Output}
	var stream, at, codec string
	var data any
	if err := rows.Scan(append(keys, &stream, &at, &codec, &data)...); err != nil {
		return e, err
	}
	if stream == fanout.Stderr.String() {
		e.Stream = fanout.Stderr
	}
	var err error
	if e.Time, err = time.Parse(time.RFC3339, at); err != nil {
		return e, err
	}
	e.Data, e.Omitted, err = decodeRow(codec, data)
	return e, err
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
