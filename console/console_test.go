package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// A fakeAPI gives the answers of its table, and records the requests.
type fakeAPI struct {
	asked []string // "GET /runs"
	// answers are bodies by method and path; what is not there is an empty object.
	answers map[string]string
	// refused are problems by method and path.
	refused map[string]string
	headers []http.Header
	bodies  []string
	// tag is the ETag of each answer; empty: none.
	tag string
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + strings.TrimPrefix(r.URL.Path, apiBase)
	f.asked = append(f.asked, key)
	f.headers = append(f.headers, r.Header)
	body := new(strings.Builder)
	if r.Body != nil {
		data := make([]byte, 1<<20)
		n, _ := r.Body.Read(data)
		body.Write(data[:n])
	}
	f.bodies = append(f.bodies, body.String())
	if problem, is := f.refused[key]; is {
		var status struct{ Status int }
		_ = json.Unmarshal([]byte(problem), &status)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status.Status)
		_, _ = w.Write([]byte(problem))
		return
	}
	answer, known := f.answers[key]
	if !known {
		answer = "{}"
	}
	if f.tag != "" {
		w.Header().Set("Etag", f.tag)
	}
	_, _ = w.Write([]byte(answer))
}

const (
	adminSession  = `{"schema":1,"type":"session","name":"ann","via":"session","role":"admin","scopes":[]}`
	viewerSession = `{"schema":1,"type":"session","name":"vic","via":"session","role":"viewer","scopes":[]}`
)

// serve is a console over f, as an API serves it.
func serve(t *testing.T, f *fakeAPI) http.Handler {
	t.Helper()
	if f.answers == nil {
		f.answers = map[string]string{}
	}
	if _, told := f.answers["GET /session"]; !told {
		f.answers["GET /session"] = adminSession
	}
	c := &Console{Now: func() time.Time { return noon }}
	mux := http.NewServeMux()
	for pattern, h := range c.Pages() {
		mux.Handle(pattern, h)
	}
	mux.Handle(apiBase+"/", f)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"type":"/problems/not-found","title":"There is nothing here","status":404,"hint":"look <b>elsewhere</b>","request":"abc"}`))
	})
	return c.Over(mux)
}

// look asks for a page.
func look(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// send sends a form.
func send(t *testing.T, h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// operations are those of the document that clients get.
func operations(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var all []string
	for path, methods := range doc.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+strings.TrimPrefix(path, apiBase))
		}
	}
	return all
}

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// Each page asks for operations that every client may ask for, and for those that the table
// names only.
func TestPagesShowAnswersOfTheAPI(t *testing.T) {
	public := operations(t)
	for i := range pages {
		p := &pages[i]
		for _, ask := range p.asks {
			if !slices.Contains(public, ask) {
				t.Errorf("%s asks for %s, which is no operation", p.pattern, ask)
			}
		}
		f := &fakeAPI{}
		h := serve(t, f)
		method, path, _ := strings.Cut(parameter.ReplaceAllString(p.pattern, "1"), " ")
		var w *httptest.ResponseRecorder
		if method == http.MethodPost {
			w = send(t, h, path, url.Values{})
		} else {
			w = look(t, h, path)
		}
		if w.Code >= 500 {
			t.Errorf("%s: got %d %s", p.pattern, w.Code, w.Body)
		}
		for _, asked := range f.asked {
			if asked == "GET /session" && !p.public {
				continue
			}
			is := func(ask string) bool { return parameter.ReplaceAllString(ask, "1") == asked }
			if !slices.ContainsFunc(p.asks, is) {
				t.Errorf("%s asked for %s, which the table does not name", p.pattern, asked)
			}
		}
	}
}

// Nothing is shown of a page before it is known who looks.
func TestPagesNeedALogin(t *testing.T) {
	f := &fakeAPI{refused: map[string]string{"GET /session": `{"type":"/problems/not-known","title":"Who asks is not known","status":401}`}}
	h := serve(t, f)
	for i := range pages {
		p := &pages[i]
		if p.public {
			continue
		}
		f.asked = nil
		method, path, _ := strings.Cut(parameter.ReplaceAllString(p.pattern, "1"), " ")
		if method == http.MethodPost {
			if w := send(t, h, path, nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login" {
				t.Errorf("%s: got %d to %q", p.pattern, w.Code, w.Header().Get("Location"))
			}
		} else if w := look(t, h, path+"?a=b"); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `name="next" value="`+path+`?a=b"`) {
			t.Errorf("%s: got %d %s", p.pattern, w.Code, w.Body)
		}
		if len(f.asked) != 1 {
			t.Errorf("%s: asked for %q", p.pattern, f.asked)
		}
	}
}

func TestHeadersOfPages(t *testing.T) {
	h := serve(t, &fakeAPI{})
	for _, path := range []string{"/runs", "/runs/7", "/login", "/no/such/page"} {
		w := look(t, h, path)
		if got := w.Header().Get("Content-Security-Policy"); got != policy {
			t.Errorf("%s: policy %q", path, got)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		} {
			if path == "/login" && name == "Content-Type" {
				continue // it leads on
			}
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		for _, unsafe := range []string{"<style", " style=", "<script>", " onclick", " onload", "javascript:"} {
			if strings.Contains(w.Body.String(), unsafe) {
				t.Errorf("%s: has %q, which the policy forbids", path, unsafe)
			}
		}
	}
}

// A refusal is a page for who looks at pages, and stays what it is for programs.
func TestRefusalsArePages(t *testing.T) {
	h := serve(t, &fakeAPI{})
	w := look(t, h, "/no/such/page")
	body := w.Body.String()
	if w.Code != http.StatusNotFound || !strings.Contains(body, "There is nothing here") || !strings.Contains(body, "look &lt;b&gt;elsewhere") {
		t.Errorf("got %d %s", w.Code, body)
	}
	w = look(t, h, "/no/such/page", "Accept", "application/json")
	if w.Header().Get("Content-Type") != "application/problem+json" || !strings.HasPrefix(w.Body.String(), "{") {
		t.Errorf("got %s %s", w.Header(), w.Body)
	}
	busy := &fakeAPI{refused: map[string]string{"GET /runs": `{"type":"/problems/history-busy","title":"The history is busy","status":503}`}}
	w = look(t, serve(t, busy), "/runs")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `http-equiv="refresh"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestLogin(t *testing.T) {
	none := &fakeAPI{refused: map[string]string{"GET /session": `{"type":"/problems/no-users","title":"There are no users yet","status":401}`}}
	if w := look(t, serve(t, none), "/login"); !strings.Contains(w.Body.String(), "tutti user add YOURNAME --role admin") {
		t.Errorf("got %s", w.Body)
	}
	wrong := &fakeAPI{refused: map[string]string{"POST /session": `{"type":"/problems/not-known","title":"Who asks is not known","status":401}`}}
	w := send(t, serve(t, wrong), "/login", url.Values{"name": {"ann"}, "password": {"zq secret zq"}, "next": {"/runs/7"}})
	if body := w.Body.String(); w.Code != 401 || strings.Contains(body, "zq secret") || !strings.Contains(body, `value="/runs/7"`) || !strings.Contains(body, `value="ann"`) {
		t.Errorf("got %d %s", w.Code, body)
	}
	for next, want := range map[string]string{
		"/runs/7?a=b": "/runs/7?a=b", "": "/runs", "https://evil.test/": "/runs", "//evil.test": "/runs", `/\evil.test`: "/runs", "/login?next=/x": "/runs",
		"runs": "/runs", "/%2f/evil.test": "/runs", "/\tevil": "/runs", "javascript:alert(1)": "/runs",
	} {
		if w := send(t, serve(t, &fakeAPI{}), "/login", url.Values{"next": {next}}); w.Header().Get("Location") != want {
			t.Errorf("next %q leads to %q, want %q", next, w.Header().Get("Location"), want)
		}
	}
}

// A page asks with what tells who looks, and with nothing that is about its own body.
func TestAsksAsWhoLooks(t *testing.T) {
	f := &fakeAPI{}
	look(t, serve(t, f), "/runs", "Cookie", "tutti=secret", "Authorization", "Bearer x", "Sec-Fetch-Site", "none", "If-None-Match", `"x"`, "Range", "bytes=0-1", "Prefer", "wait=9", "Idempotency-Key", "k")
	for _, header := range f.headers {
		if header.Get("Cookie") != "tutti=secret" || header.Get("Authorization") != "Bearer x" || header.Get("Sec-Fetch-Site") != "none" {
			t.Errorf("asked with %v", header)
		}
		for _, name := range []string{"If-None-Match", "Range", "Prefer", "Idempotency-Key", "Accept"} {
			if header.Get(name) != "" {
				t.Errorf("asked with %s", name)
			}
		}
	}
}

func TestStaticFiles(t *testing.T) {
	h := serve(t, &fakeAPI{})
	page := look(t, h, "/runs").Body.String()
	for _, address := range regexp.MustCompile(`/static/[0-9a-f]+/[a-z.]+`).FindAllString(page, -1) {
		w := look(t, h, address, "Accept-Encoding", "br, gzip")
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: got %d %v", address, w.Code, w.Header())
		}
		if w := look(t, h, address, "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" || w.Body.Len() == 0 {
			t.Errorf("%s: got %v", address, w.Header())
		}
	}
	if w := look(t, h, "/static/0000000000000000/console.css"); w.Code != http.StatusNotFound {
		t.Errorf("another version: got %d", w.Code)
	}
	a := readAssets()
	all := 0
	for name, file := range a.files {
		if file.kind == "" {
			t.Errorf("%s has no type", name)
		}
		all += len(file.squeezed)
	}
	if all > 60<<10 {
		t.Errorf("script and style have %d bytes, want 60 KiB at most", all)
	}
}
