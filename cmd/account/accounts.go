package account

import (
	"context"
	"crypto/rand"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/place"
	"tutti/store"
)

// accounts are the users and tokens of a history, or of a server, and its audit.
type accounts interface {
	Users(ctx context.Context) ([]api.User, error)
	User(ctx context.Context, name string) (api.User, error)
	// AddUser adds a user; password is nil for one that is to choose it.
	AddUser(ctx context.Context, want api.UserRequest, password []byte) (api.User, error)
	// NewLink is the secret of a new login link.
	NewLink(ctx context.Context, user string) (secret string, err error)
	ChangeUser(ctx context.Context, name string, change api.UserChange) (api.User, error)
	RemoveUser(ctx context.Context, name string) error

	Tokens(ctx context.Context) ([]api.Token, error)
	AddToken(ctx context.Context, want api.TokenRequest) (api.NewTokenAnswer, error)
	RemoveToken(ctx context.Context, name string) error

	Audit(ctx context.Context, q access.AuditQuery) ([]api.AuditEntry, error)
}

// storedAccounts are those of a history, for who can write it.
type storedAccounts struct {
	gate    *access.Gate
	history store.Store
	std     cli.Streams
}

// withStoredAccounts does something with the users and tokens of a history.
func withStoredAccounts(ctx context.Context, std cli.Streams, path string, missing place.Missing, do func(*storedAccounts) error) error {
	err := place.WithHistory(ctx, std, path, missing, "tutti user add adds the first user and creates the history; --history names another", func(s store.Store) error {
		if s == nil {
			return nil
		}
		gate := &access.Gate{
			Store: s.Access(), Hasher: access.NewHasher(rand.Reader), Throttle: &access.Throttle{}, Now: std.Time, Random: rand.Reader,
		}
		return do(&storedAccounts{gate, s, std})
	})
	return usageOfAccess(err)
}

// by is who does it.
func (a *storedAccounts) by() access.By {
	return access.By{Actor: "unix:" + a.std.UserName(), Via: access.ViaLocal, At: a.std.Time()}
}

func (a *storedAccounts) Users(ctx context.Context) ([]api.User, error) {
	users, err := a.gate.Store.Users(ctx)
	return formsOf(users, api.NewUser), err
}

func (a *storedAccounts) User(ctx context.Context, name string) (api.User, error) {
	u, err := a.gate.Store.User(ctx, name)
	return api.NewUser(&u), err
}

func (a *storedAccounts) AddUser(ctx context.Context, want api.UserRequest, password []byte) (api.User, error) {
	u := access.User{Name: want.User, Scope: want.Scope}
	var err error
	if u.Role, err = access.ParseRole(want.Role); err != nil {
		return api.User{}, err
	}
	if password != nil {
		if u.Password, err = a.gate.Hasher.Hash(ctx, password); err != nil {
			return api.User{}, err
		}
	}
	added, err := a.gate.AddUser(ctx, u, a.by())
	return api.NewUser(&added), err
}

func (a *storedAccounts) NewLink(ctx context.Context, user string) (string, error) {
	u, err := a.gate.Store.User(ctx, user)
	if err != nil {
		return "", err
	}
	secret, err := a.gate.NewLink(ctx, &u, a.by())
	if err != nil {
		return "", err
	}
	return secret.Reveal(), nil
}

func (a *storedAccounts) ChangeUser(ctx context.Context, name string, change api.UserChange) (api.User, error) {
	var password string
	var err error
	if change.Password != nil {
		if password, err = a.gate.Hasher.Hash(ctx, []byte(*change.Password)); err != nil {
			return api.User{}, err
		}
	}
	u, err := a.gate.Store.ChangeUser(ctx, name, func(u *access.User) (err error) {
		if change.Role != nil {
			if u.Role, err = access.ParseRole(*change.Role); err != nil {
				return err
			}
		}
		if change.Scope != nil {
			u.Scope = *change.Scope
		}
		if change.Disabled != nil {
			u.Disabled = *change.Disabled
		}
		if change.Password != nil {
			u.Password = password
		}
		return nil
	}, a.by())
	return api.NewUser(&u), err
}

func (a *storedAccounts) RemoveUser(ctx context.Context, name string) error {
	return a.gate.Store.RemoveUser(ctx, name, a.by())
}

func (a *storedAccounts) Tokens(ctx context.Context) ([]api.Token, error) {
	tokens, err := a.gate.Store.Tokens(ctx)
	return formsOf(tokens, api.NewToken), err
}

func (a *storedAccounts) AddToken(ctx context.Context, want api.TokenRequest) (made api.NewTokenAnswer, err error) {
	t := access.Token{Name: want.Token, Scope: want.Scope, Jobs: want.Jobs, Users: want.Users, Sudo: want.Sudo, TaskSelector: want.TaskSelector}
	if t.Role, err = access.ParseRole(want.Role); err != nil {
		return made, err
	}
	if t.AllowFrom, err = access.ParseNetworks(want.AllowFrom); err != nil {
		return made, err
	}
	if t.Expires, err = time.Parse(time.RFC3339, want.Expires); err != nil {
		return made, err
	}
	if want.Owner != "" {
		u, err := a.gate.Store.User(ctx, want.Owner)
		if err != nil {
			return made, err
		}
		t.Owner = u.ID
	}
	for _, job := range t.Jobs {
		if _, err := a.history.Job(ctx, job); err != nil {
			return made, err
		}
	}
	secret, added, err := a.gate.AddToken(ctx, t, a.by())
	if err != nil {
		return made, err
	}
	return api.NewTokenAnswer{Token: api.NewToken(&added), Secret: secret.Reveal()}, nil
}

func (a *storedAccounts) RemoveToken(ctx context.Context, name string) error {
	return a.gate.Store.RemoveToken(ctx, name, a.by())
}

func (a *storedAccounts) Audit(ctx context.Context, q access.AuditQuery) ([]api.AuditEntry, error) {
	entries, err := a.gate.Store.Audit(ctx, q)
	return formsOf(entries, api.NewAuditEntry), err
}

// formsOf are the forms of items.
func formsOf[T, F any](items []T, form func(*T) F) []F {
	var forms []F
	for i := range items {
		forms = append(forms, form(&items[i]))
	}
	return forms
}
