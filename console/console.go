package console

import (
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Console serves pages over an API. Its fields are set before [Console.Pages] is called.
type Console struct {
	// Base is the path below which the API and the pages are, such as /ops; empty: the
	// root.
	Base string
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
	// Logger gets what people are not told; nil: it is not logged.
	Logger *slog.Logger

	// api answers what pages show.
	api       http.Handler
	templates map[string]*template.Template
	assets    *assets
}

// Pages are the handlers of the pages, by pattern. They are served by the handler that is
// given to [Console.Over], whose checks come first.
func (c *Console) Pages() map[string]http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.templates, c.assets = parsed(), read()
	all := map[string]http.Handler{
		"GET /{$}":                  http.HandlerFunc(c.home),
		"GET /static/{hash}/{name}": c.assets,
		"GET /favicon.ico":          http.HandlerFunc(c.icon),
	}
	for i := range pages {
		p := &pages[i]
		all[p.pattern] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, p) })
	}
	return all
}

// parsed and read are what is in the program, made ready once.
var (
	parsed = sync.OnceValue(parseTemplates)
	read   = sync.OnceValue(readAssets)
)

// Over serves what api serves, whose pages are those of c. A refusal is shown as a page to
// who looks at a page.
func (c *Console) Over(api http.Handler) http.Handler {
	c.api = api
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !looksAtPage(r) {
			api.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(&refusals{ResponseWriter: w, console: c, request: r}, r)
	})
}

// looksAtPage reports whether a request is a browser's for a page, and not a program's.
func looksAtPage(r *http.Request) bool {
	path := r.URL.Path
	for _, own := range []string{apiBase + "/", "/problems/", "/healthz", "/readyz", "/metrics"} {
		if strings.HasPrefix(path, own) {
			return false
		}
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func (c *Console) home(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, c.Base+"/runs", http.StatusSeeOther)
}

// icon leads to the icon those who look for it in its old place: pages without a head.
func (c *Console) icon(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, c.Base+c.assets.path("icon.svg"), http.StatusSeeOther)
}
