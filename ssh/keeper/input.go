package keeper

import (
	"context"
	"errors"
	"io"

	"tutti/fanout"
)

// maxPiece is how much of an input is asked for at once, in bytes.
const maxPiece = 32 << 10

// How an answer with a piece of an input goes on.
const (
	inputMore  = 0
	inputEnd   = 1
	inputError = 2 // and why, in place of the piece
)

// An input is what a command reads, which the caller has.
type input struct {
	link    *link
	attempt []byte
	script  bool // of the script, not the standard input
}

var _ fanout.Input = (*input)(nil)

// Open reads from the start.
func (in *input) Open(ctx context.Context) io.Reader {
	return &inputReader{in: in, ctx: ctx, again: true}
}

// Close does nothing: the caller has the input.
func (in *input) Close() error { return nil }

type inputReader struct {
	in    *input
	ctx   context.Context // of the reader, as fanout.Input has it
	again bool
	err   error
}

func (r *inputReader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	request := inputRequest{Script: r.in.script, Again: r.again, Max: min(len(p), maxPiece)}
	r.again = false
	said, err := r.in.link.ask(r.ctx, kindInput, r.in.attempt, encode(request))
	switch {
	case err != nil:
		r.err = err
		return 0, err
	case len(said) == 0 || len(said)-1 > len(p):
		r.err = errors.New("a piece of the input has the wrong size")
		return 0, r.err
	}
	switch piece := said[1:]; said[0] {
	case inputError:
		r.err = errors.New(string(piece))
		return 0, r.err
	case inputEnd:
		r.err = io.EOF
		return copy(p, piece), r.err
	default:
		return copy(p, piece), nil
	}
}

// A source is an input that the keeper reads, at the caller.
type source struct {
	from   fanout.Input
	reader io.Reader // nil: it has not been read
}

// piece is what the keeper has asked for. It is called by one goroutine at a time.
func (s *source) piece(ctx context.Context, r *inputRequest) []byte {
	if s.from == nil {
		return append([]byte{inputError}, "there is no such input"...)
	}
	if s.reader == nil || r.Again {
		s.reader = s.from.Open(ctx)
	}
	buf := make([]byte, 1+max(1, min(r.Max, maxPiece)))
	n, err := s.reader.Read(buf[1:])
	switch {
	case err == nil:
		buf[0] = inputMore
	case errors.Is(err, io.EOF):
		buf[0] = inputEnd
	default:
		// What came with the error is of no use: the input is cut off.
		return append([]byte{inputError}, err.Error()...)
	}
	return buf[:1+n]
}
