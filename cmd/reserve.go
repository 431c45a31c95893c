package cmd

import (
	"slices"
	"sync"
)

// maxReserve bounds how many lines a reserve keeps; what comes later says little
// that is new.
const maxReserve = 1000

// A reserve holds warnings that are shown only if something goes wrong. The zero value
// holds them; any goroutine may use it.
type reserve struct {
	mu       sync.Mutex // guards what follows
	lines    []string
	released bool
}

// keep keeps line, once, and reports whether it did; after release it does not.
func (r *reserve) keep(line string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.released {
		return false
	}
	if len(r.lines) < maxReserve && !slices.Contains(r.lines, line) {
		r.lines = append(r.lines, line)
	}
	return true
}

// release returns the held lines, and makes keep refuse from now on.
func (r *reserve) release() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines, r.released = nil, true
	return lines
}
