package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/store"
)

// marker is in each text of a request that is generated. No problem tells it again.
const marker = "zqmarkerzq"

// A described operation is what the document says that requests may have.
type described struct {
	method, path string
	Parameters   []struct {
		Name   string `json:"name"`
		In     string `json:"in"`
		Schema shape  `json:"schema"`
	} `json:"parameters"`
	RequestBody *struct {
		Content map[string]struct {
			Schema shape `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
}

// A shape is a schema, as far as requests are made by it.
type shape struct {
	Ref        string           `json:"$ref"`
	Type       string           `json:"type"`
	Enum       []any            `json:"enum"`
	Properties map[string]shape `json:"properties"`
	Items      *shape           `json:"items"`
}

// describedOperations are those of the document, in an order that stays.
func describedOperations(t testing.TB, document []byte) (all []described, shapes map[string]shape) {
	t.Helper()
	var doc struct {
		Paths      map[string]map[string]described `json:"paths"`
		Components struct {
			Schemas map[string]shape `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			d := doc.Paths[path][method]
			d.method, d.path = strings.ToUpper(method), path
			all = append(all, d)
		}
	}
	return all, doc.Components.Schemas
}

// A generator makes requests of what the document says.
type generator struct {
	shapes map[string]shape
	text   string
}

// value is a value of a schema, as JSON.
func (g generator) value(s shape) string {
	if s.Ref != "" {
		s = g.shapes[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	switch {
	case len(s.Enum) > 0:
		data, _ := json.Marshal(s.Enum[0])
		return string(data)
	case s.Type == "integer" || s.Type == "number":
		return "1"
	case s.Type == "boolean":
		return "true"
	case s.Type == "array":
		return "[" + g.value(*s.Items) + "]"
	case s.Type == "object" || len(s.Properties) > 0:
		return object(g.fields(s))
	case s.Type == "":
		return `{"command":` + g.quoted() + `}`
	}
	return g.quoted()
}

func (g generator) quoted() string {
	data, _ := json.Marshal(g.text)
	return string(data)
}

// fields are the keys of an object, with a value of each.
func (g generator) fields(s shape) []string {
	var fields []string
	for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
		fields = append(fields, fmt.Sprintf("%q:%s", key, g.value(s.Properties[key])))
	}
	return fields
}

func object(fields []string) string { return "{" + strings.Join(fields, ",") + "}" }

// bodies are a valid body, and such as have each key missing, of another type, twice, and
// in other letters, and one that is not known.
func (g generator) bodies(d *described) []string {
	if d.RequestBody == nil {
		return []string{""}
	}
	s := d.RequestBody.Content["application/json"].Schema
	if s.Ref != "" {
		s = g.shapes[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	fields := g.fields(s)
	all := []string{"", object(fields), object(append(slices.Clone(fields), `"zqkey":`+g.quoted())), g.quoted(), "[" + g.quoted() + "]", "null", "{", object(fields) + "}"}
	for i, field := range fields {
		key, value, _ := strings.Cut(field, ":")
		others := slices.Delete(slices.Clone(fields), i, i+1)
		all = append(all, object(others), object(append(slices.Clone(fields), field)))
		for _, wrong := range []string{"null", "-1", "[[" + g.quoted() + "]]", `{"zq":` + g.quoted() + `}`, g.quoted()} {
			all = append(all, object(append(slices.Clone(others), key+":"+wrong)))
		}
		all = append(all, object(append(slices.Clone(others), strings.ToUpper(key)+":"+value)))
	}
	return all
}

// queries are none, and each that is wrong: of each parameter, and a name that is not
// known.
func (g generator) queries(d *described) []string {
	text := url.QueryEscape(g.text)
	all := []string{"", "?zqname=" + text}
	for _, p := range d.Parameters {
		if p.In == "query" {
			all = append(all, "?"+p.Name+"="+text, "?"+p.Name+"=", "?"+p.Name+"=1&"+p.Name+"="+text, "?"+strings.ToUpper(p.Name)+"="+text)
		}
	}
	return all
}

var inBraces = regexp.MustCompile(`\{[a-z]+\}`)

// paths are the path with things that are there, with numbers, and with the marker.
func (g generator) paths(d *described) []string {
	if !strings.Contains(d.path, "{") {
		return []string{d.path}
	}
	there := strings.NewReplacer("{job}", "sweep", "{host}", "web1", "{user}", "eve").Replace(d.path)
	return []string{
		inBraces.ReplaceAllString(there, "1"), inBraces.ReplaceAllString(d.path, "1"),
		inBraces.ReplaceAllLiteralString(d.path, url.PathEscape(g.text)),
	}
}

// try sends a request and checks what holds of every answer: it is no fault of the
// server's, and a refusal is a problem that tells nothing again.
func (r *rig) try(t *testing.T, method, target, body, text string) {
	t.Helper()
	r.now = r.now.Add(time.Second) // so that it is not asked too often
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	q := httptest.NewRequest(method, "/api/v1"+target, strings.NewReader(body)).WithContext(ctx)
	q.Header.Set("If-Match", `"1"`)
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	what := method + " " + target + " " + body
	if w.Code >= 500 {
		t.Errorf("%s: got %d %s", what, w.Code, w.Body)
	}
	if w.Code < 400 {
		return
	}
	var p struct{ Type, Title, Request string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" || p.Title == "" || p.Request == "" {
		t.Errorf("%s: got %d %v %s, which is no problem", what, w.Code, w.Header(), w.Body)
	}
	if len(text) >= len(marker) && strings.Contains(w.Body.String(), text) {
		t.Errorf("%s: the problem tells it again: %s", what, w.Body)
	}
}

// generatedRig is one in which there is a thing of each kind.
func generatedRig(t *testing.T) *rig {
	r := newRig(t)
	r.add(t, "sweep", nil)
	r.ask(t, "POST", "/users", `{"user":"eve","role":"viewer"}`)
	r.record(t, store.RunInfo{}, up)
	return r
}

// Whatever is wrong with a request, for whoever asks: it is told as a problem, which has
// none of its values.
func TestGeneratedRequests(t *testing.T) {
	all, shapes := describedOperations(t, newRig(t).Document())
	g := generator{shapes, marker}
	for i := range all {
		d := &all[i]
		t.Run(d.method+" "+d.path, func(t *testing.T) {
			r := generatedRig(t)
			if d.path == "/events" {
				r.api.Streams.Close() // one that is open would not end
			}
			bodies := g.bodies(d)
			for role := access.NoRole; role <= access.Admin; role++ {
				if r.who = (access.Principal{Name: "p", Role: role}); role == access.NoRole {
					r.who = access.Principal{}
				}
				least := role == access.Admin || role == access.NoRole
				for _, path := range g.paths(d) {
					for _, query := range g.queries(d) {
						r.try(t, d.method, path+query, bodies[0], marker)
					}
					for _, body := range bodies {
						if least || body == bodies[min(1, len(bodies)-1)] {
							r.try(t, d.method, path, body, marker)
						}
					}
				}
			}
		})
	}
}

// The same with texts that nobody has thought of.
func FuzzOperations(f *testing.F) {
	f.Add(uint16(3), uint16(5), byte(4), "web,!web1")
	f.Add(uint16(20), uint16(0), byte(3), "\x00/../%2f\u202e<b>")
	f.Fuzz(func(t *testing.T, which, variant uint16, role byte, text string) {
		r := generatedRig(t)
		all, shapes := describedOperations(t, r.Document())
		d, g := &all[int(which)%len(all)], generator{shapes, marker + text}
		if d.path == "/events" {
			r.api.Streams.Close() // one that is open would not end
		}
		r.who = access.Principal{Name: "p", Role: access.Role(int(role) % (int(access.Admin) + 1))}
		paths, queries, bodies := g.paths(d), g.queries(d), g.bodies(d)
		n := int(variant)
		target := paths[n%len(paths)]
		if n%2 == 0 {
			target += queries[n%len(queries)]
		}
		if _, err := url.ParseRequestURI("/api/v1" + target); err != nil || strings.ContainsAny(target, " \x7f") {
			return
		}
		r.try(t, d.method, target, bodies[n%len(bodies)], g.text)
	})
}
