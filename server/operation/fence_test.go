package operation

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
)

// thing is a body, and an answer.
type thing struct {
	Schema   int               `json:"schema"`
	Name     string            `json:"name" maxLength:"30"`
	Count    int               `json:"count,omitempty" minimum:"1" maximum:"9"`
	Mode     string            `json:"mode,omitempty" enum:"fast,slow"`
	Tags     []string          `json:"tags,omitempty"`
	Env      map[string]string `json:"env,omitempty"`
	Inner    *inner            `json:"inner,omitempty"`
	Required []inner           `json:"required,omitempty"`
}

type inner struct {
	Deep string `json:"deep"`
}

type things struct {
	Page
	Color string `query:"color" enum:"red,green"`
}

var tooHot = Kind{"too-hot", "It is too hot", http.StatusConflict, "Wait."}

// newFence serves a table with an operation of each sort.
func newFence(t *testing.T) *Handler {
	t.Helper()
	table := []Operation{
		Of(Spec{Method: "POST", Path: "/things/{name}", ID: "addThing", Tag: "things", Action: access.EditJob, MaxBody: 1000, Statuses: []int{201}},
			func(_ context.Context, in *struct {
				Name  string `path:"name" maxLength:"20"`
				Limit int    `query:"limit" minimum:"1" maximum:"10"`
				Body  thing
			},
			) (*Answer[thing], error) {
				return Reply(in.Body), nil
			}),
		Of(Spec{Method: "GET", Path: "/things/{name}", ID: "getThing", Tag: "things", Action: access.Read, Problems: []Kind{tooHot}},
			func(_ context.Context, in *struct {
				Name string `path:"name" maxLength:"20"`
			},
			) (*Answer[thing], error) {
				switch in.Name {
				case "hot":
					return nil, tooHot.Fail("")
				case "odd":
					return nil, errors.New("cannot open /etc/odd")
				case "panic":
					panic("no")
				}
				return &Answer[thing]{Body: thing{Name: in.Name}, Tag: "v1"}, nil
			}),
		ListOf(Spec{Method: "GET", Path: "/things", ID: "listThings", Tag: "things", Action: access.Read},
			func(_ context.Context, in *things, key string, limit int) ([]thing, string, error) {
				all := []thing{{Name: "a"}, {Name: "b"}, {Name: "c"}}
				if in.Color == "red" {
					all = nil
				}
				for len(all) > 0 && all[0].Name <= key {
					all = all[1:]
				}
				if len(all) > limit {
					return all[:limit], all[limit-1].Name, nil
				}
				return all, "", nil
			}),
		Of(Spec{Method: "PUT", Path: "/raw", ID: "putRaw", Tag: "things", Accepts: []string{"application/yaml"}},
			func(_ context.Context, in *struct {
				RawBody []byte `contentType:"application/yaml"`
			},
			) (*Answer[Bytes], error) {
				return Reply(Bytes{"text/plain; charset=utf-8", in.RawBody}), nil
			}),
	}
	return NewHandler(Config{Title: "things", Version: "1.2", Base: "/api/v1"}, table)
}

// ask sends a request and returns the answer.
func ask(t *testing.T, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// problemOf is the problem that w is.
func problemOf(t *testing.T, w *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("the problem is %s", got)
	}
	if p.Status != w.Code || p.Title == "" || p.Request == "" || p.Request != w.Header().Get("Tutti-Request") {
		t.Errorf("got %+v, status %d", p, w.Code)
	}
	return p
}

func places(p api.Problem) string {
	var all []string
	for _, e := range p.Errors {
		at := e.Parameter
		if e.Pointer != nil {
			at = *e.Pointer
		}
		all = append(all, at+": "+e.Message)
	}
	return strings.Join(all, "\n")
}

// What is wrong with a request is a problem that says where, and no value of the
// request is in it.
func TestRefusals(t *testing.T) {
	h := newFence(t)
	const marker = "zqsecretzq"
	tests := []struct {
		name, method, target, body string
		header                     []string
		status                     int
		kind                       string
		want                       string // of the places
	}{
		{"no such path", "GET", "/api/v1/" + marker, "", nil, 404, "not-found", ""},
		{"a path that is not clean", "GET", "/api/v1//things", "", nil, 404, "not-found", ""},
		{"a path with dots", "GET", "/api/v1/things/../things", "", nil, 404, "not-found", ""},
		{"no such method", "DELETE", "/api/v1/things/a", "", nil, 405, "method", ""},
		{"an unheard-of method", "BREW", "/api/v1/things/a", "", nil, 405, "method", ""},
		{"not JSON", "POST", "/api/v1/things/a", `{"name":` + marker, nil, 400, "not-json", ""},
		{"JSON and more", "POST", "/api/v1/things/a", `{"name":"a"} "` + marker + `"`, nil, 400, "not-json", ""},
		{"not UTF-8", "POST", "/api/v1/things/a", "{\"name\":\"" + marker + "\xff\"}", nil, 400, "not-json", ""},
		{"no body", "POST", "/api/v1/things/a", "", nil, 422, "invalid", ""},
		{"a body for none", "GET", "/api/v1/things", `{"a":"` + marker + `"}`, nil, 422, "invalid", ""},
		{"another type", "POST", "/api/v1/things/a", marker, []string{"Content-Type", "text/plain"}, 415, "media-type", ""},
		{"no type", "POST", "/api/v1/things/a", `{"schema":1,"name":"a"}`, []string{"Content-Type", ""}, 415, "media-type", ""},
		{"a compressed body", "POST", "/api/v1/things/a", marker, []string{"Content-Encoding", "gzip"}, 415, "media-type", ""},
		{"too large", "POST", "/api/v1/things/a", `{"name":"` + strings.Repeat("x", 1000) + `"}`, nil, 413, "too-large", ""},
		{"another key", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","nam":"` + marker + `"}`, nil, 422, "invalid", "/nam: unknown key; did you mean name?"},
		{"a key twice", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","name":"` + marker + `"}`, nil, 422, "invalid", "/name: is repeated"},
		{"other letters", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","NAME":"` + marker + `"}`, nil, 422, "invalid", "/NAME: unknown key; did you mean name?"},
		{"a key twice, deep", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","env":{"K":"` + marker + `","K":"v"}}`, nil, 422, "invalid", "/env/K: is repeated"},
		{"another key, deep", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","required":[{"deep":"a"},{"deep":"a","d/~":"` + marker + `"}]}`, nil, 422, "invalid", "/required/1/d~1~0: unknown key"},
		{"too deep", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","tags":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, nil, 422, "invalid", "/tags" + strings.Repeat("/0", 63) + ": nested too deep"},
		{"another type of value", "POST", "/api/v1/things/a", `{"schema":1,"name":{"deep":"` + marker + `"}}`, nil, 422, "invalid", "/name: expected string"},
		{"too long", "POST", "/api/v1/things/a", `{"schema":1,"name":"` + strings.Repeat(marker, 4) + `"}`, nil, 422, "invalid", "/name: expected length <= 30"},
		{"out of range", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","count":12345}`, nil, 422, "invalid", "/count: expected number <= 9"},
		{"not one of the words", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","mode":"` + marker + `"}`, nil, 422, "invalid", `/mode: expected value to be one of "fast, slow"`},
		{"a number that is none", "POST", "/api/v1/things/a", `{"schema":1,"name":"a","count":1.5}`, nil, 422, "invalid", "/count: expected integer"},
		{"null", "POST", "/api/v1/things/a", `{"schema":1,"name":null}`, nil, 422, "invalid", "/name: expected string"},
		{"an array for an object", "POST", "/api/v1/things/a", `["` + marker + `"]`, nil, 422, "invalid", ": expected object"},
		{"a missing key", "POST", "/api/v1/things/a", `{"schema":1}`, nil, 422, "invalid", ": expected required property name to be present"},
		{"another query name", "GET", "/api/v1/things?limt=" + marker, "", nil, 422, "invalid", "limt: unknown query name; did you mean limit?"},
		{"a query name in other letters", "GET", "/api/v1/things?Limit=5", "", nil, 422, "invalid", "Limit: unknown query name; did you mean limit?"},
		{"a query name twice", "GET", "/api/v1/things?limit=1&limit=2", "", nil, 422, "invalid", "limit: is repeated"},
		{"a query that is none", "GET", "/api/v1/things?limit=%zz" + marker, "", nil, 422, "invalid", ""},
		{"a query value", "GET", "/api/v1/things?limit=" + marker, "", nil, 422, "invalid", "limit: invalid integer"},
		{"a query value out of range", "GET", "/api/v1/things?limit=1001", "", nil, 422, "invalid", "limit: expected number <= 1000"},
		{"a path value", "GET", "/api/v1/things/" + strings.Repeat(marker, 3), "", nil, 422, "invalid", "name: expected length <= 20"},
		{"a cursor that is none", "GET", "/api/v1/things?after=" + marker, "", nil, 400, "cursor", ""},
		{"a refusal of its own", "GET", "/api/v1/things/hot", "", nil, 409, "too-hot", ""},
		{"what the client may not know", "GET", "/api/v1/things/odd", "", nil, 500, "internal", ""},
		{"a panic", "GET", "/api/v1/things/panic", "", nil, 500, "internal", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, h, tt.method, tt.target, tt.body, tt.header...)
			p := problemOf(t, w)
			if w.Code != tt.status || p.Type != "/problems/"+tt.kind || places(p) != tt.want {
				t.Errorf("got %d %s with %q, want %d %s with %q", w.Code, p.Type, places(p), tt.status, tt.kind, tt.want)
			}
			if strings.Contains(w.Body.String(), marker) || strings.Contains(w.Body.String(), "12345") || strings.Contains(w.Body.String(), "/etc/") {
				t.Errorf("the answer says what it must not: %s", w.Body)
			}
		})
	}
}

// The answer to a method that a path does not have lists those that it has.
func TestAllow(t *testing.T) {
	w := ask(t, newFence(t), "DELETE", "/api/v1/things/a", "")
	if got := w.Header().Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("got %q", got)
	}
}

// Nothing is added to an answer, and the library writes nothing to the streams of
// the process.
func TestAnswersAsTheyAre(t *testing.T) {
	quiet := silence(t)
	h := newFence(t)
	w := ask(t, h, "POST", "/api/v1/things/a?limit=3", `{"schema":1,"name":"<a>"}`)
	if got, want := w.Body.String(), `{"schema":1,"name":"<a>"}`+"\n"; w.Code != 201 || got != want {
		t.Errorf("got %d %s, want 201 %s", w.Code, got, want)
	}
	if w.Header().Get("Link") != "" || w.Header().Get("Tutti-Version") != "1.2" || w.Header().Get("X-Content-Type-Options") != "nosniff" ||
		w.Header().Get("Cache-Control") != "private, no-cache" {
		t.Errorf("the header is %v", w.Header())
	}
	w = ask(t, h, "PUT", "/api/v1/raw", "a: b\n", "Content-Type", "application/yaml")
	if w.Code != 200 || w.Body.String() != "a: b\n" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	if text := quiet(); text != "" {
		t.Errorf("the process wrote %q", text)
	}
}

// silence catches what the process writes to its streams.
func silence(t *testing.T) (text func() string) {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	out, errs := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = file, file
	t.Cleanup(func() { os.Stdout, os.Stderr = out, errs; _ = file.Close() })
	return func() string {
		data, err := os.ReadFile(file.Name())
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
}

// An unchanged object is not sent again.
func TestEntityTags(t *testing.T) {
	h := newFence(t)
	w := ask(t, h, "GET", "/api/v1/things/a", "")
	if w.Code != 200 || w.Header().Get("ETag") != `"v1"` {
		t.Fatalf("got %d, %v", w.Code, w.Header())
	}
	for _, header := range []string{`"v1"`, `"v0", W/"v1"`, "*"} {
		w := ask(t, h, "GET", "/api/v1/things/a", "", "If-None-Match", header)
		if w.Code != 304 || w.Body.Len() > 0 {
			t.Errorf("%s: got %d %q", header, w.Code, w.Body)
		}
	}
	if w := ask(t, h, "GET", "/api/v1/things/a", "", "If-None-Match", `"v2"`); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	if w := ask(t, h, "HEAD", "/api/v1/things/a", ""); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: got %d %q, %v", w.Code, w.Body, w.Header())
	}
}

// A list comes in pages that a cursor joins, or as lines; an empty one is [].
func TestLists(t *testing.T) {
	h := newFence(t)
	type page struct {
		Items []thing `json:"items"`
		Next  string  `json:"next"`
	}
	var names []string
	target := "/api/v1/things?limit=2"
	for range 3 {
		w := ask(t, h, "GET", target, "")
		var p page
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		for _, item := range p.Items {
			names = append(names, item.Name)
		}
		if p.Next == "" {
			break
		}
		target = "/api/v1/things?limit=2&after=" + p.Next
		if got, want := w.Header().Get("Link"), "</api/v1/things?after="+p.Next+`&limit=2>; rel="next"`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if w := ask(t, h, "GET", target+"&color=red", ""); problemOf(t, w).Type != "/problems/cursor" {
			t.Errorf("a cursor of other filters: got %s", w.Body)
		}
	}
	if got := strings.Join(names, " "); got != "a b c" {
		t.Errorf("got %s", got)
	}
	if w := ask(t, h, "GET", "/api/v1/things?color=red", ""); w.Body.String() != `{"schema":1,"type":"list","items":[]}`+"\n" {
		t.Errorf("got %s", w.Body)
	}
	w := ask(t, h, "GET", "/api/v1/things?limit=1", "", "Accept", "application/x-ndjson")
	want := `{"schema":0,"name":"a"}` + "\n" + `{"schema":0,"name":"b"}` + "\n" + `{"schema":0,"name":"c"}` + "\n"
	if w.Body.String() != want || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("got %s", w.Body)
	}
}

// A request that is not admitted is refused before its body is read.
func TestAdmit(t *testing.T) {
	h := newFence(t)
	asked := ""
	h.Admit = func(_ *http.Request, o *Operation) (context.Context, error) {
		asked = o.ID + " " + o.Role().String()
		return nil, Kind{"role", "Not yours", 403, ""}.Fail("")
	}
	w := ask(t, h, "POST", "/api/v1/things/a?x=1", "no JSON")
	if problemOf(t, w).Type != "/problems/role" || asked != "addThing editor" {
		t.Errorf("got %s for %q", w.Body, asked)
	}
}

// A deadlined is a connection that notes until when it may be written to.
type deadlined struct {
	http.ResponseWriter
	until time.Time
	never int
}

func (d *deadlined) SetWriteDeadline(at time.Time) error { d.until = at; return nil }
func (d *deadlined) SetReadDeadline(time.Time) error     { return nil }

func (d *deadlined) Write(data []byte) (int, error) {
	if d.until.IsZero() {
		d.never++
	}
	return d.ResponseWriter.Write(data)
}

// Who asks for lines and does not read them keeps nothing for ever.
func TestLinesHaveADeadline(t *testing.T) {
	parts := 0
	s := lines(func(string) ([]int, string, error) {
		if parts++; parts == 3 {
			return []int{3}, "", nil
		}
		return []int{1, 2}, "more", nil
	}, "")
	w := &deadlined{ResponseWriter: httptest.NewRecorder()}
	if (&fence{}).stream(w, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusOK, s); w.never > 0 || parts != 3 {
		t.Errorf("%d lines of %d parts were written without a deadline", w.never, parts)
	}
}

// Lines that go on for long are cut off when who asks has to ask again.
func TestLinesEndWithRights(t *testing.T) {
	var lost func()
	pages := 0
	h := NewHandler(Config{
		While: func(ctx context.Context) (context.Context, func(), error) {
			while, cancel := context.WithCancel(ctx)
			lost = cancel
			return while, cancel, nil
		},
	}, []Operation{ListOf(Spec{Method: "GET", Path: "/things", ID: "listThings", Tag: "things", Action: access.Read},
		func(_ context.Context, _ *things, key string, _ int) ([]thing, string, error) {
			if pages++; pages == 3 {
				lost()
			}
			return []thing{{Count: pages}}, key + "x", nil
		})})
	r := httptest.NewRequest("GET", "/things", nil)
	r.Header.Set("Accept", "application/x-ndjson")
	w := httptest.NewRecorder()
	defer func() {
		if cut := recover(); cut == nil || pages != 3 || strings.Count(w.Body.String(), "\n") != 3 {
			t.Errorf("got %v after %d pages: %s", cut, pages, w.Body)
		}
	}()
	h.ServeHTTP(w, r)
}
