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
	// patience is how long a busy server is asked again, and tries how often at most.
	patience = time.Minute
	tries    = 6
	// firstWait is how long is waited before a request is sent again where the server
	// does not say so; twice as long each time after.
	firstWait = 500 * time.Millisecond
)

// A busyError is a refusal for now.
type busyError struct {
	error
	after time.Duration // 0: the server does not say
}

func (e *busyError) Unwrap() error { return e.error }

// retry sends q until it is answered otherwise than with "not now", and calls read with
// the answer. A request that was cut off is sent again, too, if nothing is done twice by
// that.
func (c *Client) retry(ctx context.Context, q *request, read func(*http.Response) error) error {
	began, wait := time.Now(), firstWait
	for try := 1; ; try++ {
		err := c.once(ctx, q, read)
		busy, isBusy := errors.AsType[*busyError](err)
		again := isBusy || errors.As(err, new(*cutError)) && (q.method == http.MethodGet || q.key != "")
		if !again || try == tries || ctx.Err() != nil {
			return cause(ctx, err)
		}
		pause := wait
		if isBusy && busy.after > 0 {
			pause = busy.after
		}
		if time.Since(began)+pause > patience {
			return err
		}
		wait *= 2
		if !sleep(ctx, pause) {
			return cause(ctx, err)
		}
	}
}

func (c *Client) once(ctx context.Context, q *request, read func(*http.Response) error) error {
	r, err := c.do(ctx, q)
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }() // it was read
	return read(r)
}

// sleep waits, and reports whether it was not disturbed.
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

// notNow makes of a refusal one for now, if the answer says so.
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
