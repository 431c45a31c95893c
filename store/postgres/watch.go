package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// pollEvery is how often subscribers look even if nothing was announced: an
	// announcement is a hint, which a broken connection loses.
	pollEvery = time.Second
	// listenAgain is the pause before the next connection after one that broke.
	listenAgain = time.Second
)

// A watch wakes its subscribers when a commit was announced, and each second. It has a
// connection of its own as long as it has subscribers. The zero value with a connect is
// ready.
type watch struct {
	// connect opens a connection that only listens.
	connect func(ctx context.Context) (*pgx.Conn, error)

	mu          sync.Mutex // guards what follows
	subscribers map[chan struct{}]bool
	stop        func() // ends the listening, and waits for its end; nil: there is none
}

// Wake returns a channel that receives soon after this or another process has written, and
// each second, until end is called. It is a hint.
func (h *handle) Wake() (wake <-chan struct{}, end func()) { return h.watch.subscribe() }

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
	var stop func()
	if len(w.subscribers) == 0 {
		stop, w.stop = w.stop, nil
	}
	w.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// close ends the listening although there are subscribers.
func (w *watch) close() {
	w.mu.Lock()
	stop := w.stop
	w.stop, w.subscribers = nil, nil
	w.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (w *watch) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.poll(ctx) })
	running.Go(func() { w.listen(ctx) })
	w.stop = func() {
		cancel()
		running.Wait()
	}
}

// poll wakes all each second.
func (w *watch) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.tell()
		case <-ctx.Done():
			return
		}
	}
}

// listen wakes all at each announcement. A connection that breaks is made again.
func (w *watch) listen(ctx context.Context) {
	for ctx.Err() == nil {
		_ = w.hear(ctx) // poll does without
		select {
		case <-time.After(listenAgain):
		case <-ctx.Done():
		}
	}
}

// hear listens on a connection until it breaks.
func (w *watch) hear(ctx context.Context) error {
	conn, err := w.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it only listened
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	w.tell() // something may have been written before
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
		w.tell()
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
