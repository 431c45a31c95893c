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
	// crowdLead is what all connections of a client together may read beyond what
	// each of them is passing on; each has its share of it, at most valveLead. One
	// packet more may come, as nobody can take half a packet.
	crowdLead = 16 << 20
)

// A valve keeps a connection from being read while output that came over it
// waits for a reader on our side. The library would go on to read until the
// window of the channel is full, 2 MiB a host; closed, the bytes stay in the
// system's buffers and then with the host.
type valve struct {
	closed atomic.Bool // a Read waits

	mu      sync.Mutex    // guards what follows
	crowd   *atomic.Int64 // of the client: connections whose output is taken; nil: this is the only one
	counted *atomic.Int64 // the crowd that this one is counted in; nil: none
	propped bool          // it does not close for long any more
	full    chan struct{} // closed when much was read ahead since; nil: it was, or is not propped
	writes  int           // pieces that are being passed on
	since   time.Time     // when there was none the last time
	copiers int           // of output; without one nothing is taken, and lead means nothing
	asking  int           // of these, those that wait for the library to hand over more
	lead    int           // at least the bytes of output that were read and not taken from the library
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
	if v.writes--; v.writes == 0 {
		v.open()
	}
}

// attend says that a copier takes output from now on, until leave is called.
func (v *valve) attend() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.copiers++; v.copiers == 1 {
		v.lead = 0
		if v.counted = v.crowd; v.counted != nil {
			v.counted.Add(1)
		}
	}
}

func (v *valve) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.copiers--; v.copiers == 0 && v.counted != nil {
		v.counted.Add(-1)
		v.counted = nil
	}
}

// join says which crowd the connection is part of from its next command on.
func (v *valve) join(crowd *atomic.Int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.crowd = crowd
}

// share is how much may be read ahead while something is being passed on; v.mu is
// held.
func (v *valve) share() int {
	if v.counted == nil {
		return valveLead
	}
	return min(valveLead, crowdLead/int(max(1, v.counted.Load())))
}

// read notes that n bytes came over the connection. What is not output, and what
// a packet has beside its payload, counts too, and nobody takes it: lead would
// only ever grow. It is therefore a bound and no sum, and begins again at 0
// whenever nothing can be left with the library: see took and pass.
func (v *valve) read(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lead += n
}

// ask notes that a copier asks the library for more; took comes next.
func (v *valve) ask() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asking++
}

// took notes that a copier was handed n bytes, and whether these were all that
// its stream had. With the other copiers waiting for more, nothing is left then.
func (v *valve) took(n int, all bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asking--
	v.lessen(n, all && v.asking == v.copiers-1)
}

// discarded is took for who throws output away beside the copiers.
func (v *valve) discarded(n int, all bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lessen(n, all)
}

// lessen takes n bytes off the lead, or all of it, and lets a read go on that
// waited only for that; v.mu is held.
func (v *valve) lessen(n int, all bool) {
	if v.lead = max(0, v.lead-n); all {
		v.lead = 0
	}
	if v.writes == 0 && v.lead < valveLead {
		v.open()
	}
}

// open lets a read go on that waits; v.mu is held.
func (v *valve) open() {
	if v.drained != nil {
		close(v.drained)
		v.drained = nil
	}
}

// prop keeps it open from now on: how a command ends must be heard although
// nobody reads what it said. The channel it returns is closed when as much has
// been read ahead as may be; then somebody has to take it, and throw it away.
func (v *valve) prop() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.propped, v.full = true, make(chan struct{})
	v.open()
	return v.full
}

// pass waits as long as the valve is closed, or until aborted is. Where nothing
// is being passed on although much was read, the copiers may have no time just
// now, or what was read is no output; that is not waited for much, and once.
func (v *valve) pass(aborted <-chan struct{}) {
	drained, patience := v.closes()
	if drained == nil {
		return
	}
	var enough <-chan time.Time
	if patience > 0 {
		t := time.NewTimer(patience)
		defer t.Stop()
		enough = t.C
	}
	v.closed.Store(true)
	defer v.closed.Store(false)
	select {
	case <-drained:
	case <-enough:
		v.forget()
	case <-aborted:
	}
}

// closes returns what a read has to wait for, nil for nothing, and how long at
// most, 0 for ever.
func (v *valve) closes() (<-chan struct{}, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	ahead := v.copiers > 0 && v.lead >= valveLead
	waits := v.writes > 0 && (ahead || v.copiers > 0 && v.lead >= v.share() || time.Since(v.since) >= valvePatience)
	if v.propped {
		if waits && ahead && v.full != nil {
			close(v.full)
			v.full = nil
		}
		waits = false
	}
	if !ahead && !waits {
		return nil, 0
	}
	if v.drained == nil {
		v.drained = make(chan struct{})
	}
	if waits {
		return v.drained, 0
	}
	return v.drained, valvePatience
}

// forget gives up a lead that nobody has taken although there was time to: if
// all copiers wait for more, it was no output.
func (v *valve) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asking == v.copiers {
		v.lead = 0
	}
}
