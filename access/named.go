package access

import (
	"context"
	"errors"
	"sync"
	"time"
)

// namedEvery is how often the audit says that a user was let in, or refused, by a name that
// a proxy or a certificate vouches for: each request is a login.
const namedEvery = 24 * time.Hour

// Proxy is the principal of a user that a proxy names. The caller has checked that the
// proxy is trusted.
func (g *Gate) Proxy(ctx context.Context, name string, from Source) (Principal, error) {
	return g.ofName(ctx, name, ViaProxy, from)
}

// Certificate is the principal of a user that a certificate names. The caller has checked
// that the certificate is valid.
func (g *Gate) Certificate(ctx context.Context, name string, from Source) (Principal, error) {
	return g.ofName(ctx, name, ViaCertificate, from)
}

func (g *Gate) ofName(ctx context.Context, name string, via Via, from Source) (Principal, error) {
	u, err := g.Store.User(ctx, name)
	err = g.checkUser(&u, err, "user")
	denied, ok := errors.AsType[*AuthError](err)
	if err != nil && !ok {
		return Principal{}, err
	}
	e := Entry{By: from.By(u.Name, via, g.Now()), Action: string(via) + ".use", Outcome: Done}
	if u.Name != "" { // a name without a user is not recorded: any text may be one
		e.Object = "user:" + u.Name
	}
	if ok {
		e.Outcome, e.After = Refused, Details{"reason": denied.Why}.JSON()
	}
	if err := g.named.record(ctx, g.Store, &e); err != nil {
		return Principal{}, err
	}
	if ok {
		return Principal{}, denied
	}
	return ofUser(&u, via), nil
}

// record records e, unless the audit has an entry that says the same of the last day, of
// whichever daemon.
func (n *namedUses) record(ctx context.Context, s Store, e *Entry) error {
	key := namedKey{e.Action, e.Object, e.Outcome}
	if !n.due(key, e.At) {
		return nil
	}
	err := recordUnlessThere(ctx, s, e)
	if err != nil {
		n.forget(key)
	}
	return err
}

func recordUnlessThere(ctx context.Context, s Store, e *Entry) error {
	q := AuditQuery{Actor: e.Actor, Action: e.Action, Object: e.Object, Since: e.At.Add(-namedEvery)}
	entries, err := s.Audit(ctx, q)
	if err != nil {
		return err
	}
	for i := range entries {
		if was := &entries[i]; was.Object == e.Object && was.Outcome == e.Outcome && e.At.Sub(was.At) < namedEvery {
			return nil
		}
	}
	return s.Record(ctx, *e)
}

// A namedKey is what is recorded once a day.
type namedKey struct {
	action, object string
	outcome        Outcome
}

// A namedUses is when uses were recorded, as this process knows. The zero value knows
// none. There are as many as users, at most twice for each way in.
type namedUses struct {
	mu sync.Mutex // guards at
	at map[namedKey]time.Time
}

// due reports whether a use at now has to be recorded, and takes it for recorded: requests
// that come meanwhile do not wait.
func (n *namedUses) due(key namedKey, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if last, there := n.at[key]; there && now.Sub(last) < namedEvery {
		return false
	}
	if n.at == nil {
		n.at = map[namedKey]time.Time{}
	}
	n.at[key] = now
	return true
}

func (n *namedUses) forget(key namedKey) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.at, key)
}
