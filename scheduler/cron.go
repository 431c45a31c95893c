package scheduler

import (
	"fmt"
	"sync"
	"time"

	"github.com/gorhill/cronexpr"
)

// A calendar finds the next local time that all its expressions match. It is the fence
// around the cron library, which on its own
//   - returns one time for ever where daylight saving begins, so that it is
//     given times in UTC only, which stand for the readings of a clock;
//   - reads 05 as 0 in some fields, panics over reversed ranges, loops over a
//     step of 0 and ignores what stands after the seventh field, so that the
//     only thing it gets to read is what [fields.plain] writes;
//   - changes its own state in each call.
type calendar struct {
	// mu guards exprs, which change with each question.
	mu    sync.Mutex
	exprs []*cronexpr.Expression
}

// The library knows these years only.
const (
	firstYear = 1970
	lastYear  = 2099
)

// newCalendar parses expressions of seven fields without names, ranges and steps.
func newCalendar(plain ...string) (c *calendar, err error) {
	defer recovered(&err)
	c = &calendar{}
	for _, text := range plain {
		expr, err := cronexpr.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("cron library: %q: %w", text, err)
		}
		c.exprs = append(c.exprs, expr)
	}
	return c, nil
}

// next returns the first match after from, both as readings of a clock. The error is
// [ErrNoMore] if there is none; any other error is the library's fault.
func (c *calendar) next(from time.Time) (next time.Time, err error) {
	defer recovered(&err)
	if begin := time.Date(firstYear-1, 12, 31, 0, 0, 0, 0, time.UTC); from.Before(begin) {
		from = begin
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Each expression in turn advances to where the others are, until all match one
	// time. The loop ends, since each step is a later time and none follows the last
	// year.
	for agreed := 0; agreed < len(c.exprs); {
		for _, expr := range c.exprs {
			from := from
			if !next.IsZero() {
				from = next.Add(-time.Nanosecond) // next itself may match
			}
			match, err := nextOf(expr, from)
			if err != nil {
				return time.Time{}, err
			}
			if !match.Equal(next) {
				next, agreed = match, 0
			}
			agreed++
		}
	}
	return next, nil
}

// nextOf returns the first match of one expression after from.
func nextOf(expr *cronexpr.Expression, from time.Time) (time.Time, error) {
	next := expr.Next(from)
	switch {
	case next.IsZero():
		return time.Time{}, ErrNoMore
	case !next.After(from):
		return time.Time{}, fmt.Errorf("cron library: %s is not after %s", next, from)
	}
	return next, nil
}

// recovered turns a panic of the library into an error: one bad job must not stop the
// others.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("cron library: panic: %v", r)
	}
}
