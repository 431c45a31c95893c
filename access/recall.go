package access

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Recall is what the principal of that name that came that way may do now, for work that
// it asked for before. One of this machine may do what it was let do then: it has no
// scopes. The error is an [*AuthError] if it would not be let in any more; that a session
// has ended is no reason, if its user has not.
func (g *Gate) Recall(ctx context.Context, name string, via Via) (Principal, error) {
	switch via {
	case ViaToken:
		return g.recallToken(ctx, name)
	case ViaSession, ViaProxy:
		u, err := g.Store.User(ctx, name)
		if err := g.checkUser(&u, err, "user"); err != nil {
			return Principal{}, err
		}
		return ofUser(&u, via), nil
	case ViaUnix, ViaLocal:
		return Principal{Name: name, Via: via, Role: Operator, AnyUser: true, Sudo: true}, nil
	}
	return Principal{}, &AuthError{What: "user", Why: Unknown}
}

// recallToken is Recall for a token. A name that was taken by another token since then
// is that one's.
func (g *Gate) recallToken(ctx context.Context, name string) (Principal, error) {
	short := strings.TrimPrefix(name, "token:")
	if _, of, owned := strings.Cut(name, "/"); owned {
		short = of
	}
	tokens, err := g.Store.Tokens(ctx)
	if err != nil {
		return Principal{}, err
	}
	i := slices.IndexFunc(tokens, func(t Token) bool { return t.Name == short })
	if i < 0 {
		return Principal{}, &AuthError{What: "token", Why: Unknown}
	}
	p, err := g.ofToken(ctx, &tokens[i])
	if err == nil && p.Name != name {
		err = &AuthError{What: "token", Why: Unknown}
	}
	if errors.As(err, new(*AuthError)) {
		return Principal{}, err
	}
	return p, err
}
