package ssh

import (
	"sync"
	"time"
)

// A stopwatch measures time except while it is paused. Pauses nest.
type stopwatch struct {
	// resumed receives a value when the watch runs again after read found it paused.
	resumed chan struct{}

	mu     sync.Mutex // guards what follows
	began  time.Time
	pauses int           // that go on
	since  time.Time     // when the first of them began
	lost   time.Duration // in all that are over
	missed bool          // read has found it paused
}

func newStopwatch() *stopwatch {
	return &stopwatch{began: time.Now(), resumed: make(chan struct{}, 1)}
}

func (w *stopwatch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pauses++; w.pauses == 1 {
		w.since = time.Now()
	}
}

func (w *stopwatch) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pauses--; w.pauses > 0 {
		return
	}
	w.lost += time.Since(w.since)
	if w.missed {
		w.missed = false
		select {
		case w.resumed <- struct{}{}:
		default: // one is enough
		}
	}
}

func (w *stopwatch) elapsed() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

// read returns the time, and whether the watch runs. If it does not, resumed
// will receive a value when it does again.
func (w *stopwatch) read() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missed = w.pauses > 0
	return w.now(), w.pauses == 0
}

func (w *stopwatch) now() time.Duration {
	t := time.Since(w.began) - w.lost
	if w.pauses > 0 {
		t -= time.Since(w.since)
	}
	return t
}
