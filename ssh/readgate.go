package ssh

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// gatePatience is how long writing a piece of output may take before the
	// host's connection is no longer read.
	gatePatience = 2 * time.Millisecond
	// maxReadAhead is how many bytes may be read in that time beyond the piece being
	// written. A fast host fills its window in less than gatePatience.
	maxReadAhead = 64 << 10
	// crowdReadAhead is how many bytes all connections of a client together may read
	// ahead; each has an equal share, at most maxReadAhead. A connection can exceed its
	// share by one packet, because packets are read whole.
	crowdReadAhead = 16 << 20
)

// A readGate stops reads from a connection while its output waits for a slow writer.
// Without it the library would read until the channel's window is full, 2 MiB per host.
// While the gate is closed, the bytes stay in the kernel's buffers, and then with the
// host.
type readGate struct {
	closed atomic.Bool // a Read waits

	mu        sync.Mutex    // guards what follows
	crowd     *atomic.Int64 // of the client: connections whose output is taken; nil: this is the only one
	counted   *atomic.Int64 // the crowd that this one is counted in; nil: none
	heldOpen  bool          // it stays open until much was read ahead
	full      chan struct{} // closed when much was read ahead since holdOpen; nil: it was, or holdOpen was not called
	writes    int           // pieces of output being written
	since     time.Time     // when there was none the last time
	copiers   int           // of output; without one readAhead means nothing
	asking    int           // of these, those that wait for the library to hand over more
	readAhead int           // at least the bytes of output that were read and not taken from the library
	drained   chan struct{}
}

// busy records that a piece of output is being written, until free is called.
func (v *readGate) busy() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.writes++; v.writes == 1 {
		v.since = time.Now()
	}
}

func (v *readGate) free() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.writes--; v.writes == 0 {
		v.open()
	}
}

// arm records that a copier reads output from now on, until disarm is called.
func (v *readGate) arm() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.copiers++; v.copiers == 1 {
		v.readAhead = 0
		if v.counted = v.crowd; v.counted != nil {
			v.counted.Add(1)
		}
	}
}

func (v *readGate) disarm() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.copiers--; v.copiers == 0 && v.counted != nil {
		v.counted.Add(-1)
		v.counted = nil
	}
}

// join makes the connection share the read-ahead of crowd from its next command on.
func (v *readGate) join(crowd *atomic.Int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.crowd = crowd
}

// share is how many bytes may be read ahead while output is being written; v.mu is
// held.
func (v *readGate) share() int {
	if v.counted == nil {
		return maxReadAhead
	}
	return min(maxReadAhead, crowdReadAhead/int(max(1, v.counted.Load())))
}

// read records that n bytes came over the connection. It also counts bytes that are no
// output, such as packet headers, and consumed never subtracts those. readAhead is
// therefore an upper bound and no sum; it returns to 0 when the library holds no more
// output: see consumed and pass.
func (v *readGate) read(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.readAhead += n
}

// ask records that a copier asks the library for more; consumed comes next.
func (v *readGate) ask() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asking++
}

// consumed records that a copier got n bytes, and whether these were all that its
// stream had. If the other copiers wait for more at that time, the library holds no
// more output.
func (v *readGate) consumed(n int, all bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asking--
	v.lessen(n, all && v.asking == v.copiers-1)
}

// discarded is consumed for a goroutine that discards output alongside the copiers.
func (v *readGate) discarded(n int, all bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lessen(n, all)
}

// lessen takes n bytes off readAhead, or all of it, and resumes a read that waited only
// for that; v.mu is held.
func (v *readGate) lessen(n int, all bool) {
	if v.readAhead = max(0, v.readAhead-n); all {
		v.readAhead = 0
	}
	if v.writes == 0 && v.readAhead < maxReadAhead {
		v.open()
	}
}

// open resumes a read that waits; v.mu is held.
func (v *readGate) open() {
	if v.drained != nil {
		close(v.drained)
		v.drained = nil
	}
}

// holdOpen keeps the gate open from now on: while a command is being stopped, its end
// must be read although its output is not written. The returned channel is closed once
// as much as allowed has been read ahead; from then on the caller must discard the
// output.
func (v *readGate) holdOpen() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.heldOpen, v.full = true, make(chan struct{})
	v.open()
	return v.full
}

// pass waits while the gate is closed, or until aborted is. If no output is being
// written although much was read, the copiers are late, or what was read is no output;
// then it waits once, for gatePatience.
func (v *readGate) pass(aborted <-chan struct{}) {
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
func (v *readGate) closes() (<-chan struct{}, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	ahead := v.copiers > 0 && v.readAhead >= maxReadAhead
	waits := v.writes > 0 && (ahead || v.copiers > 0 && v.readAhead >= v.share() || time.Since(v.since) >= gatePatience)
	if v.heldOpen {
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
	return v.drained, gatePatience
}

// forget resets readAhead after gatePatience if all copiers wait for more: what was
// read was no output.
func (v *readGate) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asking == v.copiers {
		v.readAhead = 0
	}
}
