package scheduler

import (
	"fmt"
	"sync"
	"time"

	"github.com/gorhill/cronexpr"
)

// A calendar finds the next local time that an expression matches. It is the
// fence around the cron library, which on its own
//   - returns one instant for ever where daylight saving begins, so that it is
//     given times in UTC only, which stand for the readings of a clock;
//   - reads 05 as 0 in some fields, panics over reversed ranges, loops over a
//     step of 0 and ignores what stands after the seventh field, so that the
//     only thing it gets to read is what [fields.plain] writes;
//   - writes to itself when it is asked something.
type calendar struct {
	// mu guards expr, which changes with each question.
	mu   sync.Mutex
	expr *cronexpr.Expression
}

// The first and last years that the library knows.
const (
	firstYear = 1970
	lastYear  = 2099
)

// newCalendar takes an expression of seven fields without names, ranges and
// steps.
func newCalendar(plain string) (c *calendar, err error) {
	defer recovered(&err)
	expr, err := cronexpr.Parse(plain)
	if err != nil {
		return nil, fmt.Errorf("cron library: %q: %w", plain, err)
	}
	return &calendar{expr: expr}, nil
}

// next is the first match after from, both as readings of a clock. It is
// [ErrNoMore] if there is none, and any other error is the library's fault.
func (c *calendar) next(from time.Time) (next time.Time, err error) {
	defer recovered(&err)
	if begin := time.Date(firstYear-1, 12, 31, 0, 0, 0, 0, time.UTC); from.Before(begin) {
		from = begin
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next = c.expr.Next(from)
	switch {
	case next.IsZero():
		return time.Time{}, ErrNoMore
	case !next.After(from):
		return time.Time{}, fmt.Errorf("cron library: %s is not after %s", next, from)
	}
	return next, nil
}

// recovered turns a panic of the library into an error: one bad job must not
// take the others with it.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("cron library: panic: %v", r)
	}
}
