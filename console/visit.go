package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"tutti/access"
	"tutti/api"
)

// A visit is a request for a page, and what the API has answered for it so far.
type visit struct {
	*Console
	w    http.ResponseWriter
	r    *http.Request
	page *page
	// session is who looks; nil on pages for anybody.
	session *api.Session
	clock   clock
	// problem is the first refusal: the page shows that instead, unless it shows it
	// itself.
	problem *api.Problem
}

// get has the API answer a GET, and reads the answer into out. After a refusal it does
// nothing more, and returns false.
func (v *visit) get(out any, path string) bool {
	if v.problem != nil {
		return false
	}
	a := v.ask(v.r, question{method: http.MethodGet, path: path})
	if v.problem = a.problem(); v.problem != nil {
		return false
	}
	if err := json.Unmarshal(a.body.Bytes(), out); err != nil {
		v.Logger.Error("cannot read an answer of the API", "error", err)
		v.problem = &api.Problem{Title: "The answer cannot be read", Status: http.StatusInternalServerError}
	}
	return v.problem == nil
}

// post has the API do something. A refusal is the problem of v.
func (v *visit) post(q question) *answer {
	a := v.ask(v.r, q)
	v.problem = a.problem()
	return a
}

// may reports whether who looks has the role for an action. The API decides; this is
// only for what a page offers.
func (v *visit) may(action access.Action) bool {
	p := v.principal()
	return p.Check(action) == nil
}

// mayTo is may for a run or a job: who is limited to jobs may start and stop those.
func (v *visit) mayTo(action access.Action, job string) bool {
	p := v.principal()
	return p.CheckJob(action, job) == nil
}

// principal is who looks, as far as pages need it.
func (v *visit) principal() access.Principal {
	if v.session == nil {
		return access.Principal{}
	}
	p := access.Principal{Name: v.session.Name, Jobs: v.session.Jobs}
	p.Role, _ = access.ParseRole(v.session.Role) // none: nothing is offered
	return p
}

// leave sends the browser to another page of the console.
func (v *visit) leave(path string) {
	http.Redirect(v.w, v.r, v.Base+path, http.StatusSeeOther)
}

// form is a value of the form that was sent.
func (v *visit) form(name string) string { return v.r.PostFormValue(name) }

// here is the path and the query of the page, below Base.
func (v *visit) here() string { return v.r.URL.RequestURI() }

// localPath is a path of the console to go to next: text, if it is one, else the first
// page. An address of another site is none, however it is written.
func localPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(u.Path, "//") || strings.ContainsAny(text, "\\\r\n\t") || strings.HasPrefix(u.Path, "/login") {
		return "/runs"
	}
	return u.RequestURI()
}
