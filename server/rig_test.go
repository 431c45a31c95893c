package server_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tutti/access"
	"tutti/daemon"
	"tutti/fanout"
	"tutti/internal/outgoing"
	"tutti/jobs"
	"tutti/output"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server"
	"tutti/server/live"
	"tutti/server/operation"
	"tutti/store"
	"tutti/store/sqlite"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// A rig is an API over a history of its own, with an inventory of web1, web2 and db1.
type rig struct {
	*operation.Handler
	store store.Store
	api   *server.API
	path  string // of the history
	// who asks, if the API does not find that out by itself.
	who  access.Principal
	gate *server.Gate
	now  time.Time
	// remote is where requests come from; "" is httptest's.
	remote string
	// owner is the daemon that has what is on no disk.
	owner store.Daemon

	accounts *access.Gate
	document *jsonschema.Compiler
	paths    map[string]map[string]operationDoc
	// components are the schemas of the document, as far as they are looked into.
	components map[string]component
}

type component struct {
	Properties map[string]struct {
		Items map[string]any `json:"items"`
	} `json:"properties"`
}

type operationDoc struct {
	ID        string `json:"operationId"`
	Role      string `json:"x-role"`
	Responses map[string]struct {
		Content map[string]struct {
			Schema map[string]any `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

// principal is who asks, for server.API.
type principal struct{ r *rig }

func (p principal) Who(r *http.Request) (access.Principal, error) {
	if p.r.gate != nil {
		return p.r.gate.Who(r)
	}
	if p.r.who.Name == "" {
		return access.Principal{}, &access.AuthError{What: "token", Why: access.Expired}
	}
	return p.r.who, nil
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	hosts := filepath.Join(dir, "hosts.yaml")
	text := "groups:\n  web: {hosts: [web1, web2]}\nhosts:\n  db1: {identity: /etc/secret-key, labels: {dc: mad}}\n"
	if err := os.WriteFile(hosts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "history.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r := &rig{store: s, now: noon, who: access.Principal{Name: "ann", Role: access.Admin}}
	vars := map[string]string{"TUTTI_INVENTORY": hosts, "TZ": "UTC"}
	env := &runner.Env{
		Getenv: func(key string) string { return vars[key] }, LookupEnv: func(string) (string, bool) { return "", false },
		WorkDir: dir, Home: dir, User: "ann",
	}
	now := func() time.Time { return r.now }
	r.accounts = &access.Gate{Store: s.Access(), Hasher: access.NewHasher(rand.Reader), Throttle: &access.Throttle{}, Now: now, Random: rand.Reader}
	service := &jobs.Service{Checker: jobs.Checker{Env: env, Now: now}, Store: s}
	api := &server.API{
		Runs: daemon.NewRuns(s),
		Jobs: service, Changes: daemon.NewJobChanges(service, outgoing.Policy{}),
		Submissions: daemon.NewSubmissions(env, &runner.History{Path: filepath.Join(dir, "history.db"), Getenv: env.Getenv, Warn: func(string) {}}, s, func() store.Daemon { return r.daemon(t) }),
		Fleet:       daemon.NewFleet(env, s, func() int64 { return 7 }),
		Access:      principal{r}, Version: "0", Now: now,
		Gate: r.accounts, Maintenance: s.Maintenance(), Messages: s.Messages(), Callbacks: s.Callbacks(), CheckCallback: new(outgoing.Policy).CheckURL,
	}
	api.Streams = &live.Streams{
		Hubs: &live.Hubs{}, History: s,
		Encode:   func(w io.Writer, code func(fanout.Summary) int) live.Encoder { return output.NewSyncJSON(w, code) },
		ExitCode: func(sum fanout.Summary) int { return runner.ExitCode(sum, nil, nil) },
		Refuse:   server.RefuseStream, Principal: server.StreamPrincipal,
	}
	t.Cleanup(api.Streams.Close)
	r.api, r.path = api, filepath.Join(dir, "history.db")
	r.Handler = api.Handler()
	r.readDocument(t)
	return r
}

// daemon is the daemon that answers, which joins when it is needed.
func (r *rig) daemon(t *testing.T) store.Daemon {
	t.Helper()
	if r.owner != nil {
		return r.owner
	}
	var err error
	if r.owner, err = r.store.JoinDaemons(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.owner.Close() })
	return r.owner
}

// real makes the API find out who asks.
func (r *rig) real() { r.gate = &server.Gate{Gate: r.accounts, Peers: server.Peers{Own: -1}} }

// readDocument reads the OpenAPI document, whose schemas are JSON Schema.
func (r *rig) readDocument(t *testing.T) {
	t.Helper()
	var doc struct {
		Paths      map[string]map[string]operationDoc `json:"paths"`
		Components struct {
			Schemas map[string]component `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(r.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	r.paths, r.components = doc.Paths, doc.Components.Schemas
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.Document()))
	if err != nil {
		t.Fatal(err)
	}
	r.document = jsonschema.NewCompiler()
	r.document.AssertFormat()
	if err := r.document.AddResource("doc.json", whole); err != nil {
		t.Fatal(err)
	}
}

// add adds a job.
func (r *rig) add(t *testing.T, name string, change func(*scheduler.Job)) {
	t.Helper()
	job := scheduler.NewJob(name, "UTC")
	job.Schedules, job.Selector, job.Command = []string{"0 * * * *"}, "web", "echo "+name
	if change != nil {
		change(&job)
	}
	if _, err := r.store.AddJob(t.Context(), job, "ann", noon); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request and holds the answer against the document.
func (r *rig) ask(t *testing.T, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	q := httptest.NewRequest(method, "/api/v1"+path, strings.NewReader(body))
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	if r.remote != "" {
		q.RemoteAddr = r.remote
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	r.check(t, method, q.URL.EscapedPath(), w)
	return w
}

// check holds an answer against what the document says of the operation.
func (r *rig) check(t *testing.T, method, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	var found *operationDoc
	for pattern, methods := range r.paths {
		expr := "^/api/v1" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(pattern), "[^/]+") + "$"
		if o, ok := methods[strings.ToLower(method)]; ok && regexp.MustCompile(expr).MatchString(path) {
			found = &o
			if !strings.Contains(pattern, "{") {
				break
			}
		}
	}
	if found == nil {
		return // a problem of routes
	}
	response, ok := found.Responses[strconv.Itoa(w.Code)]
	if !ok {
		t.Errorf("%s %s answered %d, which the document does not have: %s", method, path, w.Code, w.Body)
		return
	}
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	if w.Body.Len() == 0 {
		return
	}
	media, ok := response.Content[kind]
	if !ok {
		t.Errorf("%s %s answered with %s, which the document does not have", method, path, kind)
		return
	}
	if items := r.itemsOf(response.Content["application/json"].Schema); kind == "application/x-ndjson" && items != nil {
		for line := range bytes.Lines(w.Body.Bytes()) {
			r.checkJSON(t, method+" "+path, items, line)
		}
	}
	if strings.HasSuffix(kind, "json") && kind != "application/x-ndjson" {
		r.checkJSON(t, method+" "+path, media.Schema, w.Body.Bytes())
	}
}

// itemsOf is the schema of the items of a list; nil if that is none.
func (r *rig) itemsOf(list map[string]any) map[string]any {
	ref, _ := list["$ref"].(string)
	return r.components[strings.TrimPrefix(ref, "#/components/schemas/")].Properties["items"].Items
}

func (r *rig) checkJSON(t *testing.T, what string, schema map[string]any, data []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Errorf("%s: %v: %s", what, err, data)
		return
	}
	ref, ok := schema["$ref"].(string)
	if forms, of := schema["anyOf"].([]any); of {
		i := 0
		if object, is := value.(map[string]any); is && object["type"] == "search" || object["type"] == "plan" {
			i = 1
		}
		ref, ok = forms[i].(map[string]any)["$ref"].(string)
	}
	if !ok {
		return // anything
	}
	compiled, err := r.document.Compile("doc.json" + ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("%s: %v: %s", what, err, data)
	}
	if bytes.Contains(data, []byte("null")) {
		t.Errorf("%s: null is in %s", what, data)
	}
}

// get reads what an operation answers into v, which is 200.
func (r *rig) get(t *testing.T, path string, v any) *httptest.ResponseRecorder {
	t.Helper()
	w := r.ask(t, "GET", path, "")
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		t.Fatal(err)
	}
	return w
}

// refused checks that an operation is refused by the problem of that name.
func (r *rig) refused(t *testing.T, w *httptest.ResponseRecorder, name string) {
	t.Helper()
	var p struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Type != "/problems/"+name {
		t.Errorf("got %d %s, want the problem %s", w.Code, w.Body, name)
	}
}
