package server

import (
	"context"
	"net/http"

	"tutti/access"
	"tutti/api"
	"tutti/server/operation"
)

// redeem lets a user in who has a login link, with the password that it chooses.
func (a accessOps) redeem(ctx context.Context, in *struct{ Body api.LinkRequest }) (*operation.Answer[api.Session], error) {
	r := operation.Request(ctx)
	secret, p, err := a.Gate.Redeem(ctx, in.Body.Link, []byte(in.Body.Password), sourceOf(r))
	if err != nil {
		return nil, err
	}
	return a.entered(r, secret, &p), nil
}

// entered is the answer to who has logged in.
func (a accessOps) entered(r *http.Request, secret access.Secret, p *access.Principal) *operation.Answer[api.Session] {
	answer := operation.Reply(a.session(p))
	answer.Header = http.Header{"Set-Cookie": {sessionCookie(r, secret.Reveal()).String()}, "Cache-Control": {"no-store"}}
	return answer
}

// changeOwnPassword gives who asks, if that is a user who has logged in, another
// password. Its sessions end, this one too.
func (a accessOps) changeOwnPassword(ctx context.Context, in *struct{ Body api.PasswordChange }) (*operation.Answer[operation.Nothing], error) {
	p, r := principalOf(ctx), operation.Request(ctx)
	if p.Via != access.ViaSession {
		return nil, lowRole.Fail("only who has logged in with a password changes it")
	}
	if err := a.Gate.ChangeOwnPassword(ctx, &p, []byte(in.Body.Current), []byte(in.Body.Password), sourceOf(r)); err != nil {
		return nil, err
	}
	answer := operation.Reply(operation.Nothing{})
	answer.Header = http.Header{"Set-Cookie": {sessionCookie(r, "").String()}}
	return answer, nil
}
