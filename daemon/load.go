package daemon

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// A load is what a daemon executes. Its methods may be called by many goroutines at once.
type load struct {
	// lighter is called when a run has ended.
	lighter func()

	mu          sync.Mutex // guards what follows
	runs, hosts int
}

// now is how many runs are executed, and how many hosts they have.
func (l *load) now() (runs, hosts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs, l.hosts
}

// A share is what a run adds to a load, until end is called.
type share struct {
	*load
	hosts int
}

// take adds a run with that many hosts, as far as they are known.
func (l *load) take(hosts int) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs++
	l.hosts += hosts
	return &share{l, hosts}
}

// has says how many hosts the run has.
func (s *share) has(hosts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load.hosts += hosts - s.hosts
	s.hosts = hosts
}

func (s *share) end() {
	s.mu.Lock()
	s.runs--
	s.load.hosts -= s.hosts
	s.mu.Unlock()
	s.lighter()
}

// usedMemory and releasedMemory are what the memory limit of the Go runtime counts.
const (
	usedMemory     = "/memory/classes/total:bytes"
	releasedMemory = "/memory/classes/heap/released:bytes"
)

// shortOfMemory reports whether the process uses nearly all of its memory limit, which
// GOMEMLIMIT sets. Without a limit it is never short.
func shortOfMemory() bool {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return false
	}
	samples := []metrics.Sample{{Name: usedMemory}, {Name: releasedMemory}}
	metrics.Read(samples)
	used := samples[0].Value.Uint64() - samples[1].Value.Uint64()
	return used > uint64(limit)/10*9
}
