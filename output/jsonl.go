package output

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/internal/sanitize"
)

const (
	// maxData is how many bytes of lines share an event, and the length from which
	// a line is split into several.
	maxData = 64 << 10
)

// JSON writes one JSON object per event and line. The data of an output event
// are whole lines that came together, 64 KiB at most; a line longer than that is
// split between characters into several events, all but the last of which are
// partial. Lines that are not UTF-8 are in events of their own, in base64.
type JSON struct {
	w        *Writer
	exitCode func(fanout.Summary) int
	partials partials
	files    bool // the run moves files: lines are about them
}

var _ fanout.Sink = (*JSON)(nil)

// NewJSON returns a JSON that writes to w. exitCode returns the program's exit code
// for a run; if it is nil, run_finished has no exit_code.
func NewJSON(w *Writer, exitCode func(fanout.Summary) int) *JSON {
	return &JSON{w: w, exitCode: exitCode, partials: newPartials()}
}

// Handle writes e. Its error is that of the Writer, or of the temporary file.
func (j *JSON) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.RunStarted:
		_, j.files = e.Plan.Task.Action.(*fanout.Transfer)
		return j.object(event.NewRunStarted(e))
	case fanout.TargetStarted:
		return j.object(event.NewHostStarted(e))
	case fanout.Output:
		return j.output(e)
	case fanout.TargetRetrying:
		if err := j.endLines(e); err != nil {
			return err
		}
		return j.object(event.NewHostRetrying(e))
	case fanout.TargetFinished:
		if err := j.endLines(e); err != nil {
			return err
		}
		return j.object(event.NewHostFinished(e))
	case fanout.RunFinished:
		return j.object(event.NewRunFinished(e, j.exitCode))
	}
	return nil
}

// Close frees incomplete lines. What is queued on the
// Writer is still written.
func (j *JSON) Close() error { return j.partials.drop() }

// object queues one event that has no data.
func (j *JSON) object(v any) error {
	var line bytes.Buffer
	if err := WriteJSON(&line, v); err != nil {
		return err
	}
	return j.w.text(line.Bytes())
}

// output queues the lines that e completes and keeps the rest.
func (j *JSON) output(e fanout.Event) error {
	src := source{e.Target.Index, e.Stream}
	if e.Omitted > 0 {
		if err := j.endLine(e, e.Stream); err != nil {
			return err
		}
		omitted := event.NewOutput(e, e.Stream)
		omitted.OmittedBytes = e.Omitted
		return j.object(omitted)
	}
	whole, begun := splitLines(e.Data)
	if kept := j.partials.open[src]; kept != nil && len(whole) > 0 {
		// The kept line is no longer than one event, so only the end of it
		// has to be found here; the goroutine of the Writer splits the rest.
		n := bytes.IndexByte(whole, '\n') + 1
		if err := j.join(e, src, whole[:n]); err != nil {
			return err
		}
		whole = whole[n:]
	}
	if len(whole) > 0 {
		if err := j.queue(e, e.Stream, nil, whole, false); err != nil {
			return err
		}
	}
	return j.join(e, src, begun)
}

// join adds data, a line or part of one, to the line that src has begun, and
// queues what is complete or long enough.
func (j *JSON) join(e fanout.Event, src source, data []byte) error {
	for len(data) > 0 {
		size := 0
		if kept := j.partials.open[src]; kept != nil {
			size = int(kept.size)
		}
		n, enough := pieceEnd(size, data)
		if !enough {
			if data[len(data)-1] != '\n' {
				return j.partials.keep(src, data)
			}
			return j.queue(e, src.stream, j.partials.take(src), data, false)
		}
		if err := j.queue(e, src.stream, j.partials.take(src), data[:n], true); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// pieceEnd returns how much of data, which is a line or part of one, goes into
// an event that already holds size bytes. enough is false if all of it does
// and more may follow.
func pieceEnd(size int, data []byte) (n int, enough bool) {
	n = max(maxData-size, 0)
	if n >= len(data) {
		return len(data), false
	}
	for n < len(data) && size+n < maxData+utf8.UTFMax-1 && !utf8.RuneStart(data[n]) {
		n++
	}
	return n, n < len(data)
}

// endLines queues the lines that the target of e has begun.
func (j *JSON) endLines(e fanout.Event) error {
	for _, s := range []fanout.Stream{fanout.Stdout, fanout.Stderr} {
		if err := j.endLine(e, s); err != nil {
			return err
		}
	}
	return nil
}

func (j *JSON) endLine(e fanout.Event, s fanout.Stream) error {
	kept := j.partials.take(source{e.Target.Index, s})
	if kept == nil {
		return nil
	}
	return j.queue(e, s, kept, nil, false)
}

// queue queues output events; kept, if there is one, and data are one of them. The
// goroutine of the Writer encodes them, because the encoded form of short lines is many
// times as large as what the budget of the run counts.
func (j *JSON) queue(e fanout.Event, s fanout.Stream, kept *buffer, data []byte, partial bool) error {
	form := event.NewOutput(e, s)
	release := e.Hold()
	files := j.files
	return j.w.queue(func(b *bufio.Writer) error {
		if files && kept == nil && !partial {
			return writeFiles(b, form, data)
		}
		return writeOutput(b, form, kept, data, partial)
	}, func() {
		kept.free()
		release()
	})
}

// writeOutput writes kept and data in as few events as possible; with kept it is one.
// partial says that the last line continues in a later event.
func writeOutput(w io.Writer, form event.Output, kept *buffer, data []byte, partial bool) error {
	if kept != nil {
		var joined bytes.Buffer
		if err := kept.copyTo(&joined); err != nil {
			return err
		}
		joined.Write(data)
		data = joined.Bytes()
	}
	enc := newEncoder(w)
	for enough := false; len(data) > 0; {
		n := len(data)
		if kept == nil {
			n, enough = nextPiece(data, enough)
		}
		form.SetData(data[:n])
		form.Partial = enough || (partial && n == len(data))
		if err := enc.encode(form); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// nextPiece returns how much of data goes into one event. within says that data
// begins within a line, whose parts are in events of their own, and enough that
// it does so after the segment.
func nextPiece(data []byte, within bool) (n int, enough bool) {
	if n := wholeLines(data); n > 0 && !within {
		return n, false
	}
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		data = data[:i+1]
	}
	return pieceEnd(0, data)
}

// wholeLines returns the length of the lines at the start of data that can share
// an event: they fit, and all of them are UTF-8, or none is.
func wholeLines(data []byte) int {
	data = data[:min(len(data), maxData)]
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	if utf8.Valid(data) {
		return len(data)
	}
	n := 0
	for first := false; n < len(data); {
		line := data[n : n+bytes.IndexByte(data[n:], '\n')+1]
		valid := utf8.Valid(line)
		if n == 0 {
			first = valid
		}
		if valid != first {
			break
		}
		n += len(line)
	}
	return n
}

// WriteJSON writes v to w as one line of JSON, like the events: HTML is not escaped,
// and control characters are.
func WriteJSON(w io.Writer, v any) error { return newEncoder(w).encode(v) }

// An encoder writes lines of JSON.
type encoder struct {
	w    io.Writer
	line bytes.Buffer
	json *json.Encoder
}

func newEncoder(w io.Writer) *encoder {
	e := &encoder{w: w}
	e.json = json.NewEncoder(&e.line)
	e.json.SetEscapeHTML(false)
	return e
}

func (e *encoder) encode(v any) error {
	e.line.Reset()
	if err := e.json.Encode(v); err != nil {
		return err
	}
	_, err := e.w.Write(escapeControls(e.line.Bytes()))
	return err
}

// escapeControls escapes characters in strings that encoding/json leaves, but that a
// terminal obeys or does not show. Outside of strings JSON is ASCII without controls.
func escapeControls(line []byte) []byte {
	for i := 0; i < len(line); {
		if c := line[i]; c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(line[i:])
		if sanitize.Unseen(r) {
			return escapeFrom(line, i)
		}
		i += size
	}
	return line
}

func escapeFrom(line []byte, i int) []byte {
	const hex = "0123456789abcdef"
	escaped := append(make([]byte, 0, len(line)+64), line[:i]...)
	for i < len(line) {
		r, size := utf8.DecodeRune(line[i:])
		if r >= 0x7f && sanitize.Unseen(r) {
			for _, unit := range utf16.AppendRune(nil, r) {
				escaped = append(escaped, '\\', 'u', hex[unit>>12&15], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
			}
		} else {
			escaped = append(escaped, line[i:i+size]...)
		}
		i += size
	}
	return escaped
}
