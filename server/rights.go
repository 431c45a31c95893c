package server

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"tutti/access"
)

// rightsAgain is when rights are looked up again that could not be read.
const rightsAgain = time.Second

// rights are those with which streams were opened that are still open. Without a gate all
// stay as they are.
type rights struct {
	gate *access.Gate
	now  func() time.Time

	mu      sync.Mutex // guards holders
	holders map[*holder]bool
}

// A holder is who has a stream open; end ends it.
type holder struct {
	principal access.Principal
	end       context.CancelFunc
}

// while is the context of a stream: it ends when who has opened it may do something else
// than before, if WatchRights is running, or is not let in any more. They have to ask again
// then.
func (r *rights) while(ctx context.Context) (while context.Context, end func(), err error) {
	p := principalOf(ctx)
	if r.gate == nil || p.Name == "" {
		return ctx, func() {}, nil
	}
	while, cancel := context.WithCancel(ctx)
	h := &holder{p, cancel}
	r.add(h)
	expiry := time.NewTimer(time.Hour)
	expiry.Stop()
	if !p.Expires.IsZero() {
		expiry = time.AfterFunc(p.Expires.Sub(r.now()), cancel)
	}
	end = func() {
		expiry.Stop()
		r.remove(h)
		cancel()
	}
	// They may have changed since the request was admitted.
	same, err := h.same(ctx, r.gate)
	if err != nil {
		end()
		return nil, nil, err
	}
	if !same {
		cancel()
	}
	return while, end, nil
}

func (r *rights) add(h *holder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holders == nil {
		r.holders = make(map[*holder]bool)
	}
	r.holders[h] = true
}

func (r *rights) remove(h *holder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.holders, h)
}

// all are those that have a stream open now.
func (r *rights) all() []*holder {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.holders))
}

// same reports whether a holder may do what it might when it opened its stream.
func (h *holder) same(ctx context.Context, g *access.Gate) (bool, error) {
	now, err := g.Again(ctx, h.principal)
	if errors.As(err, new(*access.AuthError)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now.Expires = h.principal.Expires // a session that is used lasts longer
	return reflect.DeepEqual(now, h.principal), nil
}

// WatchRights ends the streams of a that were opened with rights which have changed since,
// soon after a user, a token or a session has, until ctx ends.
func WatchRights(ctx context.Context, a *API) {
	wake, end := a.Gate.Store.Wake()
	defer end()
	var known int64
	for {
		revision, err := a.Gate.Store.Revision(ctx)
		if err == nil && revision != known {
			if err = a.rights.endChanged(ctx); err == nil {
				known = revision
			}
		}
		var again <-chan time.Time
		if err != nil {
			again = time.After(rightsAgain)
		}
		select {
		case <-wake:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// endChanged ends the streams of those whose rights have changed. The error is one of those
// that could not be looked up, whose streams go on.
func (r *rights) endChanged(ctx context.Context) error {
	var errs error
	for _, h := range r.all() {
		same, err := h.same(ctx, r.gate)
		errs = errors.Join(errs, err)
		if err == nil && !same {
			h.end()
		}
	}
	return errs
}
