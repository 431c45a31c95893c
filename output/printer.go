package output

import (
	"bufio"
	"bytes"
	"fmt"
	"time"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/internal/sanitize"
)

// Options say where text goes and how it looks. They are shared by the sinks
// that print text.
type Options struct {
	// Stdout and Stderr are where the hosts' stdout and stderr go, each with
	// the framing of the sink. Both are required; the caller closes them after
	// the sinks.
	Stdout, Stderr *Writer
	// StdoutTerminal and StderrTerminal say that the stream ends on a terminal:
	// control sequences of the hosts are then made visible. Otherwise the bytes
	// are passed on as they were sent.
	StdoutTerminal, StderrTerminal bool
	// StdoutNull says that stdout is the null device: a Stream puts no lines together for
	// it. Much output without a newline costs time and disk to keep until its end.
	StdoutNull bool
	// OneTerminal says that both streams end on the same terminal: the output of a host
	// then has one header, and reasons are in the summary only.
	OneTerminal bool
	// StdoutColor and StderrColor let the framing use colours.
	StdoutColor, StderrColor bool
	// Raw lets the hosts' colour codes through to a terminal, and nothing else.
	Raw bool
	// NoPrefix leaves all framing out: stdout is nothing but the hosts' bytes.
	NoPrefix bool
	// Timestamps makes a Stream put the time in front of each line, in the form
	// of the JSON events. It does not go with NoPrefix or Quiet.
	Timestamps bool
	// Quiet prints nothing about hosts that are ok.
	Quiet bool
	// Diff makes a Fold print each group as its difference from the largest one.
	// It does not go with NoPrefix.
	Diff bool
	// Again is the command that repeats a run on the hosts that were not ok, which the
	// Summary of a recorded run offers. Nil: none.
	Again func(runID int64) string
	// Of is how many hosts the run has in all, if a Summary receives only some of
	// them. 0: it receives all.
	Of int
	// CutOff says that a run without an end was cut off, and is not still running.
	CutOff bool
	// Queued says that it is one that waits for a daemon.
	Queued bool
	// Fold writes a list of names briefly, web[01-20]. Nil: with commas.
	Fold func(names []string) string
}

// style is how one of the two streams looks.
func (o Options) style(s fanout.Stream) style {
	if s == fanout.Stderr {
		return style{w: o.Stderr, terminal: o.StderrTerminal, color: o.StderrColor, raw: o.Raw}
	}
	return style{w: o.Stdout, terminal: o.StdoutTerminal, null: o.StdoutNull, color: o.StdoutColor, raw: o.Raw}
}

// omitted queues, on stderr, that a record lacks n bytes. It serves the mode
// that must not add anything to the bytes on stdout.
func (o Options) omitted(host string, s fanout.Stream, n int64) error {
	return o.Stderr.line(fmt.Appendf(nil, "tutti: %s: %s of its %s not recorded\n", sanitize.Visible(host), bytesText(n), s))
}

// A style is one output stream with the way text appears on it.
type style struct {
	w                          *Writer
	terminal, null, color, raw bool
}

// A segment is what a style queues to be printed in one go: a run of whole lines, or the end of
// an output.
type segment struct {
	// header is printed first, as it is.
	header string
	// prefix stands before every line.
	prefix string
	// kept is the beginning of the text, or nil. Its owner is the segment.
	kept *buffer
	// text writes what follows kept; nil if nothing.
	text func(*lineWriter) error
	// data is the rest of the text.
	data []byte
	// endLine adds a newline to a last line without one.
	endLine bool
	// done releases what data refers to; may be nil.
	done func()
}

// queue queues p.
func (f style) queue(p segment) error {
	return f.w.output(func(b *bufio.Writer) error {
		if _, err := b.WriteString(p.header); err != nil {
			return err
		}
		l := lineWriter{w: b, prefix: p.prefix, safe: f.terminal}
		l.clean.Colours = f.raw
		if err := p.kept.copyTo(&l); err != nil {
			return err
		}
		if p.text != nil {
			if err := p.text(&l); err != nil {
				return err
			}
		}
		if _, err := l.Write(p.data); err != nil {
			return err
		}
		return l.end(p.endLine)
	}, func() {
		p.kept.free()
		if p.done != nil {
			p.done()
		}
	})
}

// A lineWriter puts a prefix before every line and cleans what goes to a
// terminal.
type lineWriter struct {
	w      *bufio.Writer
	prefix string
	safe   bool
	clean  sanitize.Stream

	midLine bool
	scratch []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	if l.prefix == "" && !l.safe {
		if len(p) > 0 {
			l.midLine = p[len(p)-1] != '\n'
		}
		return l.w.Write(p)
	}
	for rest := p; len(rest) > 0; {
		if !l.midLine {
			if _, err := l.w.WriteString(l.prefix); err != nil {
				return 0, err
			}
		}
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		rest = rest[len(line):]
		l.midLine = line[len(line)-1] != '\n'
		if err := l.content(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (l *lineWriter) content(text []byte) error {
	if l.safe {
		l.scratch = l.clean.Append(l.scratch[:0], text)
		text = l.scratch
	}
	_, err := l.w.Write(text)
	return err
}

// end prints what was held back, and the missing newline if endLine is set.
func (l *lineWriter) end(endLine bool) error {
	if _, err := l.w.Write(l.clean.Flush(nil)); err != nil {
		return err
	}
	if !l.midLine || !endLine {
		return nil
	}
	return l.w.WriteByte('\n')
}

// The colours of the framing. Red and green are kept for outcomes.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
)

// hostColors distinguish neighbouring hosts.
var hostColors = [...]string{"\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[34m", "\x1b[96m", "\x1b[95m"}

// timestamp is the time in front of a line.
func (f style) timestamp(at time.Time) string {
	if !f.color {
		return event.FormatTime(at) + " "
	}
	return dim + event.FormatTime(at) + sanitize.ColourOff + " "
}

// prefix is what stands before each of t's lines.
func (f style) prefix(t *fanout.Target) string {
	name := t.Name
	if f.terminal {
		name = sanitize.VisibleLine(name)
	}
	if !f.color {
		return name + ": "
	}
	return hostColors[t.Index%len(hostColors)] + name + ":" + sanitize.ColourOff + " "
}

// A heading has the hosts of a block, and their result.
type heading struct {
	names, what string
	outcome     fanout.Outcome
}

// headingOf is the heading of a block that stands by itself.
func headingOf(names string, r *fanout.Result) heading {
	return heading{names: names, what: describe(r), outcome: r.Outcome}
}

// briefly is h without the reason, which is shown elsewhere.
func (h heading) briefly() heading {
	h.what = h.outcome.String()
	return h
}

// header is the line above a block.
func (f style) header(h heading) string {
	names, what := h.names, h.what
	if f.terminal {
		names, what = sanitize.VisibleLine(names), sanitize.VisibleLine(what)
	}
	if !f.color {
		return names + "  " + what + "\n"
	}
	return bold + names + sanitize.ColourOff + "  " + outcomeColor(h.outcome) + what + sanitize.ColourOff + "\n"
}

// stderrMark stands before each line of stderr under a header that is of both
// streams.
func (f style) stderrMark() string {
	if !f.color {
		return "stderr: "
	}
	return dim + "stderr:" + sanitize.ColourOff + " "
}

func outcomeColor(o fanout.Outcome) string {
	switch o {
	case fanout.OK:
		return green
	case fanout.Canceled, fanout.Skipped:
		return dim
	case fanout.Timeout, fanout.Lost:
		return yellow
	}
	return red
}
