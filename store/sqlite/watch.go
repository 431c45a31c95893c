package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// watchEvery is how often a watch checks for writes to the history.
const watchEvery = 200 * time.Millisecond

// A watch detects writes to the history, by this process or another, for all
// subscribers of this process. It polls as long as it has subscribers.
type watch struct {
	// open returns a connection that only watches.
	open func() *sql.DB

	mu          sync.Mutex // guards what follows
	subscribers map[chan struct{}]bool
	stop        func() // ends the polling, and waits for its end; nil: there is none
}

// subscribe returns a channel that receives at least once soon after each write, until
// end is called.
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

// look polls until ctx ends. A history that cannot be read counts as changed.
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
		default: // the subscriber has not received the last one yet
		}
	}
}

// Wake returns a channel that receives soon after this or another process has written
// to the history, until end is called. It is a hint.
func (h *fileHandle) Wake() (wake <-chan struct{}, end func()) { return h.watch.subscribe() }
