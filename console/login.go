package console

import (
	"net/http"
	"net/url"

	"tutti/api"
)

// A loginForm is what the pages for logging in show.
type loginForm struct {
	Name, Next string
	// NoUsers: nobody can log in yet.
	NoUsers bool
	// Secret is that of a login link.
	Secret string
}

// noUsers is the problem of a history without users.
const noUsers = "/problems/no-users"

func showLogin(v *visit) {
	var session api.Session
	next := localPath(v.r.URL.Query().Get("next"))
	if v.get(&session, "/session") {
		v.leave(next)
		return
	}
	form := loginForm{Next: next, NoUsers: v.problem.Type == noUsers}
	if v.problem.Status != http.StatusUnauthorized {
		v.fail(v, v.problem)
		return
	}
	v.problem = nil
	v.show("login", "Log in", form)
}

func logIn(v *visit) {
	form := loginForm{Name: v.form("name"), Next: localPath(v.form("next"))}
	a := v.post(question{method: http.MethodPost, path: "/session", body: api.LoginRequest{Name: form.Name, Password: v.form("password")}})
	entered(v, a, form)
}

// entered takes the browser on with its cookie, or says what is wrong.
func entered(v *visit, a *answer, form loginForm) {
	if v.problem != nil {
		if after := a.header.Get("Retry-After"); after != "" {
			v.w.Header().Set("Retry-After", after)
		}
		v.again("login", "Log in", form)
		return
	}
	v.w.Header()["Set-Cookie"] = a.header["Set-Cookie"]
	v.leave(form.Next)
}

func showLink(v *visit) {
	v.show("login", "Choose a password", loginForm{Secret: v.r.PathValue("secret"), Next: "/runs"})
}

func takeLink(v *visit) {
	form := loginForm{Secret: v.r.PathValue("secret"), Next: "/runs"}
	a := v.post(question{method: http.MethodPost, path: "/session/link", body: api.LinkRequest{Link: form.Secret, Password: v.form("password")}})
	entered(v, a, form)
}

func logOut(v *visit) {
	a := v.post(question{method: http.MethodDelete, path: "/session"})
	v.w.Header()["Set-Cookie"] = a.header["Set-Cookie"] // who had no session has none now
	if v.problem != nil && v.problem.Status != http.StatusUnauthorized && v.problem.Status != http.StatusUnprocessableEntity {
		v.fail(v, v.problem)
		return
	}
	v.leave("/login")
}

// themeCookie has the theme that was chosen; without it the system's is used.
const themeCookie = "tutti-theme"

// themes are those that can be chosen.
var themes = map[string]bool{"light": true, "dark": true}

func themeOf(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && themes[c.Value] {
		return c.Value
	}
	return "auto"
}

// setTheme keeps a theme in the browser, and shows the page again.
func setTheme(v *visit) {
	cookie := &http.Cookie{Name: themeCookie, Value: v.form("theme"), Path: pick(v.Base, "/"), MaxAge: 400 * 24 * 3600, SameSite: http.SameSiteLaxMode, HttpOnly: true}
	if !themes[cookie.Value] {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(v.w, cookie)
	v.leave(localPath(v.form("here")))
}

// nextPage is the address of the page that follows in a list, with the same filters.
func nextPage(path string, query url.Values, next string) string {
	if next == "" {
		return ""
	}
	more := url.Values{}
	for name, values := range query {
		more[name] = values
	}
	more.Set("after", next)
	return withQuery(path, more)
}
