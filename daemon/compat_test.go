package daemon_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/daemon"
	"tutti/internal/fleet"
	"tutti/server"
)

// A front is a daemon whose compatible endpoints are asked by curl, as their callers do.
type front struct {
	*rig
	*running
	base   string
	tokens map[string]string
}

// said is what a host writes: the command without its first word, which says how it ends.
func said(s *fleet.Session) fleet.Exit {
	kind, text, _ := strings.Cut(s.Command, " ")
	_, _ = io.WriteString(s.Stdout, text) // the client may have gone
	switch kind {
	case "fail":
		return fleet.Exit{Code: 3}
	case "hang":
		<-s.Done
	}
	return fleet.Exit{}
}

func newFront(t *testing.T, c daemon.Config) *front {
	t.Helper()
	f := &front{rig: newRig(t, said), tokens: map[string]string{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.base = "http://" + l.Addr().String()
	gate := &access.Gate{Store: f.store.Access(), Now: time.Now, Random: rand.Reader}
	for name, token := range map[string]access.Token{
		"operator": {Role: access.Operator, TaskSelector: "web"},
		"other":    {Role: access.Operator, TaskSelector: "web"},
		"viewer":   {Role: access.Viewer, TaskSelector: "web"},
		"editor":   {Role: access.Editor, TaskSelector: "web"},
		"bare":     {Role: access.Editor},
		"scoped":   {Role: access.Editor, TaskSelector: "web", Scope: "web,!web"},
		"jobs":     {Role: access.Operator, TaskSelector: "web", Jobs: []string{"backup"}},
	} {
		token.Name = name
		secret, _, err := gate.AddToken(t.Context(), token, access.By{Actor: "test", At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		f.tokens[name] = secret.Reveal()
	}
	c.StopTimeout, c.Lanes, c.CompatAPI = time.Minute, 4, true
	if c.MaxWait == 0 {
		c.MaxWait = 5 * time.Minute
	}
	c.Endpoints = []*server.Endpoint{{Listener: l}}
	f.running = f.start(t, c)
	t.Cleanup(func() {
		f.stop()
		f.wait(t)
	})
	return f
}

// curl asks with the token of that name, and returns the status, the header Tutti-Outcome
// and the body.
func (f *front) curl(t *testing.T, token string, args ...string) (status, outcome, body string) {
	t.Helper()
	if token != "" {
		args = append([]string{"-H", "@-"}, args...)
	}
	args = append([]string{"-sS", "--noproxy", "*", "-w", "\n%{http_code} %header{tutti-outcome}"}, args...)
	cmd := exec.CommandContext(t.Context(), "curl", args...)
	cmd.Stdin = strings.NewReader("Authorization: Bearer " + f.tokens[token] + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl %q: %v", args, err)
	}
	i := bytes.LastIndexByte(out, '\n')
	status, outcome, _ = strings.Cut(string(out[i+1:]), " ")
	return status, outcome, strings.TrimSuffix(string(out[:i]), "\n")
}

// post sends a task.
func (f *front) post(t *testing.T, token, path, body string, more ...string) (status, outcome, answer string) {
	t.Helper()
	return f.curl(t, token, append([]string{"-H", "Content-Type: application/json", "--data-binary", body, f.base + path}, more...)...)
}

func TestTasks(t *testing.T) {
	f := newFront(t, daemon.Config{MaxWait: time.Minute})
	for _, tt := range []struct {
		name, token, path, body string
		status, outcome         string
		want                    string // in the answer
		more                    []string
	}{
		{"ok", "operator", "/task", `{"id":"a","command":"say hello","extra":1}`, "200", "", `{"id":"a","status":"success","output":"hello","exit_code":0,"outcome":"ok","run":1}`, nil},
		{"again", "operator", "/task", `{"id":"a","command":"say hello","extra":1}`, "200", "", `{"id":"a","status":"success","output":"hello","exit_code":0,"outcome":"ok","run":1}`, nil},
		{"of another", "other", "/task", `{"id":"a","command":"say other"}`, "200", "", `{"id":"a","status":"success","output":"other","exit_code":0,"outcome":"ok","run":2}`, nil},
		{"same id", "operator", "/task", `{"id":"a","command":"say another"}`, "409", "", "used for another task", nil},
		{"failed", "operator", "/task", `{"id":"b","command":"fail no"}`, "500", "failed", `{"id":"b","status":"failed","output":"no","error":"exit 3","exit_code":3,"outcome":"failed","run":3}`, nil},
		{"failed, by status", "operator", "/task", `{"id":"b","command":"fail no"}`, "200", "failed", `"status":"failed","output":"no"`, []string{"-H", "Prefer: wait=9, tutti=status"}},
		{"timeout", "operator", "/task", `{"id":"c","command":"hang half","timeout":0.2}`, "500", "timeout", `"status":"failed","output":"half"`, nil},
		{"by host", "operator", "/hosts/web/task", `{"id":"d","command":"say x"}`, "200", "", `"output":"x"`, nil},
		{"host", "operator", "/task", `{"id":"e","command":"say x","host":"web"}`, "200", "", `"output":"x"`, nil},
		{"selector", "bare", "/task", `{"command":"say x","selector":"all"}`, "200", "", `"output":"x"`, nil},

		{"not JSON", "operator", "/task", `{"command":`, "400", "", "not JSON", nil},
		{"nobody", "", "/task", `{"command":"say x"}`, "401", "", "token", nil},
		{"wrong token", "nobody", "/task", `{"command":"say x"}`, "401", "", "token", nil},
		{"role", "viewer", "/task", `{"command":"say x"}`, "403", "", "role", nil},
		{"jobs only", "jobs", "/task", `{"command":"say x"}`, "403", "", "not allowed", nil},
		{"scope", "scoped", "/task", `{"command":"say x"}`, "403", "", "outside the scope", nil},
		{"too large", "operator", "/task", "", "413", "", "2 MiB", []string{"--data-binary", "@" + f.large(t)}},
		{"type", "operator", "/task", `{"command":"say x"}`, "415", "", "application/json", []string{"-H", "Content-Type: text/plain"}},
		{"no hosts", "bare", "/task", `{"command":"say x"}`, "422", "", "no task selector", nil},
		{"no command", "operator", "/task", `{"command":" "}`, "422", "", "command", nil},
		{"both", "operator", "/task", `{"command":"x","host":"web","selector":"web"}`, "422", "", "selector and host exclude each other", nil},
		{"no such host", "operator", "/task", `{"command":"x","host":"app"}`, "422", "", "", nil},
		{"a selector as host", "operator", "/task", `{"command":"x","host":"web*"}`, "422", "", "name of one host", nil},
		{"a file", "operator", "/task", `{"command":"x","selector":"@/etc/passwd"}`, "403", "", "", nil},
		{"wrong type", "operator", "/task", `{"command":7}`, "422", "", "want an object", nil},
		{"no time", "operator", "/task", `{"command":"x","timeout":0}`, "422", "", "timeout", nil},
		{"too long", "operator", "/task", `{"command":"x","timeout":61}`, "422", "", "use callback", nil},
		{"callback inside", "operator", "/task", `{"command":"x","callback":"http://169.254.169.254/"}`, "422", "", "callback: refused: a link-local address", nil},
		{"odd id", "operator", "/task", `{"command":"x","id":"a\nb"}`, "422", "", "id", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := tt.token
			if token == "nobody" {
				f.tokens[token] = "tutti_x"
			}
			more := tt.more
			if tt.status == "415" || tt.status == "413" {
				status, outcome, answer := f.curl(t, token, append(more, "-H", "Content-Type: application/json", f.base+tt.path)...)
				if tt.status == "415" {
					status, outcome, answer = f.curl(t, token, append(more, "--data-binary", tt.body, f.base+tt.path)...)
				}
				if status != tt.status || outcome != "" || !strings.Contains(answer, tt.want) {
					t.Errorf("got %s %q %s", status, outcome, answer)
				}
				return
			}
			status, outcome, answer := f.post(t, token, tt.path, tt.body, more...)
			if status != tt.status || outcome != tt.outcome || !strings.Contains(answer, tt.want) {
				t.Errorf("got %s %q %s, want %s %q %s", status, outcome, answer, tt.status, tt.outcome, tt.want)
			}
			if !json.Valid([]byte(answer)) || status == "500" && outcome == "" {
				t.Errorf("got %s %q %s", status, outcome, answer)
			}
		})
	}
	if status, _, answer := f.post(t, "editor", "/task", `{"command":"say x"}`); status != "200" {
		t.Errorf("got %s %s", status, answer)
	}
	f.wantAudit(t, "run.start", "run.start run:8")
}

// large is a file that is more than a task may be.
func (f *front) large(t *testing.T) string {
	t.Helper()
	f.write(t, "large", `{"command":"`+strings.Repeat("x", 3<<20)+`"}`)
	return f.dir + "/large"
}

// A task with a callback is answered at once, can be asked about, and its result arrives in the
// end as a client that waits for it would have been.
func TestTaskWithCallback(t *testing.T) {
	h := newHooks(t)
	f := newFront(t, daemon.Config{Callbacks: h.policy})
	const task = `{"id":"build 7","command":"fail no","callback":"%s/ci"}`
	status, _, answer := f.post(t, "operator", "/task", fmt.Sprintf(task, h.URL))
	if status != "202" || answer != `{"id":"build 7","status":"pending","run":1}` {
		t.Errorf("got %s %s", status, answer)
	}
	const want = `{"id":"build 7","status":"failed","output":"no","error":"exit 3","exit_code":3,"outcome":"failed","run":1}`
	body, req := <-h.bodies, <-h.got
	if string(body) != want+"\n" || !h.signed(t, f.rig, req, body, f.subject(t, "operator")) {
		t.Errorf("got %s %v", body, req.Header)
	}
	if status, _, answer := f.curl(t, "operator", f.base+"/task/build%207"); status != "200" || answer != want {
		t.Errorf("got %s %s", status, answer)
	}
	for token, want := range map[string]string{"other": "404", "": "401"} {
		if status, _, answer := f.curl(t, token, f.base+"/task/build%207"); status != want {
			t.Errorf("%q: got %s %s", token, status, answer)
		}
	}
	// Sent again it is the same task, with one callback.
	if status, _, answer := f.post(t, "operator", "/task", fmt.Sprintf(task, h.URL)); status != "202" || answer != `{"id":"build 7","status":"pending","run":1}` {
		t.Errorf("got %s %s", status, answer)
	}
	if len(h.bodies) > 0 {
		t.Errorf("its callback came again: %s", <-h.bodies)
	}
}

// subject is whose secret signs for a token.
func (f *front) subject(t *testing.T, name string) string {
	t.Helper()
	tokens, err := f.store.Access().Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if token.Name == name {
			return access.TokenSubject(token.ID)
		}
	}
	return ""
}

// form posts a form.
func (f *front) form(t *testing.T, token, path, field, text string) (status, body string) {
	t.Helper()
	status, _, body = f.curl(t, token, "--data-urlencode", field+"="+text, f.base+path)
	return status, body
}

func TestCompatibleJobs(t *testing.T) {
	f := newFront(t, daemon.Config{})
	success := func(data string) string { return `{"errno":0,"msg":"success","data":` + data + `}` }
	for _, tt := range []struct{ name, token, path, field, text, want string }{
		{"add", "editor", "/job/save", "job", `{"name":"backup","command":"say one","cronExpr":"0 3 * * * *"}`, success("null")},
		{"change", "editor", "/job/save", "job", `{"name":"backup","command":"say two","cronExpr":"*/5 * * * * ? *"}`, success(`{"name":"backup","command":"say one","cronExpr":"0 3 * * *"}`)},
		{"see", "editor", "/job/save", "job", `{"name":"backup","command":"say two","cronExpr":"0 4 * * *"}`, success(`{"name":"backup","command":"say two","cronExpr":"*/5 * * * * * *"}`)},
		{"kill", "operator", "/job/kill", "name", "backup", success("null")},
		{"delete none", "editor", "/job/delete", "name", "none", success("null")},
		{"year", "editor", "/job/save", "job", `{"name":"x","command":"x","cronExpr":"0 3 * * * 2030"}`, `"errno":-1,"msg":"cronExpr: the year must be *`},
		{"fields", "editor", "/job/save", "job", `{"name":"x","command":"x","cronExpr":"* * *"}`, `"errno":-1,"msg":"cronExpr: 3 fields`},
		{"cron", "editor", "/job/save", "job", `{"name":"x","command":"x","cronExpr":"61 * * * *"}`, `"errno":-1`},
		{"not JSON", "editor", "/job/save", "job", `{`, `"errno":-1,"msg":"job is not JSON`},
		{"no field", "editor", "/job/save", "jobs", `{}`, `"errno":-1,"msg":"job is missing`},
		{"no hosts", "bare", "/job/save", "job", `{"name":"x","command":"x","cronExpr":"0 4 * * *"}`, `"errno":-1,"msg":"the job is new, and the token has no task selector`},
		{"role", "operator", "/job/save", "job", `{"name":"x","command":"x","cronExpr":"0 4 * * *"}`, `"errno":-1,"msg":"The role`},
		{"scope", "scoped", "/job/save", "job", `{"name":"backup","command":"x","cronExpr":"0 4 * * *"}`, `"errno":-1`},
		{"kill of none", "operator", "/job/kill", "name", "none", `"errno":-1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, body := f.form(t, tt.token, tt.path, tt.field, tt.text); status != "200" || !strings.Contains(body, tt.want) {
				t.Errorf("got %s %s, want %s", status, body, tt.want)
			}
		})
	}
	if status, body := f.form(t, "", "/job/save", "job", "{}"); status != "401" || !strings.HasPrefix(body, `{"errno":-1,"msg":"`) || !strings.HasSuffix(body, `,"data":null}`) {
		t.Errorf("got %s %s", status, body)
	}
	get := func(token, path, want string) {
		t.Helper()
		if status, _, body := f.curl(t, token, f.base+path); status != "200" || !strings.Contains(body, want) {
			t.Errorf("%s: got %s %s, want %s", path, status, body, want)
		}
	}
	get("viewer", "/job/list", success(`[{"name":"backup","command":"say two","cronExpr":"0 4 * * *"}]`))
	get("viewer", "/job/log?name=backup", success("[]"))
	get("viewer", "/job/log?name=backup&limit=201", `"errno":-1,"msg":"limit: want a number from 1 to 200"`)
	get("viewer", "/worker/list", `#1"]}`)
	f.logs(t)
	if _, body := f.form(t, "editor", "/job/delete", "name", "backup"); body != success(`{"name":"backup","command":"say two","cronExpr":"0 4 * * *"}`) {
		t.Errorf("got %s", body)
	}
	get("viewer", "/job/list", success("[]"))
	f.wantAudit(t, "job", "job.add job:backup", "job.change job:backup", "job.change job:backup", "job.remove job:backup")
}

// wantAudit compares what the audit says of an action: that it was done by the editor, from
// this machine.
func (f *front) wantAudit(t *testing.T, action string, want ...string) {
	t.Helper()
	entries, err := f.store.Access().Audit(t.Context(), access.AuditQuery{Action: action, Actor: "token:editor"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range slices.Backward(entries) {
		if e.Remote != "127.0.0.1" || e.Via != access.ViaToken || e.Outcome != access.Done {
			t.Errorf("got %+v", e)
		}
		got = append(got, e.Action+" "+e.Object)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the audit has %q, want %q", got, want)
	}
}

// logs runs the job, whose other keys were changed elsewhere, and reads its log.
func (f *front) logs(t *testing.T) {
	t.Helper()
	kept, err := f.store.Job(t.Context(), "backup")
	if err != nil {
		t.Fatal(err)
	}
	kept.Options["ssh_config"] = []string{"none"}
	if _, err := f.store.ChangeJob(t.Context(), kept.Job, "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, body := f.form(t, "editor", "/job/save", "job", `{"name":"backup","command":"say two","cronExpr":"0 4 * * *"}`); !strings.Contains(body, `"errno":0`) {
		t.Errorf("got %s", body)
	}
	if kept, err = f.store.Job(t.Context(), "backup"); err != nil || kept.Options["ssh_config"] == nil {
		t.Errorf("got %+v, %v, want its other keys kept", kept, err)
	}
	if _, err := f.store.RequestFiring(t.Context(), "backup", "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	await(t, "its run", func() bool {
		_, _, body := f.curl(t, "viewer", f.base+"/job/log?name=backup&skip=0&limit=20")
		return strings.Contains(body, `{"jobName":"backup","command":"say two","err":"","output":"two","planTime":0,"scheduleTime":`)
	})
}

// Without being asked for, the endpoints are not there.
func TestCompatibleEndpointsAreOff(t *testing.T) {
	r := newRig(t, ok)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := r.start(t, daemon.Config{StopTimeout: time.Minute, Endpoints: []*server.Endpoint{{Listener: l}}})
	resp, err := http.PostForm("http://"+l.Addr().String()+"/job/delete", url.Values{"name": {"x"}})
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %s", resp.Status)
	}
	d.stop()
	d.wait(t)
}
