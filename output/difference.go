package output

import (
	"fmt"
	"strings"
	"sync/atomic"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// A baseline is the group that the others are compared with. Its output stays in memory
// until the last difference is printed.
type baseline struct {
	group *group
	title string
	out   [2]*reference // by Stream
}

// A reference is one stream of a baseline. Only the goroutine of the Writer
// that the stream is printed to reads it.
type reference struct {
	kept  *buffer      // nil if nothing was written
	holds atomic.Int32 // pieces that still need it, and the baseline

	text string
	read bool
}

// newBaseline takes the output of g.
func newBaseline(g *group, title string) *baseline {
	s := &baseline{group: g, title: title}
	for i := range s.out {
		s.out[i] = &reference{kept: g.output.out[i]}
		s.out[i].holds.Store(1)
		g.output.out[i] = nil
	}
	return s
}

// release frees the output, as soon as nothing that is queued needs it.
func (s *baseline) release() {
	if s == nil {
		return
	}
	for _, r := range s.out {
		r.release()
	}
}

func (r *reference) hold() (release func()) {
	r.holds.Add(1)
	return r.release
}

func (r *reference) release() {
	if r.holds.Add(-1) == 0 {
		r.kept.free()
		r.text = ""
	}
}

// content is the whole text, read once for all differences.
func (r *reference) content() (string, error) {
	if r.read {
		return r.text, nil
	}
	text, err := r.kept.content()
	if err != nil {
		return "", err
	}
	r.text, r.read = text, true
	return text, nil
}

// printBaseline prints the group that the others are compared with, in full.
func (p *blockPrinter) printBaseline(h heading, s *baseline) error {
	b := p.begin(h)
	for i, ref := range s.out {
		stream := fanout.Stream(i)
		if ref.kept == nil && stream == fanout.Stderr {
			continue
		}
		whole := segment{text: func(l *lineWriter) error { return ref.kept.copyTo(l) }, done: ref.hold()}
		if err := b.printStream(stream, whole, ref.kept != nil); err != nil {
			return err
		}
	}
	return nil
}

// printDifference prints how the output of g, which is the printer's, differs
// from that of s. A stderr that does not is left out.
func (p *blockPrinter) printDifference(h heading, g *group, s *baseline) error {
	defer g.output.free() // what was not queued because of an error
	b := p.begin(h)
	for i, ref := range s.out {
		stream := fanout.Stream(i)
		d := &difference{title: h.names, kept: g.output.out[i], baseline: s.title, ref: ref, color: p.styles[i].color}
		d.same = g.key.sums[i] == s.group.key.sums[i]
		silent := d.kept == nil && ref.kept == nil
		if stream == fanout.Stderr && (silent || d.same) {
			continue
		}
		var text segment
		if !silent {
			release := ref.hold()
			g.output.out[i] = nil // it is the segment's
			text.text, text.done = d.print, func() { d.kept.free(); release() }
		}
		if err := b.printStream(stream, text, !silent); err != nil {
			return err
		}
	}
	return nil
}

// A difference is how one stream of a group differs from the baseline's.
type difference struct {
	title    string
	kept     *buffer
	baseline string
	ref      *reference
	same     bool
	color    bool
}

// print writes d as a unified diff, or a line that begins with a backslash and says why
// there is none, in the form of diff's own remarks.
func (d *difference) print(l *lineWriter) error {
	if d.same {
		return d.note(l, "the same as "+d.baseline)
	}
	hunks, why, err := d.hunks()
	if err != nil {
		return err
	}
	if why != "" {
		return d.note(l, fmt.Sprintf("%s: %s here, %s from %s",
			why, bytesText(d.kept.length()), bytesText(d.ref.kept.length()), d.baseline))
	}
	for line := range strings.Lines("--- " + d.baseline + "\n+++ " + d.title + "\n") {
		if err := d.line(l, line, bold); err != nil {
			return err
		}
	}
	for line := range strings.Lines(hunks) {
		if err := d.line(l, line, markColors[line[0]]); err != nil {
			return err
		}
	}
	return nil
}

// markColors are the colours of a diff's lines by their first character.
var markColors = map[byte]string{'-': red, '+': green, '@': dim, '\\': dim}

// hunks compares the texts; why is set if that makes no sense.
func (d *difference) hunks() (hunks, why string, err error) {
	const tooLong = "too long to compare"
	if max(d.kept.length(), d.ref.kept.length()) > maxDiffBytes {
		return "", tooLong, nil
	}
	before, err := d.ref.content()
	if err != nil {
		return "", "", err
	}
	after, err := d.kept.content()
	if err != nil {
		return "", "", err
	}
	if isBinary(before) || isBinary(after) {
		return "", "binary, different", nil
	}
	hunks, ok := unified(before, after)
	if !ok {
		return "", tooLong, nil
	}
	return hunks, "", nil
}

func (d *difference) note(l *lineWriter, text string) error {
	return d.line(l, `\ `+text+"\n", dim)
}

// line writes one line with its end. The line writer does not see the end: a carriage
// return before it may be the only difference, and must be visible.
func (d *difference) line(l *lineWriter, line, color string) error {
	if !d.color {
		color = ""
	}
	if _, err := l.w.WriteString(color); err != nil {
		return err
	}
	if _, err := l.Write([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
		return err
	}
	if err := l.end(false); err != nil {
		return err
	}
	if color != "" {
		color = sanitize.ColourOff
	}
	_, err := l.w.WriteString(color + "\n")
	l.midLine = false
	return err
}
