package ssh

import (
	"sync"
	"sync/atomic"
	"time"
)

// While a host sends much, the library grants it more of the channel's window after
// each 100 KB or so, by a message of its own. Both sides pay for each: a system call,
// a cipher and a wakeup, together about a tenth of the CPU of a bulk transfer. A host
// that is near has always enough of its window left to wait for a few of them.

const (
	// heldGrants is how many grants go out in one write. Less than half of the
	// window, which has 2 MiB, is held that way.
	heldGrants = 8
	// grantTime is how long a grant is held at most, so that a host that pauses
	// finds all of its window again. At less than 20 MB/s eight grants take longer
	// than that to come together, but then they cost little.
	grantTime = 40 * time.Millisecond
	// nearHost is the longest round trip over which grants are held. A host that is
	// further away may need its whole window to fill the path.
	nearHost = 5 * time.Millisecond
)

// A grantWriter writes what the library sends, in its order, and holds grants on
// the way to a host that is near. Its methods may be called concurrently.
type grantWriter struct {
	write func([]byte) error // called by one goroutine at a time
	near  atomic.Bool        // the host is known to be no further away than nearHost

	mu    sync.Mutex // guards what follows, and the order of writes
	held  []byte
	count int         // of grants in held
	timer *time.Timer // nil until a grant is held
}

// send writes p, which is a grant or not, after what is held. An error may be that
// of an earlier message.
func (g *grantWriter) send(p []byte, grant bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if grant && g.near.Load() {
		g.held = append(g.held, p...)
		if g.count++; g.count < heldGrants {
			g.startTimer()
			return nil
		}
		return g.flush()
	}
	if g.count == 0 {
		return g.write(p)
	}
	g.held = append(g.held, p...)
	return g.flush()
}

// startTimer sees to it that the first grant that is held is not held for long.
func (g *grantWriter) startTimer() {
	switch {
	case g.timer == nil:
		g.timer = time.AfterFunc(grantTime, g.flushLate)
	case g.count == 1:
		g.timer.Reset(grantTime)
	}
}

// flush writes what is held; g.mu is held.
func (g *grantWriter) flush() error {
	g.timer.Stop()
	p := g.held
	g.held, g.count = g.held[:0], 0
	return g.write(p)
}

func (g *grantWriter) flushLate() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count > 0 {
		_ = g.flush() // the reader notices that the host has gone away
	}
}
