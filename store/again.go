package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"tutti/fanout"
)

// Decided is how a recorded run was decided, beside what its Run says.
type Decided struct {
	// Task without secrets, and the content of script and input.
	Task fanout.Task
	// Given is that of RunInfo; nil if there was none.
	Given map[string][]string
}

// Decided returns how the run was decided. The error is a *NoRunError or an
// *Error.
func (s *Store) Decided(ctx context.Context, run int64) (Decided, error) {
	var plan, command string
	err := s.r.QueryRowContext(ctx, "SELECT plan, command FROM runs WHERE id = ?", run).Scan(&plan, &command)
	if errors.Is(err, sql.ErrNoRows) {
		return Decided{}, s.noRun(ctx, fmt.Sprint(run))
	}
	if err != nil {
		return Decided{}, s.fault("read", err)
	}
	var record planRecord
	if err := json.Unmarshal([]byte(plan), &record); err != nil {
		return Decided{}, s.fault("read", fmt.Errorf("plan of run %d: %w", run, err))
	}
	record.Task.Action = labelled(record.Task.Action, command)
	return Decided{Task: record.Task, Given: record.Given}, nil
}

// A HostResult is what became of a host in a recorded run.
type HostResult struct {
	// Result knows of its target the name and the place in the plan. Of a host
	// whose end was not recorded it says what is certain: lost, or skipped.
	fanout.Result
	// OutputHash is equal for equal output of the last attempt, recorded or
	// not; empty if there was no attempt, or no end.
	OutputHash string
}

// Results returns the results of the hosts of the run, in the order of its
// plan. Of earlier attempts there is only their number. A run that does not
// exist has none. The error is an *Error.
func (s *Store) Results(ctx context.Context, run int64) ([]HostResult, error) {
	results, err := s.results(ctx, run)
	return results, s.fault("read", err)
}

func (s *Store) results(ctx context.Context, run int64) ([]HostResult, error) {
	rows, err := s.r.QueryContext(ctx, `
		SELECT position, host, attempts, `+reportColumns+` FROM results
		WHERE run_id = ? ORDER BY position`, run)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var results []HostResult
	for rows.Next() {
		var target fanout.Target
		var attempts int
		var row reportRow
		if err := rows.Scan(append([]any{&target.Index, &target.Name, &attempts}, row.fields()...)...); err != nil {
			return nil, err
		}
		result, ended, err := row.result()
		if err != nil {
			return nil, err
		}
		result.Target, result.Attempts = target, attempts
		switch {
		case ended:
		case result.Report.Started:
			result.Outcome = fanout.Lost
		default:
			result.Outcome = fanout.Skipped
		}
		results = append(results, HostResult{Result: result, OutputHash: row.hash.String})
	}
	return results, rows.Err()
}
