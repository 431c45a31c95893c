package remote

import (
	"bytes"
	"crypto/rand"
	"strings"
	"sync"
)

// maxSaid bounds what is kept of what sudo says.
const maxSaid = 8 << 10

// A stage is how far a conversation has come.
type stage int

const (
	stageLogin  stage = iota // sudo has not begun
	stageSudo                // sudo has begun
	stagePaste               // the prologue reads what it needs
	stageSilent              // nothing more will come
)

// A Marker is what the prologue has said that the feeder of the input waits for.
type Marker int

const (
	// PromptMarker is sudo that asks for the password.
	PromptMarker Marker = iota
	// OKMarker is sudo that lets the command run.
	OKMarker
	// TakenMarker is a prologue that has read all that is for it.
	TakenMarker
)

// A MarkerReader strips the prologue's random markers from the output stream. What
// sudo says between them is kept, and is not output of the command.
type MarkerReader struct {
	openMarker, promptMarker, okMarker, takenMarker []byte // takenMarker is nil if it is not expected

	markers chan Marker

	held []byte // may be the beginning of a marker; belongs to the reader of the stream

	mu    sync.Mutex // guards what follows
	stage stage
	said  []byte
	asked int // how often sudo has asked
}

// newMarkerReader expects a conversation with sudo.
func newMarkerReader() *MarkerReader {
	return &MarkerReader{
		openMarker:   []byte(rand.Text()),
		promptMarker: []byte(rand.Text()),
		okMarker:     []byte(rand.Text()),
		// Two prompts, an ok and a taken; what a host says more often is
		// nothing to us.
		markers: make(chan Marker, 4),
	}
}

// expect makes m expect the marker taken at the end. A nil m expects only that.
func (m *MarkerReader) expect(taken string) *MarkerReader {
	if m == nil {
		m = &MarkerReader{stage: stagePaste, markers: make(chan Marker, 1)}
	}
	m.takenMarker = []byte(taken)
	return m
}

// Strip returns what of the stream, which goes on with p, is the command's
// output. A nil m lets everything pass.
func (m *MarkerReader) Strip(p []byte) []byte {
	if m == nil {
		return p
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stage == stageSilent && len(m.held) == 0 {
		return p
	}
	rest := append(m.held, p...)
	var out []byte
	for {
		words := m.words()
		at, which := first(rest, words)
		if which < 0 {
			end := len(rest) - partial(rest, words)
			out = m.sort(out, rest[:end])
			m.held = bytes.Clone(rest[end:])
			return out
		}
		out = m.sort(out, rest[:at])
		rest = rest[at+len(words[which]):]
		m.next(words[which])
	}
}

// Rest returns what Strip has held back; the stream has ended, and Markers is closed.
func (m *MarkerReader) Rest() []byte {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.sort(nil, m.held)
	m.held = nil
	close(m.markers)
	return out
}

// Markers are those that were found. The channel is closed at the end of the
// stream.
func (m *MarkerReader) Markers() <-chan Marker { return m.markers }

// ExpectsTaken reports whether the prologue says when it has read all that is for
// it. A nil m expects nothing.
func (m *MarkerReader) ExpectsTaken() bool { return m != nil && m.takenMarker != nil }

// words are those that may come next.
func (m *MarkerReader) words() [][]byte {
	switch m.stage {
	case stageLogin:
		return [][]byte{m.openMarker}
	case stageSudo:
		return [][]byte{m.promptMarker, m.okMarker}
	case stagePaste:
		return [][]byte{m.takenMarker}
	}
	return nil
}

// sort gives p to the output, or to what sudo has said.
func (m *MarkerReader) sort(out, p []byte) []byte {
	if m.stage != stageSudo {
		return append(out, p...)
	}
	m.said = append(m.said, p[:min(len(p), maxSaid-len(m.said))]...)
	return out
}

// next goes on to the next stage after word.
func (m *MarkerReader) next(word []byte) {
	switch {
	case m.stage == stageLogin:
		m.stage = stageSudo
	case m.stage == stagePaste:
		m.stage = stageSilent
		m.tell(TakenMarker)
	case bytes.Equal(word, m.promptMarker):
		m.asked++
		m.tell(PromptMarker)
	default:
		m.stage = stageSilent
		if m.takenMarker != nil {
			m.stage = stagePaste
		}
		m.tell(OKMarker)
	}
}

func (m *MarkerReader) tell(h Marker) {
	select {
	case m.markers <- h:
	default: // enough for a message
	}
}

// SudoState is what became of sudo: whether it has let the command run, how
// often it has asked, and what it said.
func (m *MarkerReader) SudoState() (passed bool, asked int, said string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, text, _ := strings.Cut(string(m.said), ";")
	return m.stage > stageSudo, m.asked, text
}

// Leader is the number of the process that became sudo, and of its group;
// empty if it has not been said.
func (m *MarkerReader) Leader() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	number, _, ok := strings.Cut(string(m.said), ";")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return ""
	}
	return number
}

// first finds the word that comes first; which is negative if none does.
func first(p []byte, words [][]byte) (at, which int) {
	which = -1
	for i, w := range words {
		if n := bytes.Index(p, w); n >= 0 && (which < 0 || n < at) {
			at, which = n, i
		}
	}
	return at, which
}

// partial is how much of the end of p may be the beginning of a word.
func partial(p []byte, words [][]byte) int {
	most := 0
	for _, w := range words {
		for n := min(len(p), len(w)-1); n > most; n-- {
			if bytes.HasPrefix(w, p[len(p)-n:]) {
				most = n
				break
			}
		}
	}
	return most
}
