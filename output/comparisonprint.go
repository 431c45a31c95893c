package output

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/internal/sanitize"
)

// Print shows each change once, on stdout, with its hosts. Hosts without a change are
// left to Summary. Its error is that of the Writer.
func (c *Comparison) Print() error {
	f := c.opts.style(fanout.Stdout)
	gap := false
	for _, g := range c.sorted() {
		if !g.changed {
			continue
		}
		block := segment{header: c.header(f, g)}
		if gap {
			block.header = "\n" + block.header
		}
		gap = g.unrecorded
		streams := g.streams // the segment's from here
		for i := range g.streams {
			gap = gap || !streams[i].none()
			g.streams[i].hunks = nil
		}
		block.text = func(l *lineWriter) error { return c.body(l, g.unrecorded, &streams, f.color) }
		block.done = func() {
			for i := range streams {
				streams[i].hunks.free()
			}
		}
		if err := f.queue(block); err != nil {
			return err
		}
	}
	return nil
}

// header is the line above a change: the hosts and their results.
func (c *Comparison) header(f style, g *changeGroup) string {
	names := fmt.Sprintf("%s (%d)", foldNames(c.opts.Fold, sortedNames(g.members)), len(g.members))
	before, after := fate(g.pair.Before), fate(g.pair.After)
	what, last := before, g.pair.After
	switch {
	case g.pair.After == nil:
		what, last = fmt.Sprintf("only in run %d: %s", c.runs[0], before), g.pair.Before
	case g.pair.Before == nil:
		what = fmt.Sprintf("only in run %d: %s", c.runs[1], after)
	case before != after:
		what = before + " -> " + after
	}
	if f.terminal {
		names, what = sanitize.VisibleLine(names), sanitize.VisibleLine(what)
	}
	if !f.color {
		return names + "  " + what + "\n"
	}
	return bold + names + sanitize.ColourOff + "  " + outcomeColor(last.Outcome) + what + sanitize.ColourOff + "\n"
}

// body writes how the outputs differ: unified diffs, or lines that begin with a
// backslash and say why there is no diff.
func (c *Comparison) body(l *lineWriter, unrecorded bool, streams *[2]streamChange, color bool) error {
	d := difference{color: color}
	if unrecorded {
		return d.note(l, "the output differs in a part that was not recorded")
	}
	for i := range streams {
		s, name := &streams[i], fanout.Stream(i).String()
		switch {
		case s.none():
			continue
		case s.hunks == nil:
			if err := d.note(l, c.reasonText(s, name)); err != nil {
				return err
			}
			continue
		}
		hunks, err := s.hunks.content()
		if err != nil {
			return err
		}
		for run, mark := range []string{"---", "+++"} {
			if err := d.line(l, fmt.Sprintf("%s %s of run %d\n", mark, name, c.runs[run]), bold); err != nil {
				return err
			}
		}
		for line := range strings.Lines(hunks) {
			if err := d.line(l, line, markColors[line[0]]); err != nil {
				return err
			}
		}
	}
	return nil
}

// reasonText is what is known about the difference of a stream without hunks.
func (c *Comparison) reasonText(s *streamChange, name string) string {
	what := "binary " + name
	if s.reason == reasonTooLarge {
		what = name + ", too large to compare,"
	}
	side := func(i int) string {
		return fmt.Sprintf("%d bytes (sha256 %s) in run %d", s.sizes[i], hex.EncodeToString(s.sums[i][:6]), c.runs[i])
	}
	return what + " differs: " + side(0) + ", " + side(1)
}

// PrintJSON writes each group as a line of JSON on stdout, hosts without a
// change included. Its error is that of the Writer or of the temporary file.
func (c *Comparison) PrintJSON() error {
	return c.Each(func(v event.Diff) error { return WriteJSON(c.opts.Stdout, v) })
}

// Each calls show with the form of each group, the smallest first, hosts without a
// change included. Its error is that of show or of the temporary file.
func (c *Comparison) Each(show func(event.Diff) error) error {
	for _, g := range c.sorted() {
		v := event.Diff{
			Schema: event.Schema, Type: "diff", Runs: c.runs, Hosts: sortedNames(g.members), Changed: g.changed,
			Before: event.NewFate(g.pair.Before), After: event.NewFate(g.pair.After), Unrecorded: g.unrecorded,
		}
		var err error
		if v.Stdout, err = g.streams[fanout.Stdout].object(); err != nil {
			return err
		}
		if v.Stderr, err = g.streams[fanout.Stderr].object(); err != nil {
			return err
		}
		if err := show(v); err != nil {
			return err
		}
	}
	return nil
}

// object is nil if the stream has not changed.
func (s *streamChange) object() (*event.StreamDiff, error) {
	if s.none() {
		return nil, nil
	}
	if s.hunks == nil {
		side := func(i int) *event.Bytes {
			return &event.Bytes{Bytes: s.sizes[i], SHA256: hex.EncodeToString(s.sums[i][:])}
		}
		return &event.StreamDiff{Reason: s.reason, Before: side(0), After: side(1)}, nil
	}
	hunks, err := s.hunks.content()
	if err != nil {
		return nil, err
	}
	if utf8.ValidString(hunks) {
		return &event.StreamDiff{Diff: hunks}, nil
	}
	return &event.StreamDiff{Diff: base64.StdEncoding.EncodeToString([]byte(hunks)), Encoding: "base64"}, nil
}
