package access

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"
)

// An audited is a store of ann and of bob, who is disabled, with an audit.
type audited struct {
	Store
	entries []Entry
	busy    error
}

func (*audited) User(_ context.Context, name string) (User, error) {
	switch name {
	case "ann", "bob":
		return User{ID: 3, Name: name, Disabled: name == "bob"}, nil
	}
	return User{}, &MissingError{What: "user"}
}

func (a *audited) Audit(_ context.Context, q AuditQuery) (found []Entry, err error) {
	for _, e := range a.entries {
		if (q.Actor == "" || e.Actor == q.Actor) && e.Action == q.Action && (q.Object == "" || e.Object == q.Object) && !e.At.Before(q.Since) {
			found = append(found, e)
		}
	}
	return found, a.busy
}

func (a *audited) Record(_ context.Context, e Entry) error {
	a.entries = append(a.entries, e)
	return nil
}

// Each request of a user that a proxy names is a login; the audit has one of a day and way,
// whichever daemon answers, and one of each kind of refusal.
func TestNamedUsersAreInTheAudit(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	store := &audited{}
	gate := func() *Gate { return &Gate{Store: store, Now: func() time.Time { return now }} }
	g, other := gate(), gate()
	from := Source{Addr: netip.MustParseAddr("10.0.0.1"), Request: "r1"}
	ask := func(g *Gate) {
		for range 3 {
			_, _ = g.Proxy(t.Context(), "ann", from)
			_, _ = g.Certificate(t.Context(), "ann", from)
			_, _ = g.Proxy(t.Context(), "bob", from)
			_, _ = g.Proxy(t.Context(), "secret in the wrong field", from)
			_, _ = g.Proxy(t.Context(), "another", from)
		}
	}
	ask(g)
	ask(other)
	now = now.Add(namedEvery - time.Second)
	ask(g)
	type line struct {
		actor, via, action, object, outcome, after, remote string
	}
	want := []line{
		{"ann", "proxy", "proxy.use", "user:ann", "done", "", "10.0.0.1"},
		{"ann", "certificate", "certificate.use", "user:ann", "done", "", "10.0.0.1"},
		{"bob", "proxy", "proxy.use", "user:bob", "refused", `{"reason":"disabled"}`, "10.0.0.1"},
		{"", "proxy", "proxy.use", "", "refused", `{"reason":"unknown"}`, "10.0.0.1"},
	}
	if len(store.entries) != len(want) {
		t.Fatalf("got %d entries: %+v", len(store.entries), store.entries)
	}
	for i, e := range store.entries {
		if got := (line{e.Actor, string(e.Via), e.Action, e.Object, string(e.Outcome), string(e.After), e.Remote}); got != want[i] {
			t.Errorf("got %+v, want %+v", got, want[i])
		}
	}
	now = now.Add(time.Second)
	ask(g)
	if len(store.entries) != 2*len(want) {
		t.Errorf("got %d entries after a day", len(store.entries))
	}
}

// A login that cannot be recorded is refused, and recorded when it can be.
func TestNamedUsersNeedTheAudit(t *testing.T) {
	store := &audited{busy: errors.New("busy")}
	g := &Gate{Store: store, Now: time.Now}
	for range 2 {
		if _, err := g.Proxy(t.Context(), "ann", Source{}); !errors.Is(err, store.busy) {
			t.Errorf("got %v", err)
		}
	}
	store.busy = nil
	if p, err := g.Proxy(t.Context(), "ann", Source{}); err != nil || p.Name != "ann" || len(store.entries) != 1 {
		t.Errorf("got %+v, %v, %d entries", p, err, len(store.entries))
	}
}
