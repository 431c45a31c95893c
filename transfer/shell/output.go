package shell

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// maxWords is how much is kept of what the shell says beside its answers.
const maxWords = 1 << 10

// An output passes what the shell says on to whoever listens; what it says in between
// is lost, and never waited for.
type output struct {
	mu       sync.Mutex // guards what follows
	listener *io.PipeWriter
	ended    bool
}

func newOutput() *output { return &output{} }

// listen returns what is said from now on.
func (o *output) listen() *io.PipeReader {
	r, w := io.Pipe()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listener = w
	if o.ended {
		_ = w.CloseWithError(errEnded) // never fails
	}
	return r
}

// deaf ends the listening to r.
func (o *output) deaf(r *io.PipeReader) {
	o.mu.Lock()
	o.listener = nil
	o.mu.Unlock()
	_ = r.Close() // never fails
}

// end says that nothing follows.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if o.listener != nil {
		_ = o.listener.CloseWithError(errEnded) // never fails
	}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	to := o.listener
	o.mu.Unlock()
	if to != nil {
		_, _ = to.Write(p) // who does not listen any more misses nothing
	}
	return len(p), nil
}

// words keep the beginning of what is said, for messages.
type words struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p[:min(len(p), maxWords-w.text.Len())])
	return len(p), nil
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(w.text.String())
}
