package client

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"tutti/access"
	"tutti/api"
	"tutti/api/event"
	"tutti/internal/yamltree"
	"tutti/store"
)

// Accounts are the users and tokens of a server, and its audit. The errors about names are
// those of a history.
type Accounts struct{ c *Client }

// Accounts is the users and tokens of the server.
func (c *Client) Accounts() *Accounts { return &Accounts{c} }

// Users are all users, by name.
func (a *Accounts) Users(ctx context.Context) ([]api.User, error) {
	return list[api.User](ctx, a.c, 0, nil, "users")
}

// User is the user of that name, or an *access.MissingError.
func (a *Accounts) User(ctx context.Context, name string) (u api.User, err error) {
	err = a.c.get(ctx, &u, nil, "users", name)
	return u, a.explain(ctx, "user", name, err)
}

// AddUser adds a user; password is nil for one that is to choose it.
func (a *Accounts) AddUser(ctx context.Context, want api.UserRequest, password []byte) (u api.User, err error) {
	if password != nil {
		text := string(password)
		want.Password = &text
	}
	err = a.c.sendOnce(ctx, http.MethodPost, want, &u, nil, "users")
	return u, a.explain(ctx, "user", want.User, err)
}

// NewLink is the secret of a new login link of a user.
func (a *Accounts) NewLink(ctx context.Context, user string) (secret string, err error) {
	var link api.UserLink
	err = a.c.sendOnce(ctx, http.MethodPost, nil, &link, nil, "users", user, "link")
	return link.Link, a.explain(ctx, "user", user, err)
}

// ChangeUser changes a user, who is returned as it is then.
func (a *Accounts) ChangeUser(ctx context.Context, name string, change api.UserChange) (u api.User, err error) {
	err = a.c.sendOnce(ctx, http.MethodPatch, change, &u, nil, "users", name)
	return u, a.explain(ctx, "user", name, err)
}

// RemoveUser removes a user with its tokens and sessions.
func (a *Accounts) RemoveUser(ctx context.Context, name string) error {
	return a.explain(ctx, "user", name, a.c.send(ctx, http.MethodDelete, nil, nil, "users", name))
}

// Tokens are all tokens that who asks may know of, by name.
func (a *Accounts) Tokens(ctx context.Context) ([]api.Token, error) {
	return list[api.Token](ctx, a.c, 0, nil, "tokens")
}

// AddToken makes a token. Its secret is in the answer only.
func (a *Accounts) AddToken(ctx context.Context, want api.TokenRequest) (made api.NewTokenAnswer, err error) {
	err = a.c.sendOnce(ctx, http.MethodPost, want, &made, nil, "tokens")
	switch {
	case isProblem(err, "no-user"):
		return made, a.explain(ctx, "user", want.Owner, err)
	case isProblem(err, "no-job") && len(want.Jobs) == 1:
		return made, &store.NoJobError{Name: want.Jobs[0]}
	}
	return made, a.explain(ctx, "token", want.Token, err)
}

// RemoveToken removes a token.
func (a *Accounts) RemoveToken(ctx context.Context, name string) error {
	return a.explain(ctx, "token", name, a.c.send(ctx, http.MethodDelete, nil, nil, "tokens", name))
}

// Audit are the entries that fit q, newest first.
func (a *Accounts) Audit(ctx context.Context, q access.AuditQuery) ([]api.AuditEntry, error) {
	query := values("actor", q.Actor, "action", q.Action, "object", q.Object)
	if !q.Since.IsZero() {
		query.Set("since", event.FormatTime(q.Since))
	}
	return list[api.AuditEntry](ctx, a.c, q.Limit, query, "audit")
}

// explain makes of a refusal the error that a history has.
func (a *Accounts) explain(ctx context.Context, what, name string, err error) error {
	refused, ok := errors.AsType[*ProblemError](err)
	if !ok {
		return err
	}
	switch refused.Name {
	case "no-user", "no-token":
		return &access.MissingError{What: what, Name: name, Nearest: yamltree.Nearest(name, a.names(ctx, what))}
	case "name-taken":
		return &access.ExistsError{What: what, Name: name}
	case "last-admin":
		return &access.LastAdminError{Name: name}
	}
	for _, place := range refused.Places {
		if reason, is := strings.CutPrefix(place, "/password "); is {
			return &access.PasswordError{Reason: reason}
		}
	}
	return err
}

// names are those of all users, or tokens; none, if they cannot be listed.
func (a *Accounts) names(ctx context.Context, what string) (names []string) {
	if what == "user" {
		users, _ := a.Users(ctx)
		for i := range users {
			names = append(names, users[i].User)
		}
		return names
	}
	tokens, _ := a.Tokens(ctx)
	for i := range tokens {
		names = append(names, tokens[i].Token)
	}
	return names
}
