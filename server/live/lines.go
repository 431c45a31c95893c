package live

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"tutti/fanout"
	"tutti/store"
)

const (
	// patience is how long a client of lines may read nothing before it is cut off.
	patience = 5 * time.Minute
	// lineDelay is how long a line waits so that others are sent with it.
	lineDelay = 100 * time.Millisecond
	// lineBuffer is how much waits at most.
	lineBuffer = 32 << 10
)

// lines sends the events of a run as lines of JSON: all of them, from the history, and
// then as they are recorded. A slow client delays only itself: what it has not read stays
// in the history.
func (s *Streams) lines(ctx context.Context, w http.ResponseWriter, r *http.Request, run store.Run, q runQuery, visible func(string) bool) {
	if q.from > 0 && !run.State.Ended() {
		s.refuse(w, r, Problem{http.StatusConflict, "running", "the order of hosts is not kept while a run goes on: read it from the start, or wait for its end"})
		return
	}
	f := store.Filter{NoOutput: q.output == "none"}
	if pick := chosen(q.hosts, visible); pick != nil {
		names, err := s.History.HostsOf(ctx, fmt.Sprint(run.ID), "", nil)
		if err != nil {
			s.unreadable(w, r, err)
			return
		}
		f.Hosts = append([]string{}, newLens(names, pick).names...)
	}
	out := newLineWriter(w, q.from)
	defer out.stop()
	code := s.codeOf(ctx, run)
	if visible != nil {
		code = s.scopedCode(run)
	}
	enc := scopedLines{s.Encode(out, code), run.Selector}
	play := s.History.Follow
	if q.record {
		play = s.History.Replay
	}
	err := play(ctx, run.ID, f, enc)
	switch err = errors.Join(err, enc.Close()); {
	case err == nil:
		_ = out.flush() // the client has gone
	case !out.begun():
		s.unreadable(w, r, err)
	default:
		panic(http.ErrAbortHandler) // a client must not take it for the end
	}
}

// scopedCode is codeOf for who may not see all hosts: run is as it may see it.
func (s *Streams) scopedCode(run store.Run) func(fanout.Summary) int {
	return func(sum fanout.Summary) int {
		if run.ExitCode != nil {
			return *run.ExitCode
		}
		return s.ExitCode(sum)
	}
}

// scopedLines are lines with the selector of the run as its viewer may read it.
type scopedLines struct {
	Encoder
	selector string
}

// Handle writes the line of an event.
func (l scopedLines) Handle(ctx context.Context, e fanout.Event) error {
	if e.Kind == fanout.RunStarted && e.Plan != nil {
		plan := *e.Plan
		plan.Selector = l.selector
		e.Plan = &plan
	}
	return l.Encoder.Handle(ctx, e)
}

// A lineWriter sends lines, soon.
type lineWriter struct {
	ctl *http.ResponseController
	w   http.ResponseWriter

	mu      sync.Mutex // guards what follows
	buf     *bufio.Writer
	skip    int64 // how many lines are still to be left out
	timer   *time.Timer
	waiting bool
	started bool
	err     error
}

func newLineWriter(w http.ResponseWriter, skip int64) *lineWriter {
	l := &lineWriter{ctl: http.NewResponseController(w), w: w, skip: skip}
	l.buf = bufio.NewWriterSize(deadlined{l}, lineBuffer)
	l.timer = time.AfterFunc(time.Hour, func() { _ = l.flush() }) // the next write returns its error
	l.timer.Stop()
	return l
}

// begun reports whether anything was sent.
func (l *lineWriter) begun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started
}

// Write buffers lines, except those that are to be left out.
func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := p
	for l.skip > 0 && len(rest) > 0 {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			return len(p), l.err
		}
		rest = rest[n:]
		l.skip--
	}
	if len(rest) > 0 && l.err == nil {
		_, l.err = l.buf.Write(rest)
	}
	if !l.waiting {
		l.waiting = true
		l.timer.Reset(lineDelay)
	}
	if l.err != nil {
		return 0, l.err
	}
	return len(p), nil
}

func (l *lineWriter) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	if l.err == nil {
		l.err = l.buf.Flush()
	}
	if l.err == nil && l.started {
		l.err = l.ctl.Flush()
	}
	return l.err
}

// stop ends the timer; nothing is sent after it.
func (l *lineWriter) stop() {
	l.timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = errClosed
	}
}

// deadlined is the response, with a limit for each write.
type deadlined struct{ l *lineWriter }

func (d deadlined) Write(p []byte) (int, error) {
	if !d.l.started {
		d.l.started = true
		h := d.l.w.Header()
		h.Set("Content-Type", "application/x-ndjson")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
	}
	if err := d.l.ctl.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return d.l.w.Write(p)
}
