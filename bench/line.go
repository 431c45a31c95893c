package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A section is a numbered group of lines.
type section struct {
	id, title string
	lines     []spec
}

// A spec is a line to be measured.
type spec struct {
	id, what string
	bar      bar
	measure  func(ctx context.Context, l *lab) (reading, error)
}

// A reading is what a line measured, in the unit of its bar, and what stands
// behind it.
type reading struct {
	value float64
	note  string
}

// A bar is what a line must reach. The zero value is none: the line only reports.
type bar struct {
	limit float64
	unit  string
	least bool // the value must be at least limit, else at most
}

// times bounds a ratio; the others bound absolute values.
func times(limit float64) bar        { return bar{limit: limit, unit: "×"} }
func atLeastTimes(limit float64) bar { return bar{limit: limit, unit: "×", least: true} }
func atMost(limit float64, unit string) bar {
	return bar{limit: limit, unit: unit}
}

func (b bar) holds(value float64) bool {
	switch {
	case b.limit == 0:
		return true
	case b.least:
		return value >= b.limit
	}
	return value <= b.limit
}

func (b bar) String() string {
	switch {
	case b.limit == 0:
		return "none"
	case b.least:
		return fmt.Sprintf("≥ %g %s", b.limit, b.unit)
	}
	return fmt.Sprintf("≤ %g %s", b.limit, b.unit)
}

// errAbsent is the error of a line that cannot be measured here because a program is
// missing.
var errAbsent = errors.New("not measured")

// A line is a spec that was measured.
type line struct {
	spec
	section string // title
	reading
	err  error
	tiny bool // of a quick run, too small for the bar to mean anything
}

// verdict is a word for how it went.
func (l line) verdict() string {
	switch {
	case errors.Is(l.err, errAbsent):
		return "absent"
	case l.err != nil:
		return "error"
	case l.tiny:
		return "tiny"
	case l.bar.limit == 0:
		return "report"
	case l.bar.holds(l.value):
		return "holds"
	}
	return "FAILS"
}

// got is the value with its unit.
func (l line) got() string {
	if l.err != nil {
		return "–"
	}
	return fmt.Sprintf("%.3g %s", l.value, l.bar.unit)
}

// remark is what stands behind the value, or why there is none.
func (l line) remark() string {
	if l.err != nil {
		return strings.Join(strings.Fields(l.err.Error()), " ")
	}
	return l.note
}

func (l line) String() string {
	return fmt.Sprintf("%-4s %-6s %10s  %-12s %s (%s)", l.id, l.verdict(), l.got(), l.bar, l.what, l.remark())
}

// section measures the lines of s that only asks for.
func (l *lab) section(ctx context.Context, s section, only string) []line {
	var out []line
	for _, sp := range s.lines {
		if !wanted(sp.id, only) || ctx.Err() != nil {
			continue
		}
		done := line{spec: sp, section: s.title, tiny: l.quick}
		done.reading, done.err = sp.measure(ctx, l)
		out = append(out, done)
	}
	return out
}

// sections are all lines.
var sections = []section{
	{"1", "CPU", cpuLines},
	{"2", "Wall", wallLines},
	{"3", "Memory", memoryLines},
	{"4", "Real sshd", sshdLines},
	{"5", "Bulk", append(bulkLines, sshdBulkLines...)},
	{"6", "History", historyLines},
	{"7", "Start-up", startLines},
	{"8", "Warm", warmLines},
	{"9", "Scale", scaleLines},
	{"10", "Server", append(serverLines, liveLines...)},
}
