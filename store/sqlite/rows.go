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

// placeholders is "?, ?, …", n times.
func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

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
