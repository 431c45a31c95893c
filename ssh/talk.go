package ssh

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

// A heard is what the feeder of the input has to know.
type heard int

const (
	heardPrompt heard = iota
	heardOK
	heardTaken
)

// A talk takes out of a stream of output what our prologue says in it: words
// that nobody can guess. What sudo says between them is kept, and is not
// output of the command.
type talk struct {
	open, prompt, ok, taken []byte // taken is nil if it is not expected
	heard                   chan heard

	held []byte // may be the beginning of a word; belongs to who listens

	mu    sync.Mutex // guards what follows
	stage stage
	said  []byte
	asked int // how often sudo has asked
}

// newTalk expects a conversation with sudo.
func newTalk() *talk {
	return &talk{
		open:   []byte(rand.Text()),
		prompt: []byte(rand.Text()),
		ok:     []byte(rand.Text()),
		// Two prompts, an ok and a taken; what a host says more often is
		// nothing to us.
		heard: make(chan heard, 4),
	}
}

// expect makes t expect the word taken at the end. A nil t expects only that.
func (t *talk) expect(taken string) *talk {
	if t == nil {
		t = &talk{stage: stagePaste, heard: make(chan heard, 1)}
	}
	t.taken = []byte(taken)
	return t
}

// listen returns what of the stream, which goes on with p, is the command's
// output. A nil t lets everything pass.
func (t *talk) listen(p []byte) []byte {
	if t == nil {
		return p
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage == stageSilent && len(t.held) == 0 {
		return p
	}
	rest := append(t.held, p...)
	var out []byte
	for {
		words := t.words()
		at, which := first(rest, words)
		if which < 0 {
			end := len(rest) - partial(rest, words)
			out = t.sort(out, rest[:end])
			t.held = bytes.Clone(rest[end:])
			return out
		}
		out = t.sort(out, rest[:at])
		rest = rest[at+len(words[which]):]
		t.next(words[which])
	}
}

// end returns what listen has held back; the stream has ended.
func (t *talk) end() []byte {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.sort(nil, t.held)
	t.held = nil
	close(t.heard)
	return out
}

// words are those that may come next.
func (t *talk) words() [][]byte {
	switch t.stage {
	case stageLogin:
		return [][]byte{t.open}
	case stageSudo:
		return [][]byte{t.prompt, t.ok}
	case stagePaste:
		return [][]byte{t.taken}
	}
	return nil
}

// sort gives p to the output, or to what sudo has said.
func (t *talk) sort(out, p []byte) []byte {
	if t.stage != stageSudo {
		return append(out, p...)
	}
	t.said = append(t.said, p[:min(len(p), maxSaid-len(t.said))]...)
	return out
}

// next goes on to the next stage after word.
func (t *talk) next(word []byte) {
	switch {
	case t.stage == stageLogin:
		t.stage = stageSudo
	case t.stage == stagePaste:
		t.stage = stageSilent
		t.tell(heardTaken)
	case bytes.Equal(word, t.prompt):
		t.asked++
		t.tell(heardPrompt)
	default:
		t.stage = stageSilent
		if t.taken != nil {
			t.stage = stagePaste
		}
		t.tell(heardOK)
	}
}

func (t *talk) tell(h heard) {
	select {
	case t.heard <- h:
	default: // more than anybody could want to know
	}
}

// sudoState is what became of sudo: whether it has let the command run, how
// often it has asked, and what it said.
func (t *talk) sudoState() (passed bool, asked int, said string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, text, _ := strings.Cut(string(t.said), ";")
	return t.stage > stageSudo, t.asked, text
}

// leader is the number of the process that became sudo, and of its group;
// empty if it has not been said.
func (t *talk) leader() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	number, _, ok := strings.Cut(string(t.said), ";")
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
