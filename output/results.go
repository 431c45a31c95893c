package output

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"tutti/fanout"
)

// maxFirstLine is how much of a line a Results keeps, in bytes.
const maxFirstLine = 1 << 10

// An Order is how a Results sorts its rows. The zero value is by host.
type Order int

const (
	// ByHost is the order of the plan.
	ByHost Order = iota
	// ByOutcome has the hosts that are not ok first.
	ByOutcome
	// ByTime has the slowest host first.
	ByTime
)

// Results prints a table when the run has ended: for each host its outcome, exit code,
// time, and the first line of its output, of stdout if it has any there, else of stderr.
// Hosts that nothing was tried on have a row as well. With Options.Quiet there are only
// hosts that are not ok, and without those no table.
type Results struct {
	opts  Options
	order Order
	width func() int
	rows  []resultRow
	open  map[int]*[2]firstLine // by target, of its attempt
}

var _ fanout.Sink = (*Results)(nil)

// A resultRow is a host that has finished.
type resultRow struct {
	host *fanout.Target
	r    *fanout.Result
	took time.Duration
	line string
}

// NewResults returns a Results that prints to opts, for a terminal of width columns; 0 is
// any number.
func NewResults(opts Options, order Order, width func() int) *Results {
	return &Results{opts: opts, order: order, width: width, open: map[int]*[2]firstLine{}}
}

// Handle takes e in. Its error is that of a Writer.
func (t *Results) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.Output:
		t.add(e)
	case fanout.TargetRetrying:
		delete(t.open, e.Target.Index)
	case fanout.TargetFinished:
		t.finish(e)
	case fanout.RunFinished:
		return t.print()
	}
	return nil
}

// Close frees nothing: what a host has said is a line.
func (t *Results) Close() error { return nil }

func (t *Results) add(e fanout.Event) {
	lines := t.open[e.Target.Index]
	if lines == nil {
		lines = new([2]firstLine)
		t.open[e.Target.Index] = lines
	}
	lines[e.Stream].add(e.Data)
}

func (t *Results) finish(e fanout.Event) {
	row := resultRow{host: e.Target, r: e.Result}
	if !e.Result.BegunAt.IsZero() {
		row.took = e.Result.EndedAt.Sub(e.Result.BegunAt)
	}
	if lines := t.open[e.Target.Index]; lines != nil {
		row.line = cmp.Or(lines[fanout.Stdout].text(), lines[fanout.Stderr].text())
		delete(t.open, e.Target.Index)
	}
	if t.opts.Quiet && e.Result.Outcome == fanout.OK {
		return
	}
	t.rows = append(t.rows, row)
}

func (t *Results) print() error {
	if len(t.rows) == 0 {
		return nil
	}
	slices.SortStableFunc(t.rows, t.compare)
	table := NewTable(
		Column{Title: "HOST", Least: 12}, Column{Title: "OUTCOME"}, Column{Title: "EXIT"}, Column{Title: "TIME"},
		Column{Title: "OUTPUT", Least: 10},
	)
	for _, row := range t.rows {
		table.Add(row.host.Name, row.r.Outcome.String(), exitText(row.r.Report.Exit), tookText(row), row.line)
	}
	var text bytes.Buffer
	if err := table.Write(&text, t.columns()); err != nil {
		return err
	}
	return t.opts.Stdout.line(text.Bytes())
}

// columns are those of the terminal; 0: stdout is none.
func (t *Results) columns() int {
	if !t.opts.StdoutTerminal {
		return 0
	}
	return t.width()
}

func (t *Results) compare(a, b resultRow) int {
	var order int
	switch t.order {
	case ByOutcome:
		order = cmp.Compare(rank(a.r.Outcome), rank(b.r.Outcome))
	case ByTime:
		order = cmp.Compare(b.took, a.took)
	}
	return cmp.Or(order, cmp.Compare(a.host.Index, b.host.Index))
}

// rank is the place of an outcome in a table: ok is the last.
func rank(o fanout.Outcome) int {
	n := len(fanout.Outcomes())
	return (int(o) + n - 1) % n
}

// exitText is the exit code, or the signal; empty without one.
func exitText(e *fanout.Exit) string {
	switch {
	case e == nil:
		return ""
	case e.Signal != "":
		return e.Signal
	}
	return strconv.FormatUint(uint64(e.Code), 10)
}

// tookText is how long the host took; empty if nothing was tried.
func tookText(row resultRow) string {
	if row.r.BegunAt.IsZero() {
		return ""
	}
	return durationText(row.took)
}

// A firstLine keeps the first line that has something in it, up to maxFirstLine bytes.
type firstLine struct {
	data  []byte
	ended bool
}

func (l *firstLine) add(data []byte) {
	for !l.ended && len(data) > 0 {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		l.data = append(l.data, line[:min(len(line), maxFirstLine-len(l.data))]...)
		if data = rest; ended {
			l.ended = len(bytes.TrimSpace(l.data)) > 0
		}
		if ended && !l.ended {
			l.data = l.data[:0]
		}
	}
}

func (l *firstLine) text() string {
	return string(bytes.TrimSpace(bytes.ToValidUTF8(l.data, []byte("\uFFFD"))))
}
