package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"tutti/api"
)

// Session is the principal of this client, and its rights.
func (c *Client) Session(ctx context.Context) (api.Session, error) {
	var s api.Session
	err := c.get(ctx, &s, nil, "session")
	return s, err
}

// Login makes a token of that name for the user who has the password, with all the rights
// that it may have. The session that it takes is over when Login returns.
func (a *Accounts) Login(ctx context.Context, user string, password []byte, token string) (api.NewTokenAnswer, error) {
	return a.tokenBy(ctx, api.LoginRequest{Name: user, Password: string(password)}, token, "session")
}

// Redeem is Login for the user who has the secret of a login link, and chooses a password.
func (a *Accounts) Redeem(ctx context.Context, link, password []byte, token string) (api.NewTokenAnswer, error) {
	return a.tokenBy(ctx, api.LinkRequest{Link: string(link), Password: string(password)}, token, "session", "link")
}

// tokenBy makes a token in a session, which starts with a request to the path.
func (a *Accounts) tokenBy(ctx context.Context, start any, token string, path ...string) (made api.NewTokenAnswer, err error) {
	var s api.Session
	var cookie string
	login := func(h http.Header) {
		for _, one := range (&http.Response{Header: h}).Cookies() {
			if strings.HasSuffix(one.Name, "tutti") {
				cookie = one.Name + "=" + one.Value
			}
		}
	}
	if err := a.session(ctx, http.MethodPost, start, &s, "", login, path...); err != nil {
		return made, err
	}
	want := api.TokenRequest{Token: token, Role: s.Role, Sudo: s.Sudo}
	err = a.session(ctx, http.MethodPost, want, &made, cookie, nil, "tokens")
	// A session that does not end now ends by itself.
	_ = a.session(context.WithoutCancel(ctx), http.MethodDelete, nil, nil, cookie, nil, "session")
	return made, err
}

// session sends a request of a session, once: a password must not be tried repeatedly.
func (a *Accounts) session(ctx context.Context, method string, body, answer any, cookie string, got func(http.Header), segments ...string) error {
	q, err := newRequest(method, segments...)
	if err != nil {
		return err
	}
	q.media, q.got, q.accept = "application/json", got, "application/json"
	if body != nil {
		if q.body, err = json.Marshal(body); err != nil {
			return err
		}
	}
	q.header = http.Header{"Origin": {a.c.base.String()}}
	if cookie != "" {
		q.header.Set("Cookie", cookie)
	}
	return a.c.once(ctx, q, a.c.reader(q, answer))
}
