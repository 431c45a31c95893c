package live

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

const (
	// writeLimit is how long a client may take to read what it was sent; then it is cut
	// off, and may connect again with its cursor.
	writeLimit = 10 * time.Second
	// heartbeat is how often a comment is sent when there is nothing else, so that each
	// side notices if the other is gone.
	heartbeat = 15 * time.Second
	// sharedSize is how large data is that is sent from where it is, and keptBuffer how much
	// of a viewer's own buffer is kept between two moments at which something is sent.
	sharedSize, keptBuffer = 512, 4 << 10
	// retryMS is how long a client waits before it connects again, in milliseconds.
	retryMS = "2000"
)

// An eventWriter writes events of a text/event-stream.
type eventWriter struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
	// buf is what is to be sent, but for data that is shared with other viewers: a client
	// that reads nothing then holds no copy of it.
	buf    []byte
	shared []sharedData
	err    error
}

// sharedData belongs at that place of a buffer.
type sharedData struct {
	at   int
	data []byte
}

func newEventWriter(w http.ResponseWriter) *eventWriter {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx would wait for more
	return &eventWriter{w: w, ctl: http.NewResponseController(w)}
}

// event adds an event, whose data is JSON on one line and does not change any more; id and
// name may be empty.
func (e *eventWriter) event(id []byte, name string, data []byte) {
	if len(id) > 0 {
		e.buf = append(append(append(e.buf, "id: "...), id...), '\n')
	}
	if name != "" {
		e.buf = append(append(append(e.buf, "event: "...), name...), '\n')
	}
	e.buf = append(e.buf, "data: "...)
	if len(data) >= sharedSize {
		e.shared = append(e.shared, sharedData{len(e.buf), data})
	} else {
		e.buf = append(e.buf, data...)
	}
	e.buf = append(e.buf, '\n', '\n')
}

// object is event for what is not JSON yet.
func (e *eventWriter) object(id []byte, name string, v any) {
	data, err := json.Marshal(v)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.event(id, name, data)
}

// line adds a line that is no event.
func (e *eventWriter) line(text string) { e.buf = append(append(e.buf, text...), '\n', '\n') }

// flush sends what was added. An error ends the stream: the client has gone, or does not
// read.
func (e *eventWriter) flush() error {
	if e.err != nil || len(e.buf) == 0 {
		return e.err
	}
	if err := e.ctl.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	e.err = e.write()
	if e.err == nil {
		e.err = e.ctl.Flush()
	}
	clear(e.shared)
	e.buf, e.shared = e.buf[:0], e.shared[:0]
	if cap(e.buf) > keptBuffer {
		e.buf = nil
	}
	return e.err
}

// write passes on what was added.
func (e *eventWriter) write() error {
	from := 0
	for _, s := range e.shared {
		if _, err := e.w.Write(e.buf[from:s.at]); err != nil {
			return err
		}
		if _, err := e.w.Write(s.data); err != nil {
			return err
		}
		from = s.at
	}
	_, err := e.w.Write(e.buf[from:])
	return err
}
