package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tutti/store"
	"tutti/store/tables"
)

// A Source is a history in another engine, whose tables and columns have the names of this
// one's, except results, whose booleans are 0 and 1.
type Source interface {
	// Dump calls each with the names of the columns of a query and the values of each row.
	Dump(ctx context.Context, query string, each func(columns []string, values []any) error) error
	// Columns are those of a table.
	Columns(ctx context.Context, table string) ([]string, error)
}

// A Copied counts what was copied.
type Copied struct{ Runs, Jobs, Users int64 }

// copied are the tables that are copied as they are, those first that others refer to.
var copied = []string{
	"runs", "attempts", "scripts", "queue", "requests", "callbacks", "jobs", "job_changes", "job_states", "firings", "outbox", "notifications",
	"maintenance", "heartbeats", "users", "tokens", "sessions", "login_links", "audit",
}

// The parts of the table results, and the pieces of output in their order.
var parts = []struct{ table, query string }{
	{"hosts", "SELECT run_id, position, host FROM results"},
	{"starts", "SELECT run_id, position, attempts AS attempt, address, started_at AS at FROM results WHERE outcome IS NULL AND started"},
	{"ended", "SELECT run_id, position, attempts, " + tables.ReportColumns + " FROM results WHERE outcome IS NOT NULL"},
	{"output", "SELECT run_id, host, attempt, stream, seq, at, start, 0 AS size, codec, data FROM output ORDER BY run_id, host, attempt, seq"},
}

// CopyFrom copies a history into this one, which must be empty, in one transaction. Numbers
// stay as they are.
func (s *Store) CopyFrom(ctx context.Context, from Source) (c Copied, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, writing, func(tx pgx.Tx) error {
		used, err := exists(ctx, tx, "SELECT 1 FROM runs UNION ALL SELECT 1 FROM jobs UNION ALL SELECT 1 FROM users")
		if err != nil {
			return err
		}
		if used {
			return &store.Error{Op: "change", Path: s.name, Err: errors.New("it is not empty: a history is only copied into an empty one")}
		}
		for _, table := range copied {
			query, err := queryOf(ctx, tx, from, table)
			if err != nil {
				return err
			}
			n, err := copyTable(ctx, tx, from, table, query)
			if err != nil {
				return err
			}
			c.count(table, n)
		}
		for _, part := range parts {
			if _, err := copyTable(ctx, tx, from, part.table, part.query); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, continueNumbers)
		return err
	})
	return c, s.fault("change", err)
}

func (c *Copied) count(table string, n int64) {
	switch table {
	case "runs":
		c.Runs = n
	case "jobs":
		c.Jobs = n
	case "users":
		c.Users = n
	}
}

// queryOf selects the columns that a table has in both.
func queryOf(ctx context.Context, tx pgx.Tx, from Source, table string) (string, error) {
	theirs, err := from.Columns(ctx, table)
	if err != nil {
		return "", err
	}
	ours, err := typesOf(ctx, tx, table)
	if err != nil {
		return "", err
	}
	var both []string
	for _, name := range theirs {
		if _, has := ours[name]; has {
			both = append(both, `"`+name+`"`)
		}
	}
	return "SELECT " + strings.Join(both, ", ") + " FROM " + table, nil
}

// typesOf are the types of the columns of a table.
func typesOf(ctx context.Context, tx pgx.Tx, table string) (map[string]string, error) {
	types := make(map[string]string)
	err := eachOf(ctx, tx, func(rows pgx.Rows) error {
		var name, kind string
		err := rows.Scan(&name, &kind)
		types[name] = kind
		return err
	}, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1", table)
	return types, err
}

// copyBatch is how many rows are sent at once.
const copyBatch = 500

// copyTable copies the rows of a query into a table.
func copyTable(ctx context.Context, tx pgx.Tx, from Source, table, query string) (n int64, err error) {
	types, err := typesOf(ctx, tx, table)
	if err != nil {
		return 0, err
	}
	var names []string
	var rows [][]any
	send := func() error {
		sent, err := tx.CopyFrom(ctx, pgx.Identifier{table}, names, pgx.CopyFromRows(rows))
		n, rows = n+sent, nil
		return err
	}
	var o outputCopy
	err = from.Dump(ctx, query, func(columns []string, values []any) error {
		names = columns
		row := make([]any, len(values))
		for i, v := range values {
			row[i] = converted(v, types[columns[i]])
		}
		if table == "output" {
			if err := o.complete(row); err != nil {
				return err
			}
		}
		if rows = append(rows, row); len(rows) < copyBatch {
			return nil
		}
		return send()
	})
	if err == nil && rows != nil {
		err = send()
	}
	if err != nil {
		return n, fmt.Errorf("%s: %w", table, err)
	}
	return n, nil
}

// converted is a value as a column of that type has it. Bytes are kept by the caller of Dump.
func converted(v any, kind string) any {
	switch x := v.(type) {
	case int64:
		if kind == "boolean" {
			return x != 0
		}
	case string:
		if kind == "bytea" {
			return []byte(x)
		}
		return storable(x)
	case []byte:
		if kind == "text" {
			return storable(string(x))
		}
		return slices.Clone(x)
	}
	return v
}

// An outputCopy completes rows of output, which come in the order of their attempts.
type outputCopy struct {
	attempt string
	at      map[any]int64 // by stream, how long it is so far
}

// The columns of output in the order of parts.
const (
	outputStream = 3
	outputStart  = 6
	outputSize   = 7
	outputCodec  = 8
	outputData   = 9
)

// complete sets size, and where a piece begins, which an older version did not keep.
func (o *outputCopy) complete(row []any) error {
	if attempt := fmt.Sprint(row[:outputStream]); attempt != o.attempt {
		o.attempt, o.at = attempt, make(map[any]int64)
	}
	codec, _ := row[outputCodec].(string)
	data, missing, err := store.Decode(codec, row[outputData])
	if err != nil {
		return err
	}
	size := int64(len(data)) + missing
	if row[outputSize] = size; missing > 0 {
		row[outputData] = nil
	}
	stream := row[outputStream]
	if row[outputStart] == nil {
		row[outputStart] = o.at[stream]
	}
	o.at[stream] += size
	return nil
}

// continueNumbers has new rows get numbers that were never used, and new registrations
// fences above all old ones.
const continueNumbers = `
	SELECT setval(pg_get_serial_sequence(t.name, 'id'), greatest(t.last, 1), t.last > 0) FROM (VALUES
		('runs', (SELECT coalesce(max(id), 0) FROM runs)), ('jobs', (SELECT coalesce(max(job_id), 0) FROM job_changes)),
		('outbox', (SELECT coalesce(max(id), 0) FROM outbox)), ('notifications', (SELECT coalesce(max(id), 0) FROM notifications)),
		('users', (SELECT coalesce(max(id), 0) FROM users)), ('tokens', (SELECT coalesce(max(id), 0) FROM tokens)),
		('audit', (SELECT coalesce(max(id), 0) FROM audit))) AS t (name, last);
	SELECT setval('firing_numbers', (SELECT coalesce(max(id), 0) + 1 FROM firings), false);
	SELECT setval('epochs', greatest((SELECT last_value FROM epochs), (SELECT coalesce(max(daemon_id), 0) + 1 FROM firings),
		(SELECT coalesce(max(daemon_id), 0) + 1 FROM runs)), false)`
