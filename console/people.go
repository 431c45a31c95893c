package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"tutti/access"
	"tutti/api"
)

// An auditPage is the page of who did what.
type auditPage struct {
	Rows     []api.AuditEntry
	Query    url.Values
	Filtered bool
	Older    string
	CLI      string
}

func showAudit(v *visit) {
	query := chosen(v.r.URL.Query(), "actor", "action", "object", "since")
	p := &auditPage{Query: query, Filtered: len(query) > 0, CLI: "tutti audit"}
	asked := chosen(v.r.URL.Query(), "actor", "action", "object", "since", "after")
	var list api.List[api.AuditEntry]
	v.get(&list, withQuery("/audit", asked))
	if v.problem != nil && v.problem.Status == http.StatusUnprocessableEntity {
		v.again("audit", "Audit", p)
		return
	}
	p.Rows, p.Older = list.Items, nextPage("/audit", query, list.Next)
	v.show("audit", "Audit", p)
}

// An accessPage is the page of users and tokens.
type accessPage struct {
	Users  []api.User
	Tokens []api.Token
	Roles  []string
	// Secret is that of the token that was just made; it is shown once.
	Secret, Made string
	Values       url.Values
}

func showAccess(v *visit) {
	p := accessOf(v)
	v.show("access", "Access", p)
}

// accessOf asks for the users, of who may see them, and for the tokens.
func accessOf(v *visit) *accessPage {
	p := &accessPage{Roles: access.Roles(), Values: v.r.PostForm}
	problem := v.problem
	v.problem = nil
	if v.may(access.Users) {
		var users api.List[api.User]
		v.get(&users, "/users?limit=1000")
		p.Users = users.Items
	}
	var tokens api.List[api.Token]
	v.get(&tokens, "/tokens?limit=1000")
	p.Tokens = tokens.Items
	if problem != nil {
		v.problem = problem
	}
	return p
}

// accessDone shows the page again with what was refused, or goes back to it.
func accessDone(v *visit) {
	if v.problem == nil {
		v.leave("/access")
		return
	}
	v.again("access", "Access", accessOf(v))
}

func addUser(v *visit) {
	body := api.UserRequest{User: strings.TrimSpace(v.form("user")), Role: v.form("role"), Scope: strings.TrimSpace(v.form("scope"))}
	v.post(question{method: http.MethodPost, path: "/users", body: body})
	accessDone(v)
}

func changeUser(v *visit) {
	role, scope, disabled := v.form("role"), strings.TrimSpace(v.form("scope")), v.form("disabled") != ""
	v.post(question{method: http.MethodPatch, path: at("/users/{user}", v.r.PathValue("user")), body: api.UserChange{Role: &role, Scope: &scope, Disabled: &disabled}})
	accessDone(v)
}

func addToken(v *visit) {
	body := api.TokenRequest{
		Token: strings.TrimSpace(v.form("token")), Role: v.form("role"), Scope: strings.TrimSpace(v.form("scope")), Jobs: strings.Fields(v.form("jobs")),
		Sudo: v.form("sudo") != "", AllowFrom: strings.Fields(v.form("allow_from")), Expires: strings.TrimSpace(v.form("expires")),
	}
	a := v.post(question{method: http.MethodPost, path: "/tokens", body: body})
	if v.problem != nil {
		accessDone(v)
		return
	}
	var made api.NewTokenAnswer
	_ = json.Unmarshal(a.body.Bytes(), &made) // without a secret the page says so
	p := accessOf(v)
	p.Secret, p.Made, p.Values = made.Secret, made.Token.Token, nil
	v.show("access", "Access", p)
}

// showRemoval is the page that asks whether a user or a token is to be removed.
func showRemoval(what, pattern string) func(*visit) {
	return func(v *visit) {
		name := v.r.PathValue(what)
		v.show("remove", "Remove the "+what+" "+name, &removal{What: what, Name: name, Back: at(pattern, name)})
	}
}

func removeAccess(what, pattern string) func(*visit) {
	return func(v *visit) {
		act(v, question{method: http.MethodDelete, path: at(pattern, v.r.PathValue(what))}, "/access")
	}
}

func showAccount(v *visit) { v.show("account", "Account", nil) }

// changePassword changes the password of who looks, whose sessions end.
func changePassword(v *visit) {
	v.post(question{method: http.MethodPut, path: "/session/password", body: api.PasswordChange{Current: v.form("current"), Password: v.form("password")}})
	if v.problem != nil {
		v.again("account", "Account", nil)
		return
	}
	v.leave("/login")
}

func showHelp(v *visit) { v.show("help", "Help", states) }
