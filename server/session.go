package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/server/live"
	"tutti/server/operation"
	"tutti/store"
)

// sessionID is the operation that tells who asks.
const sessionID = "getSession"

// operations are those about who may do what.
func (a accessOps) operations() []operation.Operation {
	if a.Gate == nil {
		return nil
	}
	spec := func(method, path, id, summary string, action access.Action, problems ...operation.Kind) operation.Spec {
		return operation.Spec{Method: method, Path: path, ID: id, Summary: summary, Tag: "access", Action: action, Problems: problems}
	}
	login := spec("POST", "/session", "login", "Log in with a name and a password, for a cookie", "", notKnown, throttled, crossSite)
	login.Statuses = []int{http.StatusCreated}
	redeem := spec("POST", "/session/link", "redeemLink", "Log in with a login link, and choose a password", "", notKnown, crossSite)
	redeem.Statuses = []int{http.StatusCreated}
	password := spec("PUT", "/session/password", "changeOwnPassword", "Change one's own password, which ends one's sessions", access.Read, throttled)
	password.Statuses = []int{http.StatusNoContent}
	logout := spec("DELETE", "/session", "logout", "Log out", access.Read)
	logout.Statuses = []int{http.StatusNoContent}
	addUser := spec("POST", "/users", "addUser", "Add a user, with a password or without one", access.Users, nameTaken)
	addUser.Statuses = []int{http.StatusCreated}
	addLink := spec("POST", "/users/{user}/link", "addLink", "Make a login link, with which a user chooses a password; an earlier one is good no more", access.Users, noUser)
	addLink.Statuses = []int{http.StatusCreated}
	removeUser := spec("DELETE", "/users/{user}", "removeUser", "Remove a user with its tokens and sessions", access.Users, noUser, lastAdmin)
	removeUser.Statuses = []int{http.StatusNoContent}
	addToken := spec("POST", "/tokens", "addToken", "Make a token; its secret is in this answer only", access.OwnTokens, nameTaken, noJob, noUser)
	addToken.Statuses = []int{http.StatusCreated}
	removeToken := spec("DELETE", "/tokens/{token}", "removeToken", "Remove a token", access.OwnTokens, noToken)
	removeToken.Statuses = []int{http.StatusNoContent}
	return []operation.Operation{
		operation.Of(login, a.login),
		operation.Of(spec("GET", "/session", sessionID, "Show who asks, and what it may do", access.Read, noUsers), a.getSession),
		operation.Of(logout, a.logout),
		operation.Of(redeem, a.redeem),
		operation.Of(password, a.changeOwnPassword),
		operation.ListOf(spec("GET", "/users", "listUsers", "List the users, by name", access.Users), a.listUsers),
		operation.Of(addUser, a.addUser),
		operation.Of(spec("GET", "/users/{user}", "getUser", "Show a user", access.Users, noUser), a.getUser),
		operation.Of(spec("PATCH", "/users/{user}", "changeUser", "Change role, scope or password of a user, or disable it", access.Users, noUser, lastAdmin), a.changeUser),
		operation.Of(addLink, a.addLink),
		operation.Of(removeUser, a.removeUser),
		operation.ListOf(spec("GET", "/tokens", "listTokens", "List the tokens: one's own, or all for an admin", access.OwnTokens), a.listTokens),
		operation.Of(addToken, a.addToken),
		operation.Of(removeToken, a.removeToken),
		operation.ListOf(spec("GET", "/audit", "listAudit", "List who did what, newest first", access.ReadAudit), a.listAudit),
	}
}

// by is who does something, for the audit.
func by(ctx context.Context, now time.Time) access.By {
	p := principalOf(ctx)
	return sourceOf(operation.Request(ctx)).By(p.Name, p.Via, now)
}

// Audited is a context whose change, by p at now, is in the audit as that action: for pages
// that are no operations. See store.Audited.
func Audited(r *http.Request, p *access.Principal, action string, now time.Time) context.Context {
	return store.Audited(r.Context(), access.Entry{By: sourceOf(r).By(p.Name, p.Via, now), Action: action})
}

func (a accessOps) login(ctx context.Context, in *struct{ Body api.LoginRequest }) (*operation.Answer[api.Session], error) {
	r := operation.Request(ctx)
	secret, p, err := a.Gate.Login(ctx, in.Body.Name, []byte(in.Body.Password), sourceOf(r))
	if err != nil {
		return nil, err
	}
	return a.entered(r, secret, &p), nil
}

func (a accessOps) getSession(ctx context.Context, _ *struct{}) (*operation.Answer[api.Session], error) {
	p := principalOf(ctx)
	return operation.Reply(a.session(&p)), nil
}

// session is the form of who asks.
func (a accessOps) session(p *access.Principal) api.Session {
	return api.Session{
		Schema: 1, Type: "session", Name: p.Name, Via: string(p.Via), Role: p.Role.String(), Scopes: append([]string{}, p.Scopes...),
		Jobs: p.Jobs, Users: p.Users, AnyUser: p.AnyUser, Sudo: p.Sudo, ExpiresAt: api.TimeOf(p.Expires),
		Limits: limits(),
	}
}

// limits bound what clients may ask for.
func limits() api.Limits {
	return api.Limits{
		RequestsPerSecond: perSecond, RequestsAtOnce: atOnce, MaxBody: 2 << 20, MaxApplyBody: maxJobsFile, MaxPage: 1000, MaxOutput: store.MaxOutput,
		MaxWaitMS: maxWait.Milliseconds(), MaxStreams: live.PerPrincipal,
		Runs: api.RunLimits{
			MaxQueued: MaxQueued, MaxHosts: runLimits.Hosts, MaxFanout: runLimits.Fanout, MaxTimeoutMS: runLimits.Timeout.Milliseconds(),
			MaxDeadlineMS: runLimits.Deadline.Milliseconds(), MaxRecordLimit: runLimits.RecordLimit, MaxInput: int64(runLimits.Input),
		},
	}
}

func (a accessOps) logout(ctx context.Context, _ *struct{}) (*operation.Answer[operation.Nothing], error) {
	r := operation.Request(ctx)
	answer := operation.Reply(operation.Nothing{})
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil, operation.Invalid.Fail("there is no session: the request has no cookie")
	}
	p := principalOf(ctx)
	if err := a.Gate.Logout(ctx, c.Value, &p, sourceOf(r)); err != nil {
		return nil, err
	}
	answer.Header = http.Header{"Set-Cookie": {sessionCookie(r, "").String()}}
	return answer, nil
}

type listAuditIn struct {
	operation.Page
	Actor  string `query:"actor" maxLength:"256" doc:"what that one did"`
	Action string `query:"action" maxLength:"100" doc:"an action such as user.add, or all that begin with user"`
	Object string `query:"object" maxLength:"256" doc:"what was done to that, such as user:ann"`
	Since  string `query:"since" maxLength:"40" doc:"since then: 2h, 7d, 2026-11-20, 2026-11-20T14:30"`
}

func (a accessOps) listAudit(ctx context.Context, in *listAuditIn, key string, limit int) ([]api.AuditEntry, string, error) {
	before, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	q := access.AuditQuery{Actor: in.Actor, Action: in.Action, Object: in.Object, Before: before, Limit: limit + 1}
	if q.Since, err = a.when("since", in.Since); err != nil {
		return nil, "", err
	}
	entries, err := a.Gate.Store.Audit(ctx, q)
	if err != nil {
		return nil, "", err
	}
	last := ""
	if len(entries) > limit {
		entries = entries[:limit]
		last = strconv.FormatInt(entries[limit-1].ID, 10)
	}
	items := make([]api.AuditEntry, len(entries))
	for i := range entries {
		items[i] = api.NewAuditEntry(&entries[i])
	}
	return items, last, nil
}
