package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// watchEvery is how often is looked whether something was written to the history.
const watchEvery = 200 * time.Millisecond

// A watch looks, for all in this process who want to know it, whether anything was
// written to the history, by this process or another. It looks as long as somebody
// wants to know.
type watch struct {
	// open gives a connection that only watches.
	open func() *sql.DB

	mu          sync.Mutex // guards what follows
	subscribers map[chan struct{}]bool
	stop        func() // ends looking, and waits for that; nil: nobody looks
}

// subscribe returns a channel that receives after something was written, soon and
// at least once, until end is called.
func (w *watch) subscribe() (wake <-chan struct{}, end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := make(chan struct{}, 1)
	if w.subscribers == nil {
		w.subscribers = make(map[chan struct{}]bool)
	}
	w.subscribers[ch] = true
	if w.stop == nil {
		w.start()
	}
	return ch, sync.OnceFunc(func() { w.unsubscribe(ch) })
}

func (w *watch) unsubscribe(ch chan struct{}) {
	w.mu.Lock()
	delete(w.subscribers, ch)
	stop := w.stop
	if len(w.subscribers) > 0 {
		stop = nil
	} else {
		w.stop = nil
	}
	w.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (w *watch) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.look(ctx)
	}()
	w.stop = func() {
		cancel()
		<-done
	}
}

// look looks until ctx ends. A history that cannot be read now may have changed.
func (w *watch) look(ctx context.Context) {
	db := w.open()
	defer func() { _ = db.Close() }() // it only reads
	db.SetMaxOpenConns(1)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last int64
	for {
		var version int64
		err := db.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
		if err != nil || version != last {
			last = version
			w.tell()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *watch) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.subscribers {
		select {
		case ch <- struct{}{}:
		default: // it has not come to the last one yet
		}
	}
}

// Wake returns a channel that receives soon after something was written to the
// history, by this process or another, until end is called. It is a hint.
func (h *fileHandle) Wake() (wake <-chan struct{}, end func()) { return h.watch.subscribe() }
