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

// Login makes a token of that name with all rights of the user that has the password. The
// session that it uses is over when Login returns.
func (c *Client) Login(ctx context.Context, user string, password []byte, token string) (made api.NewTokenAnswer, err error) {
	var s api.Session
	var cookie string
	login := func(h http.Header) {
		for _, one := range (&http.Response{Header: h}).Cookies() {
			if strings.HasSuffix(one.Name, "tutti") {
				cookie = one.Name + "=" + one.Value
			}
		}
	}
	if err := c.session(ctx, http.MethodPost, api.LoginRequest{Name: user, Password: string(password)}, &s, "", login, "session"); err != nil {
		return made, err
	}
	want := api.TokenRequest{Token: token, Role: s.Role, Sudo: s.Sudo}
	err = c.session(ctx, http.MethodPost, want, &made, cookie, nil, "tokens")
	// A session that does not end now ends by itself.
	_ = c.session(context.WithoutCancel(ctx), http.MethodDelete, nil, nil, cookie, nil, "session")
	return made, err
}

// session sends a request of a session, once: a password must not be tried repeatedly.
func (c *Client) session(ctx context.Context, method string, body, answer any, cookie string, got func(http.Header), segments ...string) error {
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
	q.header = http.Header{"Origin": {c.base.String()}}
	if cookie != "" {
		q.header.Set("Cookie", cookie)
	}
	return c.once(ctx, q, c.reader(q, answer))
}

// RemoveToken removes a token.
func (c *Client) RemoveToken(ctx context.Context, name string) error {
	return c.send(ctx, http.MethodDelete, nil, nil, "tokens", name)
}
