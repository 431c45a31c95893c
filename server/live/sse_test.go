package live

import (
	"bytes"
	"net/http"
	"testing"
)

// A recording is a response that keeps what it was given, as it was given.
type recording struct {
	http.ResponseWriter
	given [][]byte
}

func (r *recording) Header() http.Header { return http.Header{} }
func (r *recording) Flush()              {}
func (r *recording) Write(p []byte) (int, error) {
	r.given = append(r.given, p)
	return len(p), nil
}

// Data that all viewers get is sent from where it is: a client that reads nothing holds no
// copy of a snapshot.
func TestSharedDataIsNotCopied(t *testing.T) {
	frame := bytes.Repeat([]byte("x"), 100<<10)
	w := &recording{}
	e := newEventWriter(w)
	e.event([]byte("a-1"), "snapshot", frame)
	e.event(nil, "delta", []byte("small"))
	e.event(nil, "delta", frame)
	if len(e.buf) > sharedSize {
		t.Errorf("got %d bytes of its own", len(e.buf))
	}
	if err := e.flush(); err != nil {
		t.Fatal(err)
	}
	shared := 0
	for _, p := range w.given {
		if len(p) > 0 && &p[0] == &frame[0] {
			shared++
		}
	}
	want := "id: a-1\nevent: snapshot\ndata: " + string(frame) + "\n\nevent: delta\ndata: small\n\nevent: delta\ndata: " + string(frame) + "\n\n"
	if got := string(bytes.Join(w.given, nil)); got != want || shared != 2 {
		t.Errorf("got %d bytes, %d times the frame itself, want %d bytes and twice", len(got), shared, len(want))
	}
	w.given = nil
	e.line(":")
	if err := e.flush(); err != nil || string(bytes.Join(w.given, nil)) != ":\n\n" {
		t.Errorf("got %q, %v", w.given, err)
	}
}
