package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/api/event"
	"tutti/internal/quantity"
	"tutti/inventory"
	"tutti/server/operation"
)

func (a accessOps) listUsers(ctx context.Context, _ *onlyPage, key string, limit int) ([]api.User, string, error) {
	users, err := a.Gate.Store.Users(ctx)
	if err != nil {
		return nil, "", err
	}
	return pageOf(users, key, limit, func(u access.User) string { return u.Name }, func(u access.User) api.User { return api.NewUser(&u) })
}

// UserPath is a user in a path.
type UserPath struct {
	User string `path:"user" maxLength:"256" doc:"the name of a user"`
}

func (a accessOps) getUser(ctx context.Context, in *UserPath) (*operation.Answer[api.User], error) {
	u, err := a.Gate.Store.User(ctx, in.User)
	if err != nil {
		return nil, err
	}
	return operation.Reply(api.NewUser(&u)), nil
}

func (a accessOps) addUser(ctx context.Context, in *struct{ Body api.UserRequest }) (*operation.Answer[api.User], error) {
	u := access.User{Name: in.Body.User}
	var err error
	if u.Role, err = access.ParseRole(in.Body.Role); err != nil {
		return nil, err
	}
	if u.Scope, err = scopeOf(in.Body.Scope); err != nil {
		return nil, err
	}
	if in.Body.Password != nil {
		if u.Password, err = a.Gate.Hasher.Hash(ctx, []byte(*in.Body.Password)); err != nil {
			return nil, err
		}
	}
	added, err := a.Gate.AddUser(ctx, u, by(ctx, a.Now()))
	if err != nil {
		return nil, err
	}
	answer := operation.Reply(api.NewUser(&added))
	answer.Header = location(ctx, "/users/", added.Name)
	return answer, nil
}

func (a accessOps) addLink(ctx context.Context, in *UserPath) (*operation.Answer[api.UserLink], error) {
	u, err := a.Gate.Store.User(ctx, in.User)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	secret, err := a.Gate.NewLink(ctx, &u, by(ctx, now))
	if err != nil {
		return nil, err
	}
	answer := operation.Reply(api.UserLink{
		Schema: 1, Type: "user_link", User: u.Name, Link: secret.Reveal(), ExpiresAt: event.Time(now.Add(access.LinkLife)),
	})
	answer.Header = http.Header{"Cache-Control": {"no-store"}}
	return answer, nil
}

// scopeOf checks the selector of a scope; "" is all hosts.
func scopeOf(text string) (string, error) {
	if text == "" || text == "all" {
		return "", nil
	}
	err := inventory.CheckScope(text)
	if errors.As(err, new(*inventory.ScopeError)) {
		return "", operation.Invalid.Fail("").With(api.At("/scope", "cannot name a run or a file"))
	}
	if err != nil {
		return "", operation.Invalid.Fail("").With(api.At("/scope", "is no selector"))
	}
	return text, nil
}

func (a accessOps) changeUser(ctx context.Context, in *struct {
	UserPath
	Body api.UserChange
},
) (*operation.Answer[api.User], error) {
	now := by(ctx, a.Now())
	c := &in.Body
	change := func(u *access.User) (err error) {
		if c.Role != nil {
			if u.Role, err = access.ParseRole(*c.Role); err != nil {
				return err
			}
		}
		if c.Scope != nil {
			if u.Scope, err = scopeOf(*c.Scope); err != nil {
				return err
			}
		}
		if c.Disabled != nil {
			u.Disabled = *c.Disabled
		}
		return nil
	}
	if c.Password != nil {
		hash, err := a.Gate.Hasher.Hash(ctx, []byte(*c.Password))
		if err != nil {
			return nil, err
		}
		rest := change
		change = func(u *access.User) error {
			u.Password = hash
			return rest(u)
		}
	}
	u, err := a.Gate.Store.ChangeUser(ctx, in.User, change, now)
	if err != nil {
		return nil, err
	}
	return operation.Reply(api.NewUser(&u)), nil
}

func (a accessOps) removeUser(ctx context.Context, in *UserPath) (*operation.Answer[operation.Nothing], error) {
	return operation.Reply(operation.Nothing{}), a.Gate.Store.RemoveUser(ctx, in.User, by(ctx, a.Now()))
}

// ownToken reports whether who asks may know of a token.
func ownToken(p *access.Principal, t *access.Token) bool {
	return p.Check(access.AllTokens) == nil || p.User != 0 && t.Owner == p.User
}

func (a accessOps) listTokens(ctx context.Context, _ *onlyPage, key string, limit int) ([]api.Token, string, error) {
	all, err := a.Gate.Store.Tokens(ctx)
	if err != nil {
		return nil, "", err
	}
	p := principalOf(ctx)
	var own []access.Token
	for _, t := range all {
		if ownToken(&p, &t) {
			own = append(own, t)
		}
	}
	return pageOf(own, key, limit, func(t access.Token) string { return t.Name }, func(t access.Token) api.Token { return api.NewToken(&t) })
}

func (a accessOps) addToken(ctx context.Context, in *struct{ Body api.TokenRequest }) (*operation.Answer[api.NewTokenAnswer], error) {
	p := principalOf(ctx)
	t, err := a.token(ctx, &p, &in.Body)
	if err != nil {
		return nil, err
	}
	secret, added, err := a.Gate.AddToken(ctx, t, by(ctx, a.Now()))
	if err != nil {
		return nil, err
	}
	answer := operation.Reply(api.NewTokenAnswer{Token: api.NewToken(&added), Secret: secret.Reveal()})
	answer.Header = location(ctx, "/tokens/", added.Name)
	answer.Header.Set("Cache-Control", "no-store")
	return answer, nil
}

// token is what a request for one says: never more than who asks may do.
func (a accessOps) token(ctx context.Context, p *access.Principal, in *api.TokenRequest) (t access.Token, err error) {
	if p.Token != 0 {
		return t, lowRole.Fail("a token makes no tokens")
	}
	if p.User == 0 && p.Check(access.AllTokens) != nil { // it would have no owner whose rights it loses
		return t, lowRole.Fail("who has no account here has no tokens: the local socket needs none")
	}
	t = access.Token{Name: in.Token, Jobs: in.Jobs, Users: in.Users, Sudo: in.Sudo}
	if t.Role, err = access.ParseRole(in.Role); err != nil {
		return t, err
	}
	if t.Role > p.Role || t.Sudo && p.CheckSudo() != nil {
		return t, lowRole.Fail("the token would be allowed more than you are")
	}
	if t.Owner, err = a.owner(ctx, p, in.Owner); err != nil {
		return t, err
	}
	for _, user := range t.Users {
		if err := p.CheckLogin(user); err != nil {
			return t, err
		}
	}
	if t.Scope, err = scopeOf(in.Scope); err != nil {
		return t, err
	}
	if in.TaskSelector != "" {
		if _, err := scopeOf(in.TaskSelector); err != nil {
			return t, operation.Invalid.Fail("").With(api.At("/task_selector", "want a selector of hosts of the inventory"))
		}
		t.TaskSelector = in.TaskSelector
	}
	if t.AllowFrom, err = access.ParseNetworks(in.AllowFrom); err != nil {
		return t, operation.Invalid.Fail("").With(api.At("/allow_from", "want networks such as 10.0.0.0/8"))
	}
	if t.Expires, err = expiry(in.Expires, a.Now()); err != nil {
		return t, err
	}
	for _, job := range t.Jobs {
		if err := a.seesJob(ctx, job); err != nil {
			return t, err
		}
		if _, err := a.Jobs.Changes(ctx, job); err != nil {
			return t, err
		}
	}
	return t, nil
}

// expiry is when a token ends by the text of a request; zero if that is empty.
func expiry(text string, now time.Time) (at time.Time, err error) {
	if text == "" {
		return at, nil
	}
	if at, err = time.Parse(time.RFC3339, text); err != nil {
		var life time.Duration
		life, err = quantity.ParseDuration(text)
		at = now.Add(life)
	}
	if err != nil || !at.After(now) || at.Sub(now) > access.MaxTokenLife {
		return at, operation.Invalid.Fail("").With(api.At("/expires", "want a duration such as 90d, or a time, at most a year from now"))
	}
	return at, nil
}

// owner is the user who owns a token that is made: who asks, unless an admin names another.
func (a accessOps) owner(ctx context.Context, p *access.Principal, name string) (int64, error) {
	if name == "" {
		return p.User, nil
	}
	if err := p.Check(access.AllTokens); err != nil {
		return 0, err
	}
	u, err := a.Gate.Store.User(ctx, name)
	return u.ID, err
}

// TokenPath is a token in a path.
type TokenPath struct {
	Token string `path:"token" maxLength:"256" doc:"the name of a token"`
}

func (a accessOps) removeToken(ctx context.Context, in *TokenPath) (*operation.Answer[operation.Nothing], error) {
	all, err := a.Gate.Store.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	p := principalOf(ctx)
	for _, t := range all {
		if t.Name == in.Token && ownToken(&p, &t) {
			return operation.Reply(operation.Nothing{}), a.Gate.Store.RemoveToken(ctx, t.Name, by(ctx, a.Now()))
		}
	}
	return nil, noToken.Fail("")
}
