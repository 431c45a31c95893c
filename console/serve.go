package console

import (
	"net/http"
	"strings"

	"tutti/access"
	"tutti/api"
)

// maxForm bounds the body of a form, in bytes: a script may be in it.
const maxForm = 4 << 20

// policy is what a browser may do with a page: load styles, scripts and pictures of this
// server, connect to it, and send forms to it. Nothing in a page can become a program.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types tutti"

// head sets the headers of every page.
func head(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store") // output of hosts is in it; and who logs out is out
}

// serve answers a request for a page.
func (c *Console) serve(w http.ResponseWriter, r *http.Request, p *page) {
	head(w.Header())
	v := &visit{Console: c, w: w, r: r, page: p, clock: clockOf(r, c.Now())}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			c.fail(v, &api.Problem{Title: "The form cannot be read", Status: http.StatusBadRequest, Detail: "it is too large, or was cut off"})
			return
		}
	}
	if !p.public && !v.enter() {
		return
	}
	p.show(v)
}

// enter finds out who looks at a page. Who is not known can log in.
func (v *visit) enter() bool {
	var session api.Session
	if v.get(&session, "/session") {
		v.session = &session
		return true
	}
	v.fail(v, v.problem)
	return false
}

// login shows the form for that in place of the page, so that one visit is one attempt to
// be known; a form that was sent is lost, and leads to the page of its own.
func (v *visit) login() {
	form := loginForm{Next: localPath(v.here()), NoUsers: v.problem.Type == noUsers}
	if v.r.Method == http.MethodPost {
		v.leave("/login")
		return
	}
	v.problem = nil
	v.render(v, http.StatusUnauthorized, "login", "Log in", form)
}

// show renders a template as the page, with its status, or the problem of v.
func (v *visit) show(name, title string, data any) {
	if v.problem != nil {
		v.fail(v, v.problem)
		return
	}
	v.render(v, http.StatusOK, name, title, data)
}

// again renders a page whose form was refused: the problem above it, and the form with
// what was typed.
func (v *visit) again(name, title string, data any) {
	v.render(v, v.problem.Status, name, title, data)
}

// fail shows a problem as the page.
func (c *Console) fail(v *visit, p *api.Problem) {
	v.problem = p
	if p.Status == http.StatusUnauthorized && v.page != nil && !v.page.public {
		v.login()
		return
	}
	c.render(v, p.Status, "problem", p.Title, nil)
}

// A refusals turns problems into pages: of paths that are none, and of what is refused
// before a page is asked for.
type refusals struct {
	http.ResponseWriter
	console *Console
	request *http.Request
	// body is that of a problem; nil: the answer is none.
	body *answer
	done bool
}

// Unwrap is for http.ResponseController.
func (w *refusals) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *refusals) WriteHeader(status int) {
	if w.done {
		return
	}
	w.done = true
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json") {
		w.body = &answer{status: status}
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *refusals) Write(data []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	if w.body == nil {
		return w.ResponseWriter.Write(data)
	}
	w.body.body.Write(data) // a problem is written at once
	w.Header().Del("Content-Length")
	head(w.Header())
	c := w.console
	v := &visit{Console: c, w: w.ResponseWriter, r: w.request, clock: clockOf(w.request, c.Now())}
	c.fail(v, w.body.problem())
	return len(data), nil
}

// offers are the actions that pages offer to who may do them.
type offers struct {
	Run, Kill, Pause, StartJob, Edit, Maintain, Users, Audit, Delete, Drain bool
}

func (v *visit) offers() offers {
	return offers{
		Run: v.may(access.Run), Kill: v.may(access.Kill), Pause: v.may(access.PauseJob), StartJob: v.may(access.StartJob),
		Edit: v.may(access.EditJob), Maintain: v.may(access.Maintain), Users: v.may(access.Users), Audit: v.may(access.ReadAudit),
		Delete: v.may(access.Delete), Drain: v.may(access.Drain),
	}
}
