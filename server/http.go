package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tutti/internal/sanitize"
)

const (
	// checkLimit bounds what a page asks before it is written.
	checkLimit = 5 * time.Second
	// checkAge is how long a result is served from memory, so that frequent requests
	// do not keep the history busy.
	checkAge = time.Second
	// maxScrapes is how many may read the metrics at once.
	maxScrapes = 4
	// maxHeader and maxBody bound a request, in bytes. Its body is not read.
	maxHeader = 16 << 10
	maxBody   = 1 << 10
	// shutdownGrace is how long requests have that are being answered when the
	// daemon is to end.
	shutdownGrace = 3 * time.Second
)

// Pages are what a daemon says of itself.
type Pages struct {
	// Metrics are what /metrics shows.
	Metrics *Metrics
	// Silence is how long the scheduler may take for a turn to count as alive,
	// as /healthz says it.
	Silence time.Duration
	// Ready is an error that says what keeps the daemon from working, as /readyz
	// says it; nil: nothing does. It is not called more than once a second.
	Ready func(context.Context) error
	// Logger gets what goes wrong with requests; nil: it is not logged.
	Logger *slog.Logger
}

// A Handler serves pages.
type Handler struct {
	http.Handler
	checks []*check
}

// Wait waits for what is being found out for a page; after Serve nothing new begins.
func (h *Handler) Wait() {
	for _, c := range h.checks {
		c.finding.Wait()
	}
}

// Handler serves /metrics, /healthz and /readyz, to GET and HEAD. A page of
// health is 200, or 503 with the reason as its text.
func (p Pages) Handler() *Handler {
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	metrics := promhttp.HandlerFor(p.Metrics.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(p.Logger.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.HTTPErrorOnError,
		MaxRequestsInFlight: maxScrapes,
	})
	jobs := newCheck(p.Metrics.refresh)
	ready := newCheck(p.ready)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if err := jobs.do(r.Context()); err != nil {
			p.Logger.Warn("cannot read the jobs for the metrics", "error", err)
		}
		metrics.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		say(w, p.Metrics.Alive(p.Silence))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		say(w, ready.do(r.Context()))
	})
	return &Handler{http.MaxBytesHandler(mux, maxBody), []*check{jobs, ready}}
}

// ready is an error unless the daemon lives, did all it had to, and still can.
func (p Pages) ready(ctx context.Context) error {
	if err := p.Metrics.Alive(p.Silence); err != nil {
		return err
	}
	if err := p.Metrics.Working(); err != nil || p.Ready == nil {
		return err
	}
	return p.Ready(ctx)
}

// say answers that all is well, or what is not.
func say(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok"
	if err != nil {
		text = sanitize.Escape(err.Error())
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = fmt.Fprintln(w, text) // the client may have gone
}

// A check finds something out for all who ask within checkAge.
type check struct {
	find func(context.Context) error
	// turn is held while it is found out; it guards what follows.
	turn chan struct{}
	at   time.Time
	err  error
	// finding counts what is being found out, which may take longer than the
	// clients wait.
	finding sync.WaitGroup
}

func newCheck(find func(context.Context) error) *check {
	return &check{find: find, turn: make(chan struct{}, 1)}
}

// do finds out, or says what was found. One who goes before it is known takes
// nothing away from the others.
func (c *check) do(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkLimit, fmt.Errorf("the history did not answer within %s", checkLimit))
	defer cancel()
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	found := make(chan error, 1) // it is found out also if no client waits any more
	c.finding.Go(func() {
		defer func() { <-c.turn }()
		found <- c.refresh(ctx)
	})
	select {
	case err := <-found:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// refresh checks the history; the caller holds the turn.
func (c *check) refresh(ctx context.Context) error {
	if !c.at.IsZero() && time.Since(c.at) < checkAge {
		return c.err
	}
	err := c.find(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.at, c.err = time.Now(), err
	return err
}

// Serve answers requests that come to l until ctx ends, which is no error. It
// closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1) // it ends also if Serve waits no longer
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		_ = s.Close() // requests that are still waiting get no answer
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}
