package sqlite

import (
	"context"
	"errors"

	"tutti/store/tables"
)

// Dump calls each with the names of the columns of a query and the values of each row, which
// are not kept by the caller. It is for who copies a history that no process writes to.
func (s *Store) Dump(ctx context.Context, query string, each func(columns []string, values []any) error) error {
	rows, err := s.r.QueryContext(ctx, query)
	if err != nil {
		return s.fault("read", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	columns, err := rows.Columns()
	if err != nil {
		return s.fault("read", err)
	}
	values, fields := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		fields[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			return s.fault("read", err)
		}
		if err := each(columns, values); err != nil {
			return err
		}
	}
	return s.fault("read", rows.Err())
}

// Columns are those of a table.
func (s *Store) Columns(ctx context.Context, table string) ([]string, error) {
	names, err := column[string](ctx, s.r, "SELECT name FROM pragma_table_info(?)", table)
	return names, s.fault("read", err)
}

// Quiet is an error if a process executes a run of the history, or serves it.
func (s *Store) Quiet(ctx context.Context) error {
	busy, err := tables.Exists(ctx, reader{s.r}, "SELECT 1 FROM runs WHERE state = 'running'")
	if err != nil {
		return s.fault("read", err)
	}
	if busy {
		return errors.New("a run is running: wait for its end")
	}
	daemons, err := s.Daemons(ctx)
	if err == nil && len(daemons) > 0 {
		err = errors.New("a daemon serves it: stop it first")
	}
	return err
}
