package console

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"tutti/api"
	"tutti/api/event"
)

const aJob = `{"schema":1,"type":"job","job":"backup","version":3,"state":"failing","paused":false,"failures":2,"schedule":"at 02:30, every day","running":[8],
"due_at":"2027-03-02T02:30:00.000Z","updated_at":"2027-03-01T10:00:00.000Z","updated_by":"bob",
"spec":{"name":"backup","schedule":["30 2 * * *","0 4 * * *"],"zone":"UTC","selector":"db","command":"echo <b>","timeout":"1m","paused":false,"grace":"1m","keep":{"age":"90d"}},
"last":{"firing":3,"decision":"run","run":9,"started_at":"2027-03-01T02:30:00.000Z","counts":{"failed":2}},"next":[],"changes":[{"version":3,"at":"2027-03-01T10:00:00.000Z","user":"bob","what":"timeout 1m"},{"version":2,"at":"2027-02-01T10:00:00.000Z","user":"ann","what":"added"}]}`

const firings = `{"items":[
{"firing":3,"decision":"run","run":9,"state":"finished","exit_code":1,"counts":{"ok":38,"failed":2},"duration_ms":4000,"lag_ms":200,"scheduled_at":"2027-03-01T02:30:00.000Z"},
{"firing":2,"decision":"missed","reason":"the daemon was not running","missed":4,"scheduled_at":"2027-02-28T02:30:00.000Z"},
{"firing":1,"decision":"run","run":7,"state":"finished","exit_code":0,"counts":{"ok":40},"duration_ms":2000,"scheduled_at":"2027-02-27T02:30:00.000Z"}]}`

func TestJobPages(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /jobs": `{"items":[` + aJob + `]}`, "GET /jobs/backup": aJob, "GET /jobs/backup/log": firings,
	}}
	h := serve(t, f)
	for path, wants := range map[string][]string{
		"/jobs":        {`<a href="/runs/9">`, "2 failed", "failing, 2 times", "tomorrow 02:30", "echo &lt;b&gt;", `href="/runs/8"`, `action="/jobs/backup/run"`},
		"/jobs/backup": {"2 failed", "38 ok", "4 times missed", "the daemon was not running", "p50 4.0 s", `name="to" value="2"`, `href="/jobs/backup/pause"`, "run 9: 4.0 s"},
	} {
		body := look(t, h, path).Body.String()
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %q is missing in %s", path, want, body)
			}
		}
	}
	f.answers["GET /session"] = viewerSession
	for _, path := range []string{"/jobs", "/jobs/backup"} {
		if body := look(t, h, path).Body.String(); strings.Contains(body, `action="/jobs`) && strings.Contains(body, "Run now") || strings.Contains(body, "Edit") {
			t.Errorf("%s: a viewer is offered changes", path)
		}
	}
}

func TestPauseAndNotifications(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /jobs/backup":   strings.Replace(aJob, `"paused":false`, `"paused":true,"paused_by":"ben","paused_until":"2027-03-05T10:00:00.000Z","paused_note":"freeze <x>"`, 1),
		"GET /notifications": `{"items":[{"notification":5,"job":"backup","occasion":"failure","kind":"webhook","target":"x.example","attempts":3,"error":"refused <x>","due_at":"2027-03-01T12:05:00.000Z"}]}`,
	}}
	h := serve(t, f)
	body := look(t, h, "/jobs/backup").Body.String()
	for _, want := range []string{"paused by ben", "Fri 10:00", "freeze &lt;x&gt;", `action="/jobs/backup/resume"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	send(t, h, "/jobs/backup/pause", url.Values{"until": {" 2h "}, "note": {"freeze"}})
	if n := len(f.asked) - 1; f.asked[n] != "POST /jobs/backup/pause" || f.bodies[n] != `{"until":"2h","note":"freeze"}` {
		t.Errorf("sent %s %s", f.asked[n], f.bodies[n])
	}
	send(t, h, "/jobs/backup/run", url.Values{"key": {"k1"}})
	if n := len(f.asked) - 1; f.headers[n].Get("Idempotency-Key") != "k1" {
		t.Errorf("sent %v", f.headers[n])
	}
	if body := look(t, h, "/notifications").Body.String(); !strings.Contains(body, "refused &lt;x&gt;") || !strings.Contains(body, "in 5 min") || !strings.Contains(body, `action="/notifications/5"`) {
		t.Errorf("got %s", body)
	}
	send(t, h, "/notifications/5", nil)
	if n := len(f.asked) - 1; f.asked[n] != "POST /notifications/5/retry" {
		t.Errorf("sent %s", f.asked[n])
	}
	f.refused = map[string]string{"POST /jobs/backup/pause": `{"title":"The request is not valid","status":422,"errors":[{"pointer":"/until","message":"is past"}]}`}
	if w := send(t, h, "/jobs/backup/pause", url.Values{"until": {"yesterday"}}); w.Code != 422 || !strings.Contains(w.Body.String(), "is past") || !strings.Contains(w.Body.String(), `value="yesterday"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// The form sends what was changed in it, and nothing else.
func TestJobEdit(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{"GET /jobs/backup": aJob}}
	h := serve(t, f)
	body := look(t, h, "/jobs/backup/edit").Body.String()
	for _, want := range []string{"30 2 * * *\n0 4 * * *</textarea>", `name="version" value="3"`, "&#34;age&#34;: &#34;90d&#34;", `value="1m"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	base := `{"schedule":["30 2 * * *","0 4 * * *"],"zone":"UTC","selector":"db","command":"echo <b>","timeout":"1m","grace":"1m","keep":{"age":"90d"}}`
	form := url.Values{
		"version": {"3"}, "base": {base}, "schedule": {"30 2 * * *\r\n0 4 * * *"}, "zone": {"UTC"}, "selector": {"db,!db2"}, "command": {"echo <b>"}, "timeout": {""}, "fanout": {"5"},
		"others": {`{ "grace": "1m", "keep": {"age": "30d"} }`},
	}
	w := send(t, h, "/jobs/backup/edit", form)
	n := len(f.asked) - 1
	if w.Header().Get("Location") != "/jobs/backup" || f.asked[n] != "PATCH /jobs/backup" || f.headers[n].Get("If-Match") != `"3"` ||
		f.bodies[n] != `{"fanout":5,"keep":{"age":"30d"},"selector":"db,!db2","timeout":null}` {
		t.Errorf("got %d, sent %s with %s: %s", w.Code, f.asked[n], f.headers[n].Get("If-Match"), f.bodies[n])
	}
	form.Set("others", `{"grace"`)
	if w := send(t, h, "/jobs/backup/edit", form); w.Code != 422 || !strings.Contains(w.Body.String(), "db,!db2") {
		t.Errorf("keys that are no JSON: got %d %s", w.Code, w.Body)
	}
}

// Who saves after another user sees what was, what was saved, and what is in the form; and
// saves on top of that.
func TestTwoEditors(t *testing.T) {
	f := &fakeAPI{
		answers: map[string]string{"GET /jobs/backup": aJob},
		refused: map[string]string{"PATCH /jobs/backup": `{"type":"/problems/changed","title":"The job was changed","status":412,"detail":"it was changed by bob"}`},
	}
	h := serve(t, f)
	form := url.Values{
		"version": {"2"}, "base": {`{"zone":"UTC","selector":"db","command":"echo <b>","timeout":"30s","grace":"1m","keep":{"age":"90d"},"schedule":["30 2 * * *","0 4 * * *"]}`},
		"schedule": {"30 2 * * *\n0 4 * * *"}, "zone": {"UTC"}, "selector": {"web"}, "command": {"echo <b>"}, "timeout": {"2m"}, "others": {`{"grace":"1m","keep":{"age":"90d"}}`},
	}
	w := send(t, h, "/jobs/backup/edit", form)
	body := w.Body.String()
	for _, want := range []string{
		"changed by bob", `name="version" value="3"`, "<th scope=\"row\">selector</th><td><code>db</code></td><td><code>db</code></td><td><code>web</code></td>",
		"<code>30s</code></td><td><code>1m</code></td><td><code>2m</code>", "Save mine on top", `value="web"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	if w.Code != 412 || strings.Contains(body, `<th scope="row">command`) {
		t.Errorf("got %d", w.Code)
	}
}

func TestCalendar(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	p := &calendar{}
	for day := range 7 {
		p.Days = append(p.Days, time.Date(2027, 3, 26+day, 0, 0, 0, 0, madrid)) // the clocks are put forward on the 28th
	}
	firing := func(job, at, moved string) api.Scheduled {
		x, _ := time.Parse(time.RFC3339, at)
		return api.Scheduled{Job: job, Next: api.Next{DueAt: event.Time(x), Moved: moved}}
	}
	list := []api.Scheduled{
		firing("b", "2027-03-25T23:00:00Z", ""), firing("b", "2027-03-28T01:00:00Z", "02:30 does not exist"), firing("b", "2027-04-01T21:59:59Z", ""), firing("b", "2027-04-01T22:00:00Z", ""),
	}
	for hour := range 5 {
		list = append(list, firing("a", time.Date(2027, 3, 27, hour, 0, 0, 0, time.UTC).Format(time.RFC3339), ""))
	}
	p.take(list, madrid)
	if len(p.Rows) != 2 || p.Rows[0].Job != "a" || p.Rows[0].Days[1].N != 5 || len(p.Rows[0].Days[1].Hours) != 5 {
		t.Errorf("got %+v", p.Rows)
	}
	b := p.Rows[1]
	if b.Days[0].Times[0] != "00:00" || b.Days[2].Times[0] != "03:00" || b.Days[2].Moved[0] != "02:30 does not exist" || b.Days[6].N != 1 {
		t.Errorf("got %+v", b)
	}
}

func TestAccessPage(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /users": `{"items":[{"user":"eve","role":"editor","scope":"web","password":true,"disabled":true}]}`, "GET /tokens": `{"items":[{"token":"ci","role":"operator","jobs":["backup"]}]}`,
		"POST /tokens": `{"token":"ci2","secret":"tutti_SECRET"}`,
	}}
	h := serve(t, f)
	if body := look(t, h, "/access").Body.String(); !strings.Contains(body, "eve") || !strings.Contains(body, "disabled") || !strings.Contains(body, "backup") {
		t.Errorf("got %s", body)
	}
	form := url.Values{"token": {"ci2"}, "role": {"viewer"}, "jobs": {"a b"}, "expires": {"30d"}}
	w := send(t, h, "/access/tokens", form)
	if body := w.Body.String(); strings.Count(body, "tutti_SECRET") != 2 || !strings.Contains(body, "shown this once") { // the text, and the button that copies it
		t.Errorf("got %d %s", w.Code, body)
	}
	if w := look(t, h, "/access"); strings.Contains(w.Body.String(), "tutti_SECRET") {
		t.Error("the secret is shown again")
	}
	f.answers["GET /session"], f.asked = viewerSession, nil
	if look(t, h, "/access"); strings.Contains(strings.Join(f.asked, " "), "/users") {
		t.Errorf("a viewer's page asks for the users: %q", f.asked)
	}
	f.answers["GET /session"] = adminSession
	f.refused = map[string]string{"POST /users": `{"title":"The name is taken","status":409}`}
	if w := send(t, h, "/access/users", url.Values{"user": {"eve"}}); w.Code != 409 || !strings.Contains(w.Body.String(), `value="eve"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestQueueAndHosts(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /queue": `{"items":[{"run":` + liveRun + `},{"run":` + strings.Replace(liveRun, `"state":"running"`, `"state":"queued"`, 1) + `,"place":1,"waits_for":"turn","priority":5}]}`,
		"GET /hosts": `{"items":[{"host":"web1","groups":["web"],"health":{"state":"unreachable","error":"refused <x>"},"maintenance":{"note":"disk","by":"bob"}}]}`,
	}, refused: map[string]string{"GET /controllers": `{"title":"The role is too low","status":403}`}}
	h := serve(t, f)
	if body := look(t, h, "/queue").Body.String(); !strings.Contains(body, "9,001 of 10,000") || !strings.Contains(body, "for its turn") || !strings.Contains(body, `value="5"`) {
		t.Errorf("got %s", body)
	}
	if body := look(t, h, "/hosts?selector=web").Body.String(); !strings.Contains(body, "refused &lt;x&gt;") || !strings.Contains(body, "no end") || !strings.Contains(body, "tutti hosts web") {
		t.Errorf("got %s", body)
	}
	if w := send(t, h, "/queue/7", url.Values{"priority": {"high"}}); w.Code != 422 {
		t.Errorf("got %d", w.Code)
	}
	send(t, h, "/hosts/web1/maintenance", url.Values{"do": {"begin"}, "until": {"2h"}, "note": {"disk"}})
	send(t, h, "/hosts/web1/maintenance", url.Values{"do": {"end"}})
	n := len(f.asked)
	if f.asked[n-1] != "DELETE /hosts/web1/maintenance" || f.asked[n-3] != "PUT /hosts/web1/maintenance" || f.bodies[n-3] != `{"until":"2h","note":"disk"}` {
		t.Errorf("got %q %q", f.asked, f.bodies)
	}
	f.refused, f.answers["GET /session"] = nil, adminSession
	f.answers["GET /controllers"] = `{"items":[{"controller":7,"machine":"ctl1","pid":9,"self":true,"runs":1,"hosts":30,"max_runs":8},
		{"controller":8,"machine":"ctl2","skew_ms":-3000,"draining":true,"files":[{"name":"inventory","digest":"x","differs":true}]}]}`
	body := look(t, h, "/queue").Body.String()
	for _, want := range []string{"ctl1", "1 of 8", "ready", "serves this page", "ctl2", "drained", "3s behind", "differs from other daemons", "<code>inventory</code>", ">Resume<", ">Drain<"} {
		if !strings.Contains(body, want) {
			t.Errorf("got no %q in %s", want, body)
		}
	}
	f.asked = nil
	send(t, h, "/controllers/7", url.Values{"do": {"drain"}})
	send(t, h, "/controllers/8", url.Values{"do": {"resume"}})
	if asked := strings.Join(f.asked, " "); !strings.Contains(asked, "PUT /controllers/7/drain") || !strings.Contains(asked, "DELETE /controllers/8/drain") {
		t.Errorf("got %q", asked)
	}
}
