package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/store"
)

const (
	// linesType is the media type in which the events of a run are requested.
	linesType = "application/x-ndjson"
	// maxLine bounds a line: an event has 64 KiB of output at most.
	maxLine = 2 << 20
	// maxHosts bounds the names of hosts in a query, in bytes. Above it the events of all
	// hosts are requested, and those of the others left out here.
	maxHosts = 4096
	// lostTime is how long a lost stream is requested again while nothing of it arrives.
	lostTime = 2 * time.Minute
)

// Replay passes the events of a run on record to sink.
func (h *History) Replay(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error {
	return h.play(ctx, run, f, sink, "record")
}

// Follow is Replay for a run that may be running: it passes events on until its end. A
// lost stream is requested again, and goes on where it was lost.
func (h *History) Follow(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error {
	return h.play(ctx, run, f, sink, "live")
}

// play passes the events of a run to sink.
func (h *History) play(ctx context.Context, run int64, f store.Filter, sink fanout.Sink, until string) error {
	all, err := h.HostsOf(ctx, number(run), "", nil)
	if err != nil {
		return err
	}
	names, err := h.chosen(ctx, run, f, all)
	if err != nil {
		return err
	}
	s := &stream{c: h.c, names: all, query: values("until", until), to: &onward{sink: sink}}
	if f.NoOutput {
		s.query.Set("output", "none")
	}
	if len(names) < len(all) {
		if text := strings.Join(names, ","); len(names) > 0 && len(text) <= maxHosts {
			s.query.Set("hosts", text)
			s.names = names
		} else {
			s.to.sink = newNarrowing(names, sink)
		}
	}
	if s.request, err = newRequest(http.MethodGet, "runs", number(run), "events"); err != nil {
		return err
	}
	return s.play(ctx)
}

// chosen are the hosts of a run that a filter chooses, in the order of its plan.
func (h *History) chosen(ctx context.Context, run int64, f store.Filter, all []string) ([]string, error) {
	names := all
	if f.Hosts != nil {
		names = only(names, f.Hosts)
	}
	if f.Outcomes == nil {
		return names, nil
	}
	ended, err := h.HostsOf(ctx, number(run), "", f.Outcomes)
	return only(names, ended), err
}

// only are the names that are also among others.
func only(names, others []string) []string {
	set := make(map[string]bool, len(others))
	for _, name := range others {
		set[name] = true
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !set[name] })
}

// A stream is the events of a run, requested again each time they are lost.
type stream struct {
	c       *Client
	request *request
	query   url.Values
	names   []string // of the hosts, in the order of the plan
	to      *onward
	// known says that the server has answered before, so that it is only away for now if it
	// cannot be asked.
	known bool
	// lost is called, once, when the stream is lost for the first time; nil: it is not.
	lost func(error)
}

// play passes the events on, to the end of the run.
func (s *stream) play(ctx context.Context) error {
	s.request.query, s.request.accept = s.query, linesType
	wait, heard := firstWait, time.Now()
	for {
		before := s.to.passed
		err := s.c.retry(ctx, s.request, s.read(ctx))
		if err == nil || s.to.err != nil {
			return errors.Join(err, s.to.err)
		}
		if !s.isLost(err) {
			return err
		}
		if s.lost != nil {
			s.lost(err)
			s.lost = nil
		}
		if s.to.passed > before {
			wait, heard = firstWait, time.Now()
		}
		if time.Since(heard)+wait > lostTime || !sleep(ctx, wait) {
			return cause(ctx, err)
		}
		wait = min(2*wait, lostTime/4)
	}
}

// isLost reports whether err says that the stream, or the server, is away for now.
func (s *stream) isLost(err error) bool {
	if errors.As(err, new(*cutError)) || errors.As(err, new(*lostError)) {
		return true
	}
	return s.known && (errors.As(err, new(*busyError)) || errors.As(err, new(*UnreachableError)))
}

// A lostError is a stream that ended before the run.
type lostError struct{ err error }

func (e *lostError) Error() string { return "the events of the run were lost: " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// read passes on the events of one answer.
func (s *stream) read(ctx context.Context) func(*http.Response) error {
	return func(r *http.Response) error {
		s.known = true
		decoder := event.NewDecoder(s.names)
		s.to.again()
		lines := bufio.NewScanner(r.Body)
		lines.Buffer(make([]byte, 64<<10), maxLine)
		lines.Split(wholeLine)
		for lines.Scan() {
			e, err := decoder.Decode(lines.Bytes())
			if errors.Is(err, event.ErrUnknown) {
				continue
			}
			if err != nil {
				return s.c.notUnderstood(r, err)
			}
			if err := s.to.pass(ctx, e); err != nil || e.Kind == fanout.RunFinished {
				return err
			}
		}
		switch err := lines.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			return s.c.strange(fmt.Errorf("a line is longer than %d MiB", maxLine>>20))
		case err != nil:
			return cause(ctx, &lostError{err})
		}
		return &lostError{io.ErrUnexpectedEOF}
	}
}

// wholeLine splits lines that have a newline; the last one without it was cut off.
func wholeLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// An onward passes each event on once, however often the server sends it.
type onward struct {
	sink fanout.Sink
	// err is the error of sink.
	err error
	// passed counts the events that were passed on.
	passed  int
	started bool
	hosts   map[int]*passedHost
}

// A passedHost is which events of a host were passed on, and the position of the current
// answer.
type passedHost struct {
	attempt, retried int
	ended            bool
	bytes            [2]int64
	received         [2]int64 // of the attempt in the current answer
}

// again starts another answer, which has all events from the start.
func (o *onward) again() {
	for _, h := range o.hosts {
		h.received = [2]int64{}
	}
}

// pass passes e on, or the new part of its output. The error is that of the sink.
func (o *onward) pass(ctx context.Context, e fanout.Event) error {
	if !o.isNew(&e) {
		return nil
	}
	o.passed++
	o.err = o.sink.Handle(ctx, e)
	return o.err
}

func (o *onward) isNew(e *fanout.Event) bool {
	if e.Target == nil {
		first := e.Kind != fanout.RunStarted || !o.started
		o.started = true
		return first
	}
	if o.hosts == nil {
		o.hosts = make(map[int]*passedHost)
	}
	h := o.hosts[e.Target.Index]
	if h == nil {
		h = &passedHost{}
		o.hosts[e.Target.Index] = h
	}
	switch e.Kind {
	case fanout.TargetStarted:
		h.received = [2]int64{}
		if e.Attempt <= h.attempt {
			return false
		}
		h.attempt, h.bytes = e.Attempt, [2]int64{}
	case fanout.Output:
		return h.rest(e)
	case fanout.TargetRetrying:
		if e.Attempt <= h.retried {
			return false
		}
		h.retried = e.Attempt
	case fanout.TargetFinished:
		if h.ended {
			return false
		}
		h.ended = true
	}
	return true
}

// rest removes from a piece of output what was passed on, and reports whether any is left.
func (h *passedHost) rest(e *fanout.Event) bool {
	if e.Attempt < h.attempt {
		return false
	}
	from := h.received[e.Stream]
	to := from + int64(len(e.Data)) + e.Omitted
	h.received[e.Stream] = to
	known := h.bytes[e.Stream] - from
	switch {
	case known <= 0:
	case to <= h.bytes[e.Stream]:
		return false
	case e.Omitted > 0:
		e.Omitted -= known
	default:
		e.Data = e.Data[known:]
	}
	h.bytes[e.Stream] = to
	return true
}
