package tables

import (
	"context"
	"database/sql"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// ScanHostRow reads the columns of more, then position, host, attempts and
// ReportColumns. cutOff is asked once they are read.
func ScanHostRow(rows Rows, cutOff func() bool, more ...any) (h store.HostRow, err error) {
	var row ReportRow
	var target fanout.Target
	var attempts int
	if err := rows.Scan(append(append(more, &target.Index, &target.Name, &attempts), row.Fields()...)...); err != nil {
		return h, err
	}
	var ended bool
	if h.Result, ended, err = row.Result(); err != nil {
		return h, err
	}
	h.Target, h.Attempts, h.OutputHash = target, attempts, row.Hash.String
	h.Phase = store.PhaseOf(ended || cutOff(), h.Report.Started, attempts)
	if !ended && h.Phase == store.HostEnded {
		h.Outcome = store.CutOff(h.Report.Started)
	}
	return h, nil
}

// ResultColumns are what ScanResult reads.
const ResultColumns = "position, host, attempts, " + ReportColumns

// ScanResult reads ResultColumns. A host whose end is not on record is lost, or skipped.
func ScanResult(rows Rows) (x store.HostResult, err error) {
	var target fanout.Target
	var attempts int
	var row ReportRow
	if err := rows.Scan(append([]any{&target.Index, &target.Name, &attempts}, row.Fields()...)...); err != nil {
		return x, err
	}
	var ended bool
	if x.Result, ended, err = row.Result(); err != nil {
		return x, err
	}
	x.Target, x.Attempts, x.OutputHash = target, attempts, row.Hash.String
	if !ended {
		x.Outcome = store.CutOff(x.Report.Started)
	}
	return x, nil
}

// HostStateColumns are what ScanHostState reads.
const HostStateColumns = "position, attempts, started, outcome, exit_code, duration_ms, stdout_bytes, stderr_bytes"

// ScanHostState reads HostStateColumns.
func ScanHostState(rows Rows) (x store.HostState, err error) {
	x.ExitCode = store.NoExit
	var outcome sql.NullString
	var exitCode, duration sql.NullInt64
	if err := rows.Scan(&x.Position, &x.Attempts, &x.Started, &outcome, &exitCode, &duration, &x.StdoutBytes, &x.StderrBytes); err != nil {
		return x, err
	}
	if outcome.Valid {
		x.Ended = true
		if x.Outcome, err = fanout.ParseOutcome(outcome.String); err != nil {
			return x, err
		}
	}
	if exitCode.Valid {
		x.ExitCode = exitCode.Int64
	}
	x.Duration = FromMillis(duration)
	return x, nil
}

// HostsNotOK returns the first hosts of a run that failed.
func HostsNotOK(ctx context.Context, c Reader, run int64) ([]scheduler.MessageHost, error) {
	rows, err := c.Query(ctx, `
		SELECT host, outcome, exit_code, coalesce(error, '') FROM results
		WHERE run_id = ? AND outcome <> 'ok' ORDER BY position LIMIT ?`, run, scheduler.MaxMessageHosts)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var hosts []scheduler.MessageHost
	for rows.Next() {
		var h scheduler.MessageHost
		if err := rows.Scan(&h.Host, &h.Outcome, &h.ExitCode, &h.Error); err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, rows.Err()
}
