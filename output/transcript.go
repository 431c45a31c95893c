package output

import (
	"crypto/sha256"
	"hash"

	"tutti/fanout"
)

// transcripts keeps the whole output of each target's current attempt.
type transcripts struct {
	pool *pool
	// mark puts a line where a record lacks bytes; else they are counted.
	mark bool
	// hashing makes the sums of what is kept.
	hashing  bool
	byTarget map[int]*transcript
}

func newTranscripts(mark bool) *transcripts {
	return &transcripts{pool: newPool(spillLimit), mark: mark, byTarget: make(map[int]*transcript)}
}

// A transcript is what one attempt wrote.
type transcript struct {
	out     [2]*buffer // by Stream; nil if nothing was written
	omitted [2]int64   // bytes missing without a mark
	hash    [2]hash.Hash
}

// A sum stands for the bytes of one stream.
type sum [sha256.Size]byte

// add keeps the data of e, an Output.
func (k *transcripts) add(e fanout.Event) error {
	t := k.byTarget[e.Target.Index]
	if t == nil {
		t = &transcript{}
		k.byTarget[e.Target.Index] = t
	}
	if e.Omitted > 0 {
		return k.addOmitted(t, e)
	}
	return k.write(t, e.Stream, e.Data)
}

func (k *transcripts) addOmitted(t *transcript, e fanout.Event) error {
	if !k.mark {
		t.omitted[e.Stream] += e.Omitted
		return nil
	}
	line := append(omission(e.Omitted), '\n')
	if b := t.out[e.Stream]; b != nil && b.size > 0 && b.last != '\n' {
		line = append([]byte{'\n'}, line...)
	}
	return k.write(t, e.Stream, line)
}

func (k *transcripts) write(t *transcript, s fanout.Stream, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if t.out[s] == nil {
		t.out[s] = k.pool.buffer()
		if k.hashing {
			t.hash[s] = sha256.New()
		}
	}
	if k.hashing {
		_, _ = t.hash[s].Write(data) // a hash never fails
	}
	return t.out[s].write(data)
}

// take returns the target's transcript, which the caller then owns. It is never nil.
func (k *transcripts) take(target int) *transcript {
	t := k.byTarget[target]
	if t == nil {
		return &transcript{}
	}
	delete(k.byTarget, target)
	return t
}

// drop forgets what the target has written so far.
func (k *transcripts) drop(target int) { k.take(target).free() }

// close frees everything, and the temporary file.
func (k *transcripts) close() error {
	for i := range k.byTarget {
		k.drop(i)
	}
	return k.pool.Close()
}

func (t *transcript) free() {
	for s, b := range t.out {
		b.free()
		t.out[s] = nil
	}
}

// sums identifies the bytes of both streams.
func (t *transcript) sums() (sums [2]sum) {
	for s, h := range t.hash {
		if h != nil {
			h.Sum(sums[s][:0])
		}
	}
	return sums
}
