package output

import (
	"context"
	"fmt"

	"tutti/fanout"
)

// Stream prints the hosts' lines as they come, each with the name of its host in front:
// lines are whole, of any length, and never interleaved. A last line without a newline
// gets one. With Options.Timestamps the time when a line was complete comes first. With
// Options.NoPrefix it passes on only the hosts' bytes, line by line; those of a single
// host go to a file or a pipe as they come. With Options.Quiet it waits for the end of
// each host and prints only the last attempt of those that are not ok.
type Stream struct {
	opts     Options
	styles   [2]style
	partials partials
	kept     *transcripts // with Quiet
	alone    bool         // there is one host, whose bytes are all that is printed
}

var _ fanout.Sink = (*Stream)(nil)

// NewStream returns a Stream that prints to opts.
func NewStream(opts Options) *Stream {
	s := &Stream{opts: opts, partials: newPartials()}
	s.styles = [2]style{opts.style(fanout.Stdout), opts.style(fanout.Stderr)}
	if opts.Quiet {
		s.kept = newTranscripts(!opts.NoPrefix)
	}
	return s
}

// Handle prints e. Its error is that of a Writer, or of the temporary file.
func (s *Stream) Handle(_ context.Context, e fanout.Event) error {
	if s.kept != nil {
		return s.handleQuiet(e)
	}
	switch e.Kind {
	case fanout.RunStarted:
		s.alone = s.opts.NoPrefix && len(e.Plan.Targets) == 1
	case fanout.Output:
		return s.output(e)
	case fanout.TargetRetrying, fanout.TargetFinished:
		return s.endLines(e)
	}
	return nil
}

// Close frees incomplete lines. What is queued on the
// Writers is still printed.
func (s *Stream) Close() error {
	if s.kept != nil {
		return s.kept.close()
	}
	return s.partials.drop()
}

func (s *Stream) output(e fanout.Event) error {
	src := source{e.Target.Index, e.Stream}
	if e.Omitted > 0 {
		return s.omitted(src, e)
	}
	if s.styles[e.Stream].null {
		return nil
	}
	whole, begun := splitLines(e.Data)
	if s.alone && !s.styles[e.Stream].terminal {
		whole, begun = e.Data, nil // no other line can come between
	}
	if len(whole) > 0 {
		err := s.styles[e.Stream].queue(segment{
			prefix: s.prefix(e.Stream, e),
			kept:   s.partials.take(src),
			data:   whole,
			done:   e.Hold(),
		})
		if err != nil {
			return err
		}
	}
	return s.partials.keep(src, begun)
}

// omitted ends the incomplete line and prints how many bytes are missing after it.
func (s *Stream) omitted(src source, e fanout.Event) error {
	if err := s.endLine(src, e); err != nil {
		return err
	}
	if s.opts.NoPrefix {
		return s.opts.omitted(e.Target.Name, e.Stream, e.Omitted)
	}
	return s.styles[e.Stream].queue(segment{
		prefix:  s.prefix(e.Stream, e),
		data:    omission(e.Omitted),
		endLine: true,
	})
}

func (s *Stream) endLines(e fanout.Event) error {
	for _, stream := range []fanout.Stream{fanout.Stdout, fanout.Stderr} {
		if err := s.endLine(source{e.Target.Index, stream}, e); err != nil {
			return err
		}
	}
	return nil
}

// endLine prints the incomplete line of src, if any; it ends with e.
func (s *Stream) endLine(src source, e fanout.Event) error {
	kept := s.partials.take(src)
	if kept == nil {
		return nil
	}
	return s.styles[src.stream].queue(segment{
		prefix:  s.prefix(src.stream, e),
		kept:    kept,
		endLine: !s.opts.NoPrefix,
	})
}

// prefix is what stands before a line of e's target that ended with e.
func (s *Stream) prefix(stream fanout.Stream, e fanout.Event) string {
	if s.opts.NoPrefix {
		return ""
	}
	prefix := s.styles[stream].prefix(e.Target)
	if !s.opts.Timestamps || s.kept != nil {
		return prefix
	}
	return s.styles[stream].timestamp(e.Time) + prefix
}

func (s *Stream) handleQuiet(e fanout.Event) error {
	switch e.Kind {
	case fanout.Output:
		return s.kept.add(e)
	case fanout.TargetRetrying:
		s.kept.drop(e.Target.Index)
	case fanout.TargetFinished:
		t := s.kept.take(e.Target.Index)
		if e.Result.Outcome == fanout.OK {
			t.free()
			return nil
		}
		return s.printKept(e, t)
	}
	return nil
}

func (s *Stream) printKept(e fanout.Event, t *transcript) error {
	for stream, kept := range t.out {
		stream := fanout.Stream(stream)
		err := s.styles[stream].queue(segment{
			prefix:  s.prefix(stream, e),
			kept:    kept,
			endLine: !s.opts.NoPrefix,
		})
		if err == nil && t.omitted[stream] > 0 {
			err = s.opts.omitted(e.Target.Name, stream, t.omitted[stream])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// omission is the line that stands for n bytes that were not recorded.
func omission(n int64) []byte {
	return fmt.Appendf(nil, "[... %s not recorded ...]", bytesText(n))
}
