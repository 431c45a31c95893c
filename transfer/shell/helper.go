package shell

import (
	"context"
	"sync"

	"tutti/fanout"
)

// A Helper is a shell alongside another way to the files. It starts when it is first
// needed; on a host that has none, every call returns the error with which that failed.
type Helper struct {
	open func() (*Remote, error)

	mu      sync.Mutex // guards what follows
	started bool
	remote  *Remote
	err     error
}

// NewHelper makes a Helper on host. ctx is that of the attempt: the shell outlives the
// call that it is first needed for.
func NewHelper(ctx context.Context, host fanout.Sessions) *Helper {
	return &Helper{open: func() (*Remote, error) { return Open(ctx, host, nil) }}
}

func (h *Helper) start() (*Remote, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.started {
		h.started = true
		h.remote, h.err = h.open()
	}
	return h.remote, h.err
}

// Sums are the SHA-256 sums of files.
func (h *Helper) Sums(ctx context.Context, files []string) (map[string]string, error) {
	r, err := h.start()
	if err != nil {
		return nil, err
	}
	return r.Sums(ctx, files)
}

// Expand expands a pattern.
func (h *Helper) Expand(ctx context.Context, pattern string) ([]string, error) {
	r, err := h.start()
	if err != nil {
		return nil, err
	}
	return r.Expand(ctx, pattern)
}

// Close ends the shell, if there is one.
func (h *Helper) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.remote == nil {
		return nil
	}
	return h.remote.Close()
}
