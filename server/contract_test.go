package server_test

import (
	"bytes"
	"flag"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/access"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

// The document is kept, so that a change of what is promised is seen when it is made.
func TestDocumentIsKept(t *testing.T) {
	const file = "../docs/openapi.json"
	got := newRig(t).Document()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/openapi.json is another document; see what changed, and renew it with -update")
	}
}

// Table, routes, document and manual have the same operations, with the same roles.
func TestContract(t *testing.T) {
	r := newRig(t)
	var table []string
	for _, o := range r.Table() {
		table = append(table, o.Method+" "+o.Path+" "+o.Role().String())
		// Nobody may ask, so that the route alone is tried.
		r.who, r.now = access.Principal{}, r.now.Add(time.Second)
		path := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(o.Path, "1")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(o.Method, "/api/v1"+path, nil))
		if open := o.Action == ""; w.Code != 401 && !open || w.Code == 404 {
			t.Errorf("%s %s: got %d %s", o.Method, o.Path, w.Code, w.Body)
		}
	}
	var document []string
	for path, methods := range r.paths {
		for method, o := range methods {
			document = append(document, strings.ToUpper(method)+" "+path+" "+o.Role)
		}
	}
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var manual []string
	for _, m := range regexp.MustCompile("(?m)^\\| ([A-Z]+) `([^`]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(string(text), -1) {
		manual = append(manual, m[1]+" "+m[2]+" "+strings.ReplaceAll(m[3], "anybody", "none"))
	}
	for _, list := range [][]string{table, document, manual} {
		slices.Sort(list)
	}
	if !slices.Equal(table, document) {
		t.Errorf("the document has\n%s\nthe table\n%s", strings.Join(document, "\n"), strings.Join(table, "\n"))
	}
	if !slices.Equal(table, manual) {
		t.Errorf("docs/api.md has\n%s\nthe table\n%s", strings.Join(manual, "\n"), strings.Join(table, "\n"))
	}
}

// Every problem has its page, and docs/api.md its name.
func TestProblemPages(t *testing.T) {
	r := newRig(t)
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range r.AllKinds() {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest("GET", "/problems/"+kind.Name, nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), kind.Title) {
			t.Errorf("%s: got %d %s", kind.Name, w.Code, w.Body)
		}
		if !strings.Contains(string(text), "`"+kind.Name+"`") {
			t.Errorf("docs/api.md does not have %s", kind.Name)
		}
	}
}
