package output

import (
	"context"

	"tutti/fanout"
)

// Blocks prints each host's output in one piece when the host has finished: a
// header with its outcome, then what its last attempt wrote. What it wrote to
// stderr goes to stderr, under the same header.
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
		return b.block.printBlock(e.Target.Name, e.Result, t)
	}
	return nil
}

// Close gives up what was kept of hosts that have not finished. What is queued
// on the Writers is still printed.
func (b *Blocks) Close() error { return b.kept.close() }

// A blockPrinter prints outputs under headers, with an empty line after one
// that is not empty.
type blockPrinter struct {
	opts  Options
	faces [2]face
	// gap is set for a stream whose last block had output. Streams that end on
	// one terminal share it.
	gap [2]*bool
}

func newBlockPrinter(opts Options) blockPrinter {
	p := blockPrinter{opts: opts, gap: [2]*bool{new(bool), new(bool)}}
	p.faces = [2]face{opts.face(fanout.Stdout), opts.face(fanout.Stderr)}
	if opts.Stdout.q == opts.Stderr.q {
		p.gap[1] = p.gap[0]
	}
	return p
}

// printBlock queues one block, whose owner is t. A block without any output still
// has its header on stdout.
func (p *blockPrinter) printBlock(names string, r *fanout.Result, t *transcript) error {
	defer t.free() // what was not queued because of an error
	for i := range t.out {
		s := fanout.Stream(i)
		if t.omitted[s] > 0 {
			if err := p.opts.omitted(names, s, t.omitted[s]); err != nil {
				return err
			}
		}
		if t.out[s] == nil && (s == fanout.Stderr || p.opts.NoPrefix) {
			continue
		}
		kept := t.out[s]
		t.out[s] = nil // it is the piece's
		if err := p.printStream(s, names, r, piece{kept: kept}, kept != nil); err != nil {
			return err
		}
	}
	return nil
}

// printStream queues what belongs to one stream of a block, under its header.
// output says that there is more than the header.
func (p *blockPrinter) printStream(s fanout.Stream, names string, r *fanout.Result, block piece, output bool) error {
	block.endLine = !p.opts.NoPrefix
	if !p.opts.NoPrefix {
		block.header = p.header(s, names, r, output)
	}
	return p.faces[s].queue(block)
}

// header is the line above a block, after the gap to the one before.
func (p *blockPrinter) header(s fanout.Stream, names string, r *fanout.Result, output bool) string {
	text := p.faces[s].header(names, r)
	if *p.gap[s] {
		text = "\n" + text
	}
	*p.gap[s] = output
	return text
}
