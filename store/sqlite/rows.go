package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/store/tables"
)

// scanAll makes of each row of a query what scan makes of it.
func scanAll[T any](ctx context.Context, q queryer, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// timeText is NULL for the zero time.
func timeText(t time.Time) any { return tables.Time(t) }

// parseTime is the zero time for NULL.
func parseTime(s sql.NullString) (time.Time, error) { return tables.ParseTime(s) }

// A timeReader reads many times, of which most are in the same minute as the one before:
// that takes a tenth of the time. The zero value is ready; it is for one goroutine.
type timeReader struct {
	minute string // as it is written, with the colon behind it
	start  time.Time
}

// read reads a time that is written in [fanout.TimeLayout].
func (r *timeReader) read(text string) (time.Time, error) {
	const minute = len("2006-01-02T15:04:")
	if len(text) == len(fanout.TimeLayout) && text[:minute] == r.minute {
		if ms, ok := milliseconds(text[minute:]); ok {
			return r.start.Add(time.Duration(ms) * time.Millisecond), nil
		}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err == nil && len(text) == len(fanout.TimeLayout) {
		r.minute, r.start = text[:minute], at.Truncate(time.Minute)
	}
	return at, err
}

// milliseconds reads the seconds of a time, such as 05.678Z.
func milliseconds(text string) (ms int, ok bool) {
	for i, c := range []byte(text) {
		switch digit := int(c) - '0'; {
		case i == 2 && c == '.', i == 6 && c == 'Z':
		case i != 2 && i != 6 && 0 <= digit && digit <= 9:
			ms = ms*10 + digit
		default:
			return 0, false
		}
	}
	return ms, ms < 60_000
}

// timeCell is a time as it was read, and where it goes.
func timeCell(to *time.Time, from sql.NullString) tables.TimeCell {
	return tables.TimeCell{To: to, From: from}
}

// parseTimes is parseTime for several.
func parseTimes(cells ...tables.TimeCell) error { return tables.ParseTimes(cells...) }

// text is NULL for the empty string.
func text(s string) any { return tables.Text(s) }

// number is NULL for 0.
func number(n int64) any { return tables.Number(n) }

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

func fromMillis(n sql.NullInt64) time.Duration { return time.Duration(n.Int64) * time.Millisecond }

// reportColumns are the columns that results and attempts share, in the order
// of appendReport and reportRow.
const reportColumns = `address, outcome, started, exit_code, signal, error_op, error, remote_state, output_complete,
	queued_at, begun_at, started_at, ended_at, resolve_ms, dial_ms, login_ms, connect_ms, duration_ms,
	stdout_bytes, stderr_bytes, omitted_bytes, output_hash, signal_message, core, final, error_detail, error_hint`

// numReportColumns is how many they are.
const numReportColumns = 27

// countColumns are the columns of runs that count hosts, in the order of
// fanout.Outcomes, which they are named for.
const countColumns = "ok, failed, timeout, lost, unreachable, canceled, skipped"

// numCounts is how many they are.
const numCounts = 7

// placeholders is "?, ?, …", n times.
func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// appendReport appends the values of reportColumns for r.
func appendReport(args []any, r *fanout.Result, hash string) []any {
	var exitCode, signal, op, message, remote, complete, signalMessage, core, final, detail, hint any
	if r.Attempts > 0 {
		complete = r.Report.OutputComplete
	}
	if x := r.Report.Exit; x != nil {
		signal, signalMessage = text(x.Signal), text(x.Message)
		if x.Signal == "" {
			exitCode = int64(x.Code)
		}
		if x.Core {
			core = true
		}
	}
	if f := r.Report.Failure; f != nil {
		op, message, remote = string(f.Op), text(f.Text()), text(f.Remote)
		detail, hint = text(f.Detail), text(f.Hint)
		if f.Final {
			final = true
		}
	}
	p := &r.Report
	return append(args,
		text(p.Address), r.Outcome.String(), p.Started, exitCode, signal, op, message, remote, complete,
		timeText(r.QueuedAt), timeText(r.BegunAt), timeText(r.StartedAt), timeText(r.EndedAt),
		millis(p.Resolve), millis(p.Dial), millis(p.Login), connectMillis(p), millis(p.Command),
		r.StdoutBytes, r.StderrBytes, r.OmittedBytes, text(hash), signalMessage, core, final, detail, hint,
	)
}

// A reportRow receives reportColumns.
type reportRow struct {
	address, outcome, signal, op, message, remote, hash, signalMessage, detail, hint sql.NullString
	queuedAt, begunAt, startedAt, endedAt                                            sql.NullString
	started                                                                          bool
	complete, core, final                                                            sql.NullBool
	exitCode, resolve, dial, login, connect, duration                                sql.NullInt64
	stdout, stderr, omitted                                                          int64
}

func (r *reportRow) fields() []any {
	return []any{
		&r.address, &r.outcome, &r.started, &r.exitCode, &r.signal, &r.op, &r.message, &r.remote, &r.complete,
		&r.queuedAt, &r.begunAt, &r.startedAt, &r.endedAt,
		&r.resolve, &r.dial, &r.login, &r.connect, &r.duration,
		&r.stdout, &r.stderr, &r.omitted, &r.hash, &r.signalMessage, &r.core, &r.final, &r.detail, &r.hint,
	}
}

// result makes a Result of the row, without its target and attempts; ended is
// false if the target has not ended.
func (r *reportRow) result() (res fanout.Result, ended bool, err error) {
	if r.outcome.Valid {
		ended = true
		if res.Outcome, err = fanout.ParseOutcome(r.outcome.String); err != nil {
			return res, false, err
		}
	}
	err = parseTimes(timeCell(&res.QueuedAt, r.queuedAt), timeCell(&res.BegunAt, r.begunAt),
		timeCell(&res.StartedAt, r.startedAt), timeCell(&res.EndedAt, r.endedAt))
	if err != nil {
		return res, false, err
	}
	res.StdoutBytes, res.StderrBytes, res.OmittedBytes = r.stdout, r.stderr, r.omitted
	res.Report = r.report()
	return res, ended, nil
}

func (r *reportRow) report() fanout.Report {
	p := fanout.Report{
		Started:        r.started,
		OutputComplete: r.complete.Bool,
		Address:        r.address.String,
		Resolve:        fromMillis(r.resolve),
		Dial:           fromMillis(r.dial),
		Login:          fromMillis(r.login),
		Command:        fromMillis(r.duration),
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

// scanFirst reads the first columns of a row of which others cannot be read.
func scanFirst(rows *sql.Rows, first ...any) error {
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	for range names[len(first):] {
		first = append(first, new(any))
	}
	return rows.Scan(first...)
}
