package operation

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A proxy may keep the prefix or take it away; what is below it is the same.
func TestBelow(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hosts/{host}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.PathValue("host") + " below " + Prefix(r.Context())))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("home")) })
	h := Below("/a/ops", mux)
	for target, want := range map[string]struct {
		status         int
		text, location string
	}{
		"/hosts/web1":               {200, "web1 below /a/ops", ""},
		"/a/ops/hosts/web1":         {200, "web1 below /a/ops", ""},
		"/a/ops/hosts/..%2fx%20y":   {200, "../x y below /a/ops", ""},
		"/hosts/..%2fx":             {200, "../x below /a/ops", ""},
		"/a/ops":                    {200, "home", ""},
		"/a/ops/":                   {200, "home", ""},
		"/":                         {200, "home", ""},
		"/a/opsx/hosts/web1":        {404, "", ""},
		"/a/ops/a/ops/hosts/web1":   {404, "", ""},
		"/A/ops/hosts/web1":         {404, "", ""},
		"/a/ops//hosts/web1":        {307, "", "/a/ops/hosts/web1"},
		"/a/ops/x/../hosts/web1?q=": {307, "", "/a/ops/hosts/web1?q="},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if w.Code != want.status || want.text != "" && w.Body.String() != want.text || w.Header().Get("Location") != want.location {
			t.Errorf("%s: got %d %q to %q, want %+v", target, w.Code, w.Body, w.Header().Get("Location"), want)
		}
	}
}
