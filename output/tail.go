package output

import (
	"fmt"
	"unicode/utf8"
)

// tailBytes is how much a tail keeps at least.
const tailBytes = 64 << 10

// A tail is the end of an output.
type tail struct {
	pool *pool
	size int64 // of the whole output
	// before is full, or nil, and what now has follows it.
	before, now *buffer
}

func (t *tail) write(data []byte) error {
	t.size += int64(len(data))
	for len(data) > 0 {
		if t.now == nil {
			t.now = t.pool.buffer()
		}
		n := min(len(data), tailBytes-int(t.now.length()))
		if err := t.now.write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
		if t.now.length() == tailBytes {
			t.before.free()
			t.before, t.now = t.now, nil
		}
	}
	return nil
}

// text is the last tailBytes, under a line that says what is missing. A nil tail
// is empty.
func (t *tail) text() (string, error) {
	if t == nil {
		return "", nil
	}
	before, err := t.before.content()
	if err != nil {
		return "", err
	}
	now, err := t.now.content()
	if err != nil {
		return "", err
	}
	text := before + now
	text = text[max(0, len(text)-tailBytes):]
	for range utf8.UTFMax - 1 { // the cut may go through a character
		if int64(len(text)) < t.size && text != "" && !utf8.RuneStart(text[0]) {
			text = text[1:]
		}
	}
	if left := t.size - int64(len(text)); left > 0 {
		text = fmt.Sprintf("[... %s left out ...]\n", bytesText(left)) + text
	}
	return text, nil
}

// free releases what t uses. A nil tail is empty.
func (t *tail) free() {
	if t == nil {
		return
	}
	t.before.free()
	t.now.free()
	t.before, t.now = nil, nil
}
