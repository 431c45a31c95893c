package server

import (
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// lookEvery is how often files are looked at, at most.
const lookEvery = time.Second

// A reloaded is what load makes of files, read again when they have changed. Its methods
// may be called by several goroutines at once.
type reloaded[T any] struct {
	files []string
	load  func() (T, error)
	what  string // is in the files, for the log
	log   *slog.Logger

	mu      sync.Mutex // guards what follows
	current T
	looked  time.Time
	// seen is the state of the files of current, or of those that could not be read.
	seen []time.Time
}

// newReloaded reads the files. A nil log discards.
func newReloaded[T any](what string, load func() (T, error), log *slog.Logger, files ...string) (*reloaded[T], error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &reloaded[T]{files: files, load: load, what: what, log: log, looked: time.Now()}
	r.seen = r.written()
	var err error
	r.current, err = load()
	return r, err
}

// now is what is in the files; what was before, if they cannot be read.
func (r *reloaded[T]) now() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.looked) < lookEvery {
		return r.current
	}
	r.looked = time.Now()
	seen := r.written()
	if slices.Equal(seen, r.seen) {
		return r.current
	}
	read, err := r.load()
	if err != nil { // one of several files may not have been replaced yet
		r.log.Warn("cannot read the new "+r.what+"; the one before stays in use", "error", err)
		return r.current
	}
	r.current, r.seen = read, seen
	r.log.Info("read the "+r.what+" again", "file", r.files[0])
	return r.current
}

// written is when the files were written; zero: unknown.
func (r *reloaded[T]) written() []time.Time {
	at := make([]time.Time, len(r.files))
	for i, path := range r.files {
		if info, err := os.Stat(path); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}
