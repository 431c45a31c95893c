package output

import (
	"context"

	"tutti/fanout"
)

// Blocks prints each host's output in one piece when the host has finished: a header
// with its outcome, then what its last attempt wrote. Its stderr goes to stderr, under
// the same header. If both are one terminal, there is one header, and only above
// output; lines of stderr are marked.
type Blocks struct {
	opts  Options
	kept  *transcripts
	block blockPrinter
}

var _ fanout.Sink = (*Blocks)(nil)

// NewBlocks returns Blocks that prints to opts.
func NewBlocks(opts Options) *Blocks {
	return &Blocks{opts: opts, kept: newTranscripts(!opts.NoPrefix), block: newBlockPrinter(opts)}
}

// Handle prints e. Its error is that of a Writer, or of the temporary file.
func (b *Blocks) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.Output:
		return b.kept.add(e)
	case fanout.TargetRetrying:
		b.kept.drop(e.Target.Index)
	case fanout.TargetFinished:
		t := b.kept.take(e.Target.Index)
		if b.opts.Quiet && e.Result.Outcome == fanout.OK {
			t.free()
			return nil
		}
		return b.block.printBlock(b.opts.heading(e.Target.Name, e.Result), t)
	}
	return nil
}

// Close frees the output of hosts that have not finished. What is queued
// on the Writers is still printed.
func (b *Blocks) Close() error { return b.kept.close() }

// A blockPrinter prints outputs under headers, with an empty line after one
// that is not empty.
type blockPrinter struct {
	opts   Options
	styles [2]style
	// gap is set for a stream whose last block had output. The streams of one terminal
	// share it.
	gap [2]*bool
}

func newBlockPrinter(opts Options) blockPrinter {
	p := blockPrinter{opts: opts, gap: [2]*bool{new(bool), new(bool)}}
	p.styles = [2]style{opts.style(fanout.Stdout), opts.style(fanout.Stderr)}
	if opts.Stdout.q == opts.Stderr.q {
		p.gap[1] = p.gap[0]
	}
	return p
}

// heading is the heading of a block, with the reason where the summary is not on
// the same screen.
func (o Options) heading(names string, r *fanout.Result) heading {
	h := headingOf(names, r)
	if o.together() {
		return h.briefly()
	}
	return h
}

// together reports whether the streams stand under one header.
func (o Options) together() bool { return o.OneTerminal && !o.NoPrefix }

// printBlock queues one block, whose owner is t. A block without any output still
// has its header on stdout, unless both streams stand under one.
func (p *blockPrinter) printBlock(h heading, t *transcript) error {
	defer t.free() // what was not queued because of an error
	b := p.begin(h)
	for i := range t.out {
		s := fanout.Stream(i)
		if t.omitted[s] > 0 {
			if err := p.opts.omitted(h.names, s, t.omitted[s]); err != nil {
				return err
			}
		}
		if t.out[s] == nil && (s == fanout.Stderr || p.opts.NoPrefix) {
			continue
		}
		kept := t.out[s]
		t.out[s] = nil // it is the segment's
		if err := b.printStream(s, segment{kept: kept}, kept != nil); err != nil {
			return err
		}
	}
	return nil
}

// A block is a block that is being printed.
type block struct {
	*blockPrinter
	heading heading
	headed  bool // its only header has been printed
}

func (p *blockPrinter) begin(h heading) *block { return &block{blockPrinter: p, heading: h} }

// printStream queues what belongs to one stream of the block, under its header.
// output says that there is more than the header.
func (b *block) printStream(s fanout.Stream, text segment, output bool) error {
	if b.opts.together() && !output {
		return nil
	}
	text.endLine = !b.opts.NoPrefix
	if !b.opts.NoPrefix && !b.headed {
		text.header = b.header(s, output)
	}
	if b.opts.together() {
		b.headed = true
		if s == fanout.Stderr {
			text.prefix = b.styles[s].stderrMark()
		}
	}
	return b.styles[s].queue(text)
}

// header is the line above the block, after the gap to the one before.
func (b *block) header(s fanout.Stream, output bool) string {
	text := b.styles[s].header(b.heading)
	if *b.gap[s] {
		text = "\n" + text
	}
	*b.gap[s] = output
	return text
}
