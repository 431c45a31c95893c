package access

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"tutti/internal/quantity"
)

// Details are the further fields of an audit entry; never a secret.
type Details map[string]any

// JSON is the object, or null if it cannot be written as one.
func (d Details) JSON() json.RawMessage {
	data, err := json.Marshal(d)
	if err != nil {
		return json.RawMessage("null")
	}
	return data
}

// AddUser adds a user, who has no password yet.
func (g *Gate) AddUser(ctx context.Context, u User, by By) (User, error) {
	if err := CheckName("user", u.Name); err != nil {
		return User{}, err
	}
	return g.Store.AddUser(ctx, u, by)
}

// SetPassword sets the password of a user, and ends its sessions.
func (g *Gate) SetPassword(ctx context.Context, name string, password []byte, by By) error {
	hash, err := g.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = g.Store.ChangeUser(ctx, name, func(u *User) error {
		u.Password = hash
		return nil
	}, by)
	return err
}

// ChangeOwnPassword sets the password of the user of a principal, if current is the
// present one, and ends its sessions. The error is that of [Gate.Login], or about the
// new password.
func (g *Gate) ChangeOwnPassword(ctx context.Context, p *Principal, current, password []byte, from Source) error {
	u, err := g.Store.UserByID(ctx, p.User)
	if err != nil {
		return err
	}
	now := g.Now()
	if err := g.Throttle.Attempt(u.Name, from.Addr, now); err != nil {
		return err
	}
	u, err = g.checkPassword(ctx, u.Name, current)
	by := from.By(p.Name, p.Via, now)
	if denied, ok := errors.AsType[*AuthError](err); ok {
		e := Entry{By: by, Action: "user.change", Object: "user:" + denied.Name, Outcome: Refused, After: Details{"reason": denied.Why}.JSON()}
		return errors.Join(denied, g.Store.Record(ctx, e))
	}
	if err != nil {
		return err
	}
	g.Throttle.Success(u.Name, from.Addr)
	return g.SetPassword(ctx, u.Name, password, by)
}

// NewLink makes a login link for a user, which is valid once and for [LinkLife]. It
// invalidates an earlier one.
func (g *Gate) NewLink(ctx context.Context, u *User, by By) (Secret, error) {
	secret, err := NewSecret(g.Random)
	if err != nil {
		return Secret{}, err
	}
	return secret, g.Store.AddLink(ctx, Link{Hash: secret.Hash(), User: u.ID, Created: by.At, Expires: by.At.Add(LinkLife)}, by)
}

// Link is the user of a login link that is still valid, or an [*AuthError].
func (g *Gate) Link(ctx context.Context, text string) (User, error) {
	_, u, err := g.link(ctx, text)
	return u, err
}

func (g *Gate) link(ctx context.Context, text string) (Hash, User, error) {
	secret, ok := ParseSecret(text)
	if !ok {
		return Hash{}, User{}, &AuthError{What: "login link", Why: Unknown}
	}
	hash := secret.Hash()
	l, err := g.Store.LinkByHash(ctx, hash)
	if err != nil {
		return hash, User{}, err
	}
	if !l.Hash.Equal(hash) {
		return hash, User{}, &AuthError{What: "login link", Why: Unknown}
	}
	if !g.Now().Before(l.Expires) {
		return hash, User{}, &AuthError{What: "login link", Why: Expired}
	}
	u, err := g.Store.UserByID(ctx, l.User)
	if err == nil && u.Disabled {
		err = &AuthError{What: "login link", Why: Disabled, Name: u.Name}
	}
	return hash, u, err
}

// Redeem starts a session by a login link, sets the user's password, and returns the
// secret of the session. A refused password leaves the link valid.
func (g *Gate) Redeem(ctx context.Context, text string, password []byte, from Source) (Secret, Principal, error) {
	hash, u, err := g.link(ctx, text)
	if err != nil {
		return Secret{}, Principal{}, err
	}
	kept, err := g.Hasher.Hash(ctx, password)
	if err != nil {
		return Secret{}, Principal{}, err
	}
	now := g.Now()
	u, err = g.Store.TakeLink(ctx, hash, kept, from.By(u.Name, ViaSession, now))
	if err != nil {
		return Secret{}, Principal{}, err
	}
	return g.enter(ctx, &u, from, now)
}

// AddToken makes a token and returns its secret, which is stored nowhere. An Expires of
// zero means [TokenLife] from now. Rights that the owner lacks are no error: the token
// does not have them.
func (g *Gate) AddToken(ctx context.Context, t Token, by By) (Secret, Token, error) {
	if err := CheckName("token", t.Name); err != nil {
		return Secret{}, Token{}, err
	}
	for _, user := range t.Users {
		if err := CheckLoginName(user); err != nil {
			return Secret{}, Token{}, err
		}
	}
	if t.Expires.IsZero() {
		t.Expires = by.At.Add(TokenLife)
	}
	if err := checkLife(t.Expires.Sub(by.At)); err != nil {
		return Secret{}, Token{}, err
	}
	secret, err := NewToken(g.Random)
	if err != nil {
		return Secret{}, Token{}, err
	}
	t.Hash, t.Created, t.CreatedBy = secret.Hash(), by.At, by.Actor
	t, err = g.Store.AddToken(ctx, t, by)
	if err != nil {
		return Secret{}, Token{}, err
	}
	return secret, t, nil
}

// checkLife is a [*ValueError] if a token may not be valid for that long.
func checkLife(life time.Duration) error {
	if life > 0 && life <= MaxTokenLife {
		return nil
	}
	return &ValueError{What: "lifetime of a token", Text: quantity.FormatDuration(max(0, life.Round(time.Minute))), Want: "more than 0, at most " + quantity.FormatDuration(MaxTokenLife)}
}
