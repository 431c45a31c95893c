package access

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Recall is the principal of that name, authenticated by via, with its present rights, for
// work that it requested earlier. One of this machine has no scopes, and keeps the rights
// that it had then. The error is an [*AuthError] if it has no access any more; the end of a
// session is no reason if its user still has access.
func (g *Gate) Recall(ctx context.Context, name string, via Via) (Principal, error) {
	switch via {
	case ViaToken:
		return g.recallToken(ctx, name)
	case ViaSession, ViaProxy, ViaCertificate:
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

// recallToken is Recall for a token. If another token has the name now, it is that one.
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
