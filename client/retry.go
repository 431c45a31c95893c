package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// patience is how long a request to a busy server is repeated, and tries how often.
	patience = time.Minute
	tries    = 6
	// firstWait is the pause before a request is repeated if the server names none; it
	// doubles each time.
	firstWait = 500 * time.Millisecond
)

// A busyError is a refusal after which the request may be repeated.
type busyError struct {
	error
	after time.Duration // 0: the server names no time
}

func (e *busyError) Unwrap() error { return e.error }

// retry sends q until the server is not busy, and calls read with the answer. A request
// that was cut off is repeated, too, also to a server that is away then, if the server
// does not execute it twice.
func (c *Client) retry(ctx context.Context, q *request, read func(*http.Response) error) error {
	began, wait, unknown := time.Now(), firstWait, false
	for try := 1; ; try++ {
		err := c.once(ctx, q, read)
		busy, isBusy := errors.AsType[*busyError](err)
		isCut := errors.As(err, new(*cutError)) && (q.method == http.MethodGet || q.key != "")
		unknown = unknown || isCut && q.key != ""
		isAway := unknown && errors.As(err, new(*UnreachableError))
		pause := wait
		if isBusy && busy.after > 0 {
			pause = busy.after
		}
		again := (isBusy || isCut || isAway) && try < tries && time.Since(began)+pause <= patience
		if !again || !sleep(ctx, pause) {
			if unknown && (isCut || isAway || ctx.Err() != nil) {
				return &UnknownError{cause(ctx, err)}
			}
			return cause(ctx, err)
		}
		wait *= 2
	}
}

// An UnknownError says that a change may have been made: the server got the request, and
// its answer was lost.
type UnknownError struct{ err error }

func (e *UnknownError) Error() string {
	return e.err.Error() + "; whether the server has done what it was asked for is not known"
}
func (e *UnknownError) Unwrap() error { return e.err }

func (c *Client) once(ctx context.Context, q *request, read func(*http.Response) error) error {
	r, err := c.do(ctx, q)
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }() // it was read
	return read(r)
}

// sleep waits, and reports whether the time has passed before the end of ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// cause is why ctx ended, if it did, else err.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// notNow makes a refusal a busyError if the status says that.
func notNow(r *http.Response, err error) error {
	if r.StatusCode != http.StatusServiceUnavailable && r.StatusCode != http.StatusTooManyRequests {
		return err
	}
	busy := &busyError{error: err}
	if n, parseErr := strconv.Atoi(r.Header.Get("Retry-After")); parseErr == nil && n > 0 {
		busy.after = time.Duration(min(n, int(patience/time.Second)+1)) * time.Second
	}
	return busy
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
