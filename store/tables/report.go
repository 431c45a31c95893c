package tables

import (
	"database/sql"
	"strings"
	"time"

	"tutti/fanout"
)

// millis is NULL for a step that took no time because it was not made.
func millis(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return d.Milliseconds()
}

// connectMillis is NULL if there was no connection to make.
func connectMillis(p *fanout.Report) any {
	if p.Resolve+p.Dial+p.Login == 0 {
		return nil
	}
	return p.Connect().Milliseconds()
}

// FromMillis is a duration as it was stored; 0 for NULL.
func FromMillis(n sql.NullInt64) time.Duration { return time.Duration(n.Int64) * time.Millisecond }

// ReportColumns are the columns that results and attempts share, in the order
// of AppendReport and ReportRow.
const ReportColumns = `address, outcome, started, exit_code, signal, error_op, error, remote_state, output_complete,
	queued_at, begun_at, started_at, ended_at, resolve_ms, dial_ms, login_ms, connect_ms, duration_ms,
	stdout_bytes, stderr_bytes, omitted_bytes, output_hash, signal_message, core, final, error_detail, error_hint`

// NumReportColumns is how many they are.
const NumReportColumns = 27

// CountColumns are the columns of runs that count hosts, in the order of
// fanout.Outcomes, which they are named for.
const CountColumns = "ok, failed, timeout, lost, unreachable, canceled, skipped"

// NumCounts is how many they are.
const NumCounts = 7

// AppendReport appends the values of ReportColumns for r.
func AppendReport(args []any, r *fanout.Result, hash string) []any {
	var exitCode, signal, op, message, remote, complete, signalMessage, core, final, detail, hint any
	if r.Attempts > 0 {
		complete = r.Report.OutputComplete
	}
	if x := r.Report.Exit; x != nil {
		signal, signalMessage = Text(x.Signal), Text(x.Message)
		if x.Signal == "" {
			exitCode = int64(x.Code)
		}
		if x.Core {
			core = true
		}
	}
	if f := r.Report.Failure; f != nil {
		op, message, remote = string(f.Op), Text(f.Text()), Text(f.Remote)
		detail, hint = Text(f.Detail), Text(f.Hint)
		if f.Final {
			final = true
		}
	}
	p := &r.Report
	return append(args,
		Text(p.Address), r.Outcome.String(), p.Started, exitCode, signal, op, message, remote, complete,
		Time(r.QueuedAt), Time(r.BegunAt), Time(r.StartedAt), Time(r.EndedAt),
		millis(p.Resolve), millis(p.Dial), millis(p.Login), connectMillis(p), millis(p.Command),
		r.StdoutBytes, r.StderrBytes, r.OmittedBytes, Text(hash), signalMessage, core, final, detail, hint,
	)
}

// A ReportRow receives ReportColumns.
type ReportRow struct {
	address, outcome, signal, op, message, remote, Hash, signalMessage, detail, hint sql.NullString
	queuedAt, begunAt, startedAt, endedAt                                            sql.NullString
	started                                                                          bool
	complete, core, final                                                            sql.NullBool
	exitCode, resolve, dial, login, connect, duration                                sql.NullInt64
	stdout, stderr, omitted                                                          int64
}

// Fields are where to scan ReportColumns.
func (r *ReportRow) Fields() []any {
	return []any{
		&r.address, &r.outcome, &r.started, &r.exitCode, &r.signal, &r.op, &r.message, &r.remote, &r.complete,
		&r.queuedAt, &r.begunAt, &r.startedAt, &r.endedAt,
		&r.resolve, &r.dial, &r.login, &r.connect, &r.duration,
		&r.stdout, &r.stderr, &r.omitted, &r.Hash, &r.signalMessage, &r.core, &r.final, &r.detail, &r.hint,
	}
}

// Result makes a Result of the row, without its target and attempts; ended is
// false if the target has not ended.
func (r *ReportRow) Result() (res fanout.Result, ended bool, err error) {
	if r.outcome.Valid {
		ended = true
		if res.Outcome, err = fanout.ParseOutcome(r.outcome.String); err != nil {
			return res, false, err
		}
	}
	err = ParseTimes(TimeCell{&res.QueuedAt, r.queuedAt}, TimeCell{&res.BegunAt, r.begunAt},
		TimeCell{&res.StartedAt, r.startedAt}, TimeCell{&res.EndedAt, r.endedAt})
	if err != nil {
		return res, false, err
	}
	res.StdoutBytes, res.StderrBytes, res.OmittedBytes = r.stdout, r.stderr, r.omitted
	res.Report = r.report()
	return res, ended, nil
}

func (r *ReportRow) report() fanout.Report {
	p := fanout.Report{
		Started:        r.started,
		OutputComplete: r.complete.Bool,
		Address:        r.address.String,
		Resolve:        FromMillis(r.resolve),
		Dial:           FromMillis(r.dial),
		Login:          FromMillis(r.login),
		Command:        FromMillis(r.duration),
	}
	if r.exitCode.Valid || r.signal.Valid {
		p.Exit = &fanout.Exit{
			Code:    uint32(r.exitCode.Int64),
			Signal:  r.signal.String,
			Core:    r.core.Bool,
			Message: r.signalMessage.String,
		}
	}
	if r.op.Valid {
		p.Failure = &fanout.Failure{
			Op:      fanout.Op(r.op.String),
			Message: r.message.String,
			Detail:  r.detail.String,
			Hint:    r.hint.String,
			Remote:  r.remote.String,
			Final:   r.final.Bool,
		}
		if r.detail.Valid {
			p.Failure.Message = strings.TrimSuffix(r.message.String, ": "+r.detail.String)
		}
	}
	return p
}
