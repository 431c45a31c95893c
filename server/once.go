package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"tutti/api"
	"tutti/server/operation"
	"tutti/store"
)

// requestKey is the key of an idempotent request of who asks, with what the history keeps
// of its body. The key itself is kept nowhere: it is what the body is hidden by.
func requestKey(ctx context.Context, body []byte, now time.Time) (store.RequestKey, error) {
	r := operation.Request(ctx)
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return store.RequestKey{}, nil
	}
	key := keys[0]
	printable := !strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' })
	if len(keys) > 1 || key == "" || len(key) > 255 || !printable {
		return store.RequestKey{}, operation.Invalid.Fail("").With(api.InParameter("Idempotency-Key", "want one key, of 1 to 255 printable characters"))
	}
	hidden := sha256.Sum256([]byte("tutti idempotency\x00" + key))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(r.Method + " " + r.URL.Path + "\x00"))
	mac.Write(body)
	p := principalOf(ctx)
	return store.RequestKey{Principal: p.Name, Key: hex.EncodeToString(hidden[:]), Body: mac.Sum(nil), At: now}, nil
}

// once calls do, unless the request was taken before, which is the *store.ReplayedError.
// What do writes is written together with the key. It is looked for first, too: what was
// taken once is answered so even if it would be refused now.
func (a changeOps) once(ctx context.Context, body []byte, do func(context.Context) error) (before *store.ReplayedError, err error) {
	k, err := requestKey(ctx, body, a.Now())
	if err != nil {
		return nil, err
	}
	if k.Key != "" && a.Submissions != nil {
		err = a.Submissions.Replayed(ctx, k.Principal, k.Key, k.Body, k.At)
	}
	if err == nil {
		err = do(store.Once(ctx, k))
	}
	if errors.As(err, &before) {
		return before, nil
	}
	return nil, err
}

// replayed marks an answer that was given before.
func replayed(h http.Header) http.Header {
	if h == nil {
		h = http.Header{}
	}
	h.Set("Idempotency-Replayed", "true")
	return h
}
