package ssh

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// valvePatience is how long passing on a piece of output may take before
	// the host's connection is no longer read from.
	valvePatience = 2 * time.Millisecond
	// valveLead is how many bytes may meanwhile be read beyond what is being
	// passed on. A fast host fills its window in less than valvePatience.
	valveLead = 64 << 10
)

// A valve keeps a connection from being read while output that came over it
// waits for a reader on our side. The library would go on to read until the
// window of the channel is full, 2 MiB a host; closed, the bytes stay in the
// system's buffers and then with the host.
type valve struct {
	closed atomic.Bool // a Read waits

	mu      sync.Mutex    // guards what follows
	propped bool          // it does not close for long any more
	full    chan struct{} // closed when much was read ahead since; nil: it was, or is not propped
	writes  int           // pieces that are being passed on
	since   time.Time     // when there was none the last time
	copiers int           // of output; without one nothing is taken, and lead means nothing
	lead    int           // bytes that were read and, as far as is known, not taken from the library
	drained chan struct{}
}

// busy says that a piece is being passed on, until free is called.
func (v *valve) busy() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.writes++; v.writes == 1 {
		v.since = time.Now()
	}
}

func (v *valve) free() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.writes--; v.writes == 0 && v.drained != nil {
		close(v.drained)
		v.drained = nil
	}
}

// attend says that somebody takes output from now on, until leave is called.
func (v *valve) attend() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.copiers++
	v.lead = 0
}

func (v *valve) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.copiers--
}

// read notes that n bytes came over the connection.
func (v *valve) read(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lead += n
}

// took notes that n bytes of output were taken from the library. What is not
// output, and the rest that each packet has, would add up; all says that no more
// was there, so that none of the lead is left.
func (v *valve) took(n int, all bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lead = max(0, v.lead-n); all {
		v.lead = 0
	}
}

// prop keeps it open from now on: how a command ends must be heard although
// nobody reads what it said. The channel it returns is closed when as much has
// been read ahead as may be; then somebody has to take it, and throw it away.
func (v *valve) prop() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.propped, v.full = true, make(chan struct{})
	if v.drained != nil {
		close(v.drained)
		v.drained = nil
	}
	return v.full
}

// pass waits as long as the valve is closed, or until aborted is. Where nothing
// is being passed on although much was read, who is to take it may have no time
// just now, or what was read is no output; that is not waited for much.
func (v *valve) pass(aborted <-chan struct{}) {
	v.mu.Lock()
	ahead := v.copiers > 0 && v.lead >= valveLead
	waits := v.writes > 0 && (ahead || time.Since(v.since) >= valvePatience)
	if v.propped {
		if waits && ahead && v.full != nil {
			close(v.full)
			v.full = nil
		}
		waits = false
	}
	if !ahead && !waits {
		v.mu.Unlock()
		return
	}
	if v.drained == nil {
		v.drained = make(chan struct{})
	}
	drained := v.drained
	v.mu.Unlock()

	var enough <-chan time.Time
	if !waits {
		t := time.NewTimer(valvePatience)
		defer t.Stop()
		enough = t.C
	}
	v.closed.Store(true)
	defer v.closed.Store(false)
	select {
	case <-drained:
	case <-enough:
	case <-aborted:
	}
}
