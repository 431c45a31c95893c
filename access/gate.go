package access

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"
)

// A Gate authenticates principals. Its methods may be called by several goroutines at once.
type Gate struct {
	Store    Store
	Hasher   *Hasher
	Throttle *Throttle
	// Now is the wall clock.
	Now func() time.Time
	// Random gives the bytes of secrets.
	Random io.Reader

	named namedUses
}

// A Source is where a request comes from.
type Source struct {
	// Addr is the address of the client; the zero value: this machine, or unknown.
	Addr netip.Addr
	// Request is its number in the log.
	Request string
}

// By is who did something from there, for the audit.
func (s Source) By(actor string, via Via, at time.Time) By {
	by := By{Actor: actor, Via: via, Request: s.Request, At: at}
	if s.Addr.IsValid() {
		by.Remote = s.Addr.Unmap().String()
	}
	return by
}

// Token is the principal of a token, or an [*AuthError].
func (g *Gate) Token(ctx context.Context, text string, from Source) (Principal, error) {
	secret, err := ParseToken(text)
	if err != nil {
		return Principal{}, err
	}
	hash := secret.Hash()
	t, err := g.Store.TokenByHash(ctx, hash)
	if err == nil && !t.Hash.Equal(hash) {
		err = &AuthError{What: "token", Why: Unknown}
	}
	if err != nil { // a token that does not exist is not recorded
		return Principal{}, err
	}
	p, err := g.ofToken(ctx, &t)
	if err == nil && !t.AllowFrom.Contain(from.Addr) {
		err = &AuthError{What: "token", Why: Network, Name: t.Name}
	}
	denied, ok := errors.AsType[*AuthError](err)
	if err != nil && !ok {
		return Principal{}, err
	}
	var why Refusal
	if ok {
		why = denied.Why
	}
	by := from.By(p.Name, ViaToken, g.Now())
	if by.Actor == "" {
		by.Actor = "token:" + t.Name
	}
	if err := g.Store.UseToken(ctx, &t, why, by); err != nil {
		return Principal{}, err
	}
	if ok {
		return Principal{}, denied
	}
	return p, nil
}

// ofToken is the principal of a token as it is now. The owner is read each time: the token
// loses the rights that its owner loses.
func (g *Gate) ofToken(ctx context.Context, t *Token) (Principal, error) {
	var owner *User
	if t.Owner != 0 {
		u, err := g.Store.UserByID(ctx, t.Owner)
		if errors.As(err, new(*MissingError)) { // it was removed just now, and the token with it
			err = &AuthError{What: "token", Why: Unknown}
		}
		if err != nil {
			return Principal{}, err
		}
		owner = &u
	}
	p := ofToken(t, owner)
	switch {
	case !g.Now().Before(t.Expires):
		return p, &AuthError{What: "token", Why: Expired, Name: t.Name}
	case owner != nil && owner.Disabled:
		return p, &AuthError{What: "token", Why: Disabled, Name: owner.Name}
	}
	return p, nil
}

// Login starts a session for a user with the right password, and returns its secret. The
// error is a [*ThrottledError], or an [*AuthError] after the same time whatever is wrong.
func (g *Gate) Login(ctx context.Context, name string, password []byte, from Source) (Secret, Principal, error) {
	now := g.Now()
	if err := g.Throttle.Attempt(name, from.Addr, now); err != nil {
		return Secret{}, Principal{}, err
	}
	u, err := g.checkPassword(ctx, name, password)
	if denied, ok := errors.AsType[*AuthError](err); ok {
		return Secret{}, Principal{}, errors.Join(denied, g.recordRefusal(ctx, denied, from.By(denied.Name, ViaSession, now)))
	}
	if err != nil {
		return Secret{}, Principal{}, err
	}
	secret, p, err := g.enter(ctx, &u, from, now)
	if err == nil {
		g.Throttle.Success(name, from.Addr)
	}
	return secret, p, err
}

// checkPassword is the user of that name and password. Its duration does not reveal
// whether there is a user of that name.
func (g *Gate) checkPassword(ctx context.Context, name string, password []byte) (User, error) {
	u, err := g.Store.User(ctx, name)
	missing := errors.As(err, new(*MissingError))
	if err != nil && !missing {
		return u, err
	}
	right, err := g.Hasher.Check(ctx, password, u.Password)
	switch {
	case err != nil:
		return u, err
	case missing: // the name may be a password in the wrong field: it is not recorded
		return u, &AuthError{What: "password", Why: Unknown}
	case !right:
		return u, &AuthError{What: "password", Why: Wrong, Name: u.Name}
	case u.Disabled:
		return u, &AuthError{What: "password", Why: Disabled, Name: u.Name}
	}
	return u, nil
}

// recordRefusal records a failed login.
func (g *Gate) recordRefusal(ctx context.Context, denied *AuthError, by By) error {
	e := Entry{By: by, Action: "session.add", Outcome: Refused, After: Details{"reason": denied.Why}.JSON()}
	if denied.Name != "" {
		e.Object = "user:" + denied.Name
	}
	return g.Store.Record(ctx, e)
}

// enter starts a session, with a new secret.
func (g *Gate) enter(ctx context.Context, u *User, from Source, now time.Time) (Secret, Principal, error) {
	secret, err := NewSecret(g.Random)
	if err != nil {
		return Secret{}, Principal{}, err
	}
	by := from.By(u.Name, ViaSession, now)
	s := Session{Hash: secret.Hash(), User: u.ID, Created: now, Used: now, Remote: by.Remote}
	if err := g.Store.AddSession(ctx, s, u.Revision, by); err != nil {
		return Secret{}, Principal{}, err
	}
	return secret, ofSession(u, &s), nil
}

// ofSession are the rights of a user in a session.
func ofSession(u *User, s *Session) Principal {
	p := ofUser(u, ViaSession)
	p.session, p.Expires = s.Hash, s.Ends()
	return p
}

// touchEvery is how often the use of a session is recorded.
const touchEvery = time.Minute

// Session is the principal of a session, with the present rights of its user, or an
// [*AuthError].
func (g *Gate) Session(ctx context.Context, text string) (Principal, error) {
	secret, ok := ParseSecret(text)
	if !ok {
		return Principal{}, &AuthError{What: "session", Why: Unknown}
	}
	hash, now := secret.Hash(), g.Now()
	s, p, err := g.ofSession(ctx, hash)
	if err == nil && now.Sub(s.Used) >= touchEvery {
		err = g.Store.UseSession(ctx, hash, now)
	}
	if err != nil {
		return Principal{}, err
	}
	return p, nil
}

// ofSession is the principal of a session; it does not count as a use of it.
func (g *Gate) ofSession(ctx context.Context, hash Hash) (Session, Principal, error) {
	s, err := g.Store.SessionByHash(ctx, hash)
	switch {
	case err != nil:
		return s, Principal{}, err
	case !s.Hash.Equal(hash):
		return s, Principal{}, &AuthError{What: "session", Why: Unknown}
	case !g.Now().Before(s.Ends()):
		return s, Principal{}, &AuthError{What: "session", Why: Expired}
	}
	u, err := g.Store.UserByID(ctx, s.User)
	if err := g.checkUser(&u, err, "session"); err != nil {
		return s, Principal{}, err
	}
	return s, ofSession(&u, &s), nil
}

// checkUser is an [*AuthError] if the user that was read, or not found, may not log in.
func (g *Gate) checkUser(u *User, err error, what string) error {
	switch {
	case errors.As(err, new(*MissingError)):
		return &AuthError{What: what, Why: Unknown}
	case err != nil:
		return err
	case u.Disabled:
		return &AuthError{What: what, Why: Disabled, Name: u.Name}
	}
	return nil
}

// Logout ends a session, if there is one.
func (g *Gate) Logout(ctx context.Context, text string, p *Principal, from Source) error {
	secret, ok := ParseSecret(text)
	if !ok {
		return nil
	}
	return g.Store.EndSession(ctx, secret.Hash(), from.By(p.Name, p.Via, g.Now()))
}

// Again is an authenticated principal with its present rights, for streams that are open
// when Revision grows. The error is an [*AuthError] if it has no access any more.
func (g *Gate) Again(ctx context.Context, p Principal) (Principal, error) {
	switch {
	case p.Token != 0:
		t, err := g.Store.TokenByID(ctx, p.Token)
		if err != nil {
			return Principal{}, err
		}
		return g.ofToken(ctx, &t)
	case p.Via == ViaSession:
		_, now, err := g.ofSession(ctx, p.session)
		return now, err
	case p.User != 0:
		u, err := g.Store.UserByID(ctx, p.User)
		if err := g.checkUser(&u, err, "user"); err != nil {
			return Principal{}, err
		}
		return ofUser(&u, p.Via), nil
	}
	return p, nil // of this machine
}
