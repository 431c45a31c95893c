package live

import (
	"strconv"
	"sync"
	"time"
)

const (
	// frameEvery is how often what has changed becomes a frame.
	frameEvery = 100 * time.Millisecond
	// keptFrames is how many frames are kept for viewers that are behind, as long as
	// together they have no more changes than a snapshot.
	keptFrames = 64
)

// A board is the state of each host of a run. The cost of writing to it does not depend
// on the number of viewers, and without one it allocates nothing.
type board struct {
	mu      sync.Mutex // guards what follows
	slots   []slot
	counts  counts
	dirty   []int32
	version uint64
	frames  []*frame // the last ones, oldest first
	kept    int      // how many changes they have
	snap    *snapshot
	// changed is closed with each frame.
	changed chan struct{}
	viewers int
	// tick makes frames while something is dirty and there is a viewer.
	tick  *time.Timer
	armed bool
	over  bool // nothing will change any more
}

// A frame is what changed since the version before it.
type frame struct {
	version uint64
	counts  counts
	changes []change
	encode  sync.Once
	data    []byte
}

// A change is a slot as it became.
type change struct {
	index int32
	slot  slot
}

// A snapshot is all slots; its version may be lower than what is in it.
type snapshot struct {
	frame
}

func newBoard(hosts int) *board {
	b := &board{slots: make([]slot, hosts), dirty: make([]int32, 0, hosts), changed: make(chan struct{})}
	b.counts[waiting] = int32(hosts)
	b.tick = time.AfterFunc(time.Hour, b.flush)
	b.tick.Stop()
	return b
}

// set moves a host on, and marks it; b.mu is held.
func (b *board) set(s *slot, index int, p phase) {
	b.counts[s.phase]--
	b.counts[p]++
	s.phase = p
	b.mark(s, index)
}

// mark says that a slot has changed; b.mu is held.
func (b *board) mark(s *slot, index int) {
	if !s.dirty {
		s.dirty = true
		b.dirty = append(b.dirty, int32(index))
	}
	if b.viewers > 0 && !b.armed {
		b.armed = true
		b.tick.Reset(frameEvery)
	}
}

// flush makes a frame of what is dirty.
func (b *board) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = false
	b.publish()
}

// publish is flush; b.mu is held.
func (b *board) publish() {
	if len(b.dirty) > 0 {
		b.version++
		f := &frame{version: b.version, counts: b.counts, changes: make([]change, len(b.dirty))}
		for i, index := range b.dirty {
			b.slots[index].dirty = false
			f.changes[i] = change{index, b.slots[index]}
		}
		b.dirty = b.dirty[:0]
		b.frames, b.kept = append(b.frames, f), b.kept+len(f.changes)
		for len(b.frames) > keptFrames || b.kept > len(b.slots) && len(b.frames) > 1 {
			b.kept -= len(b.frames[0].changes)
			b.frames[0], b.frames = nil, b.frames[1:]
		}
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// finish makes the last frame.
func (b *board) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	b.tick.Stop()
	b.publish()
}

// enter makes the caller a viewer, until leave.
func (b *board) enter() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.viewers++; b.viewers == 1 && len(b.dirty) > 0 {
		b.publish() // what has changed while there was no viewer
	}
}

func (b *board) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.viewers--
}

// news is what leads a viewer to the present.
type news struct {
	// snapshot, if it is not nil, is to be shown before the frames.
	snapshot *snapshot
	frames   []*frame
	version  uint64 // of the present
	over     bool   // there will be no more
	changed  <-chan struct{}
}

// since is what a viewer that has seen that version still has to be shown; known is
// false for one that has seen none. A version that never was gets a snapshot.
func (b *board) since(version uint64, known bool) news {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := news{version: b.version, over: b.over, changed: b.changed}
	behind := b.version - version // wraps around for one that is ahead
	switch {
	case !known || behind > uint64(len(b.frames)):
		n.snapshot = b.snapshot()
	case behind > 0:
		n.frames = append(n.frames, b.frames[len(b.frames)-int(behind):]...)
	}
	return n
}

// snapshot is one of the present version; b.mu is held.
func (b *board) snapshot() *snapshot {
	if b.snap == nil || b.snap.version != b.version {
		b.snap = &snapshot{frame{version: b.version, counts: b.counts, changes: make([]change, len(b.slots))}}
		for i := range b.slots {
			b.snap.changes[i] = change{int32(i), b.slots[i]}
		}
	}
	return b.snap
}

// bytes is the frame as it is sent to all who see all hosts; it is made once.
func (f *frame) bytes() []byte {
	f.encode.Do(func() { f.data = appendFrame(nil, f.version, &f.counts, f.changes) })
	return f.data
}

// appendFrame appends the JSON of a frame.
func appendFrame(b []byte, version uint64, c *counts, changes []change) []byte {
	b = strconv.AppendUint(append(b, `{"version":`...), version, 10)
	b = append(c.append(append(b, `,"counts":`...)), `,"hosts":[`...)
	for i := range changes {
		if i > 0 {
			b = append(b, ',')
		}
		b = changes[i].slot.append(b, changes[i].index)
	}
	return append(b, "]}"...)
}
