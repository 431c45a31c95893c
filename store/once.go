package store

import (
	"context"
	"time"
)

// A RequestKey identifies an idempotent request.
type RequestKey struct {
	// Principal sent it.
	Principal string
	// Key is unique per Principal, and Body an HMAC of the request's body, never the
	// body. An empty Key: the request is not idempotent.
	Key  string
	Body []byte
	At   time.Time
}

type onceKey struct{}

// Once is a context in which a job is added, or a firing is requested, once for k: the
// engine writes k together with the job or the firing, both or neither. If k was used in
// the last 24 hours, it writes nothing, and the error is a *ReplayedError or a
// *KeyReusedError. A firing that the overlap policy refuses does not use k up.
func Once(ctx context.Context, k RequestKey) context.Context {
	if k.Key == "" {
		return ctx
	}
	return context.WithValue(ctx, onceKey{}, k)
}

// OnceOf is the key of ctx, for engines; ok is false if there is none.
func OnceOf(ctx context.Context) (k RequestKey, ok bool) {
	k, ok = ctx.Value(onceKey{}).(RequestKey)
	return k, ok
}
