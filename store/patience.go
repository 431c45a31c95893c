package store

import (
	"context"
	"time"
)

type patienceKey struct{}

// Patience is a context whose changes wait no longer than that for another process that
// has the store locked, and then are [ErrBusy]. What else is done with it may take longer.
func Patience(ctx context.Context, wait time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, wait)
}

// PatienceOf is how long a change of ctx waits; ok is false if nothing is said.
func PatienceOf(ctx context.Context) (wait time.Duration, ok bool) {
	wait, ok = ctx.Value(patienceKey{}).(time.Duration)
	return wait, ok
}
