package console

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"tutti/access"
	"tutti/api"
)

//go:embed templates/*.html
var templateFiles embed.FS

// parseTemplates are the templates of the pages, by name, each with the frame.
func parseTemplates() map[string]*template.Template {
	frame := template.Must(template.New("").Funcs(template.FuncMap{
		"sign": func(name string) sign { return sign(name) },
		"pick": pick, "count": grouped, "plural": plural, "size": size, "join": strings.Join, "seen": seen,
	}).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // of a pattern that is constant
	}
	for _, file := range files {
		if name := strings.TrimSuffix(path.Base(file), ".html"); name != "layout" && name != "parts" {
			all[name] = template.Must(template.Must(frame.Clone()).ParseFS(templateFiles, file))
		}
	}
	return all
}

// A sign is the name of one of the signs.
type sign string

// A view is what templates see.
type view struct {
	clock
	Base, Title, Tab, Theme string
	// Session is who looks; nil if it is not known.
	Session *api.Session
	May     offers
	Nav     []navigation
	Problem *api.Problem
	// Refresh is after how many seconds the browser asks again; 0: it does not.
	Refresh string
	// Here is the page itself, below Base.
	Here string
	Data any

	assets *assets
}

// A navigation is an entry of the navigation.
type navigation struct {
	Tab, Path string
	Here      bool
}

// Asset is the address of a file in static.
func (v *view) Asset(name string) string { return v.Base + v.assets.path(name) }

// render writes a page.
func (c *Console) render(v *visit, status int, name, title string, data any) {
	x := &view{
		clock: v.clock, Base: c.Base, Title: title, Theme: themeOf(v.r), Session: v.session, May: v.offers(), Problem: v.problem, Here: v.here(), Data: data,
		assets: c.assets,
	}
	if v.page != nil {
		x.Tab = v.page.tab
	}
	if v.session != nil {
		x.Nav = v.navigation()
	}
	if status == http.StatusServiceUnavailable {
		x.Refresh = pick(v.w.Header().Get("Retry-After"), "5")
	}
	var b bytes.Buffer
	if err := c.templates[name].ExecuteTemplate(&b, "layout", x); err != nil {
		c.Logger.Error("cannot render a page", "page", name, "error", err)
		http.Error(v.w, "this page cannot be shown: the log of the daemon has the reason", http.StatusInternalServerError)
		return
	}
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(b.Bytes()) // the browser may have gone
	}
}

// navigation are the first pages that who looks may see.
func (v *visit) navigation() []navigation {
	var all []navigation
	for _, n := range navigations {
		if n.needs == "" || v.may(n.needs) {
			all = append(all, navigation{n.tab, n.path, v.page != nil && v.page.tab == n.tab})
		}
	}
	return all
}

// navigations are the entries of the navigation, and what one must be allowed for each.
var navigations = []struct {
	tab, path string
	needs     access.Action
}{
	{"runs", "/runs", access.Read},
	{"jobs", "/jobs", access.Read},
	{"calendar", "/calendar", access.Read},
	{"hosts", "/hosts", access.ReadFleet},
	{"queue", "/queue", access.Read},
	{"notifications", "/notifications", access.Read},
	{"audit", "/audit", access.ReadAudit},
	{"access", "/access", access.OwnTokens},
	{"help", "/help", access.Read},
}

// pick is the first text that is not empty.
func pick(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
