package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// wants fails the test for each text that a page lacks.
func wants(t *testing.T, where, body string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("%s: %q is missing in %s", where, text, body)
		}
	}
}

func TestOutcomesPage(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /jobs/backup": aJob,
		"GET /jobs/backup/outcomes": `{"job":"backup","runs":[{"run":7,"hosts":3,"bad":1,"started_at":"2027-02-27T02:30:00.000Z"},{"run":9,"hosts":2,"bad":2}],
			"hosts":[{"host":"db<1>","bad":2,"outcomes":["failed","lost"]},{"host":"db2","bad":1,"outcomes":["ok","timeout"]},{"host":"db3","bad":0,"outcomes":["ok",""]}],"more_hosts":40,"more_bad":2}`,
	}}
	h := serve(t, f)
	body := look(t, h, "/jobs/backup/outcomes").Body.String()
	wants(
		t, "outcomes", body, "2 hosts and 2 more of 3 shown, 40 not shown, did not end ok in some of the newest 2 runs", "db&lt;1&gt;", `href="/runs/9/hosts/db%3c1%3e"`,
		`title="db2, run 9: timeout"`, `href="#s-lost"`, `<td class="ok"><span class="visually-hidden">ok</span></td>`, "1 of 3 not ok", `href="/jobs/backup/outcomes?hosts=1000"`,
	)
	f.answers["GET /jobs/backup/outcomes"] = `{"runs":[],"hosts":[]}`
	wants(t, "without runs", look(t, h, "/jobs/backup/outcomes").Body.String(), "No run of it has ended yet.")
}

// The lines that the API sends of a run are rows of a page, as many as fit.
func TestEventsPage(t *testing.T) {
	lines := `{"type":"run_started","time":"2027-03-01T11:00:00.000Z","hosts":2}
{"type":"host_started","time":"2027-03-01T11:00:00.100Z","host":"web<1>","attempt":2}
{"type":"host_retrying","time":"2027-03-01T11:00:01.000Z","host":"web2","attempt":1,"delay_ms":2000,"outcome":"unreachable","error":{"message":"refused <x>"}}
{"type":"host_finished","time":"2027-03-01T11:00:02.000Z","host":"web2","outcome":"failed","exit_code":3,"duration_ms":1500}
{"type":"run_finished","time":"2027-03-01T11:00:03.000Z","stopped":"none","exit_code":1}
`
	f := &fakeAPI{answers: map[string]string{"GET /runs/7": liveRun, "GET /runs/7/events": lines}}
	h := serve(t, f)
	body := look(t, h, "/runs/7/events").Body.String()
	wants(
		t, "events", body, "started on 2 hosts", "command sent, attempt 2", "web&lt;1&gt;", "attempt 1 ended, another follows in 2.0 s", "refused &lt;x&gt;", "exit 3", "1.5 s",
		"today 11:00:00.100", "look again",
	)
	n := len(f.asked) - 1
	if f.asked[n] != "GET /runs/7/events" || f.headers[n].Get("Accept") != linesType {
		t.Errorf("asked %s for %s", f.asked[n], f.headers[n].Get("Accept"))
	}
	f.answers["GET /runs/7"] = strings.Replace(liveRun, `"state":"running"`, `"state":"finished"`, 1)
	f.answers["GET /runs/7/events"] = strings.Repeat(`{"type":"host_started","time":"2027-03-01T11:00:00.100Z","host":"web1","attempt":1}`+"\n", 2*eventsPage)
	body = look(t, h, "/runs/7/events?from=200").Body.String()
	wants(t, "a page of events", body, `href="/runs/7/events?from=0"`, `href="/runs/7/events?from=400"`)
	if got := strings.Count(body, "command sent"); got != eventsPage {
		t.Errorf("got %d events", got)
	}
	f.refused = map[string]string{"GET /runs/7/events": `{"title":"Too many streams","status":429}`}
	if w := look(t, h, "/runs/7/events"); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "Too many streams") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// Lines have the times of their events, and the colours of the lines before.
func TestOutputWithTimes(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /runs/7": liveRun, "GET /runs/7/hosts/web1": `{"run":7,"host":"web1","state":"ended","outcome":"ok","started":true,"attempts":2}`,
		"GET /runs/7/events": `{"type":"output","time":"2027-03-01T11:00:00.100Z","host":"web1","attempt":1,"stream":"stdout","data":"of another attempt\n"}
{"type":"output","time":"2027-03-01T11:00:00.250Z","host":"web1","attempt":2,"stream":"stdout","data":"\u001b[31mred <b>\n"}
{"type":"output","time":"2027-03-01T11:00:01.000Z","host":"web1","attempt":2,"stream":"stderr","data":"oh\n"}
{"type":"output","time":"2027-03-01T11:00:02.000Z","host":"web1","attempt":2,"stream":"stdout","data":"c3RpbGwgcmVkCg==","encoding":"base64","omitted_bytes":12}
`,
	}}
	h := serve(t, f)
	body := look(t, h, "/runs/7/hosts/web1?times=1").Body.String()
	wants(
		t, "times", body, ">11:00:00.250</time></span> <span class=\"f1\">red &lt;b&gt;", `<span class="stderr">oh`, "(12 bytes are not in the record here)", "still red", `id="L3"`,
		`<a href="/runs/7/hosts/web1">without times</a>`,
	)
	if strings.Contains(body, "of another attempt") {
		t.Error("it has lines of another attempt")
	}
	body = look(t, h, "/runs/7/hosts/web1?times=1&stream=stderr").Body.String()
	if strings.Contains(body, "red") || !strings.Contains(body, "oh") {
		t.Errorf("one stream: got %s", body)
	}
}

// From a host that is not ok one gets to the ones before and after it.
func TestNeighbours(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{"GET /runs/7": liveRun, "GET /runs/7/hosts": `{"items":[{"host":"a"},{"host":"c"},{"host":"e"}]}`}}
	h := serve(t, f)
	for host, want := range map[string][2]string{"a": {"", "c"}, "c": {"a", "e"}, "e": {"c", ""}, "b": {"", "a"}} {
		f.answers["GET /runs/7/hosts/"+host] = `{"run":7,"host":"` + host + `","state":"ended"}`
		body := look(t, h, "/runs/7/hosts/"+host).Body.String()
		for i, key := range []string{"[", "]"} {
			link := `href="/runs/7/hosts/` + want[i] + `" data-key="` + key + `"`
			if there := strings.Contains(body, `data-key="`+key+`"`); there != (want[i] != "") || there && !strings.Contains(body, link) {
				t.Errorf("%s: want %q in %s", host, link, body)
			}
		}
	}
}

// A job is changed as YAML only by what was planned of the version that the page has.
func TestJobAsYAML(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /jobs/backup": aJob, "GET /export": "jobs:\n  backup: {selector: <db>}\n",
		"POST /apply": `{"added":[],"changed":[{"job":"backup","differences":["timeout 1m -> 2m <x>"]}],"removed":[],"same":0,"left":["sync"]}`,
	}}
	h := serve(t, f)
	wants(t, "the form", look(t, h, "/jobs/backup/yaml").Body.String(), "jobs:\n  backup: {selector: &lt;db&gt;}\n</textarea>", `name="version" value="3"`)
	form := url.Values{"version": {"3"}, "text": {"jobs:\r\n  backup: {}\r\n"}, "do": {"check"}}
	w := send(t, h, "/jobs/backup/yaml", form)
	wants(t, "a check", w.Body.String(), "timeout 1m -&gt; 2m &lt;x&gt;", "backup: {}\n</textarea>")
	applied := func() (n int) {
		for i, asked := range f.asked {
			if asked == "POST /apply" && f.headers[i].Get("If-Match") != "" {
				n++
			}
		}
		return n
	}
	if w.Code != 200 || applied() != 0 {
		t.Errorf("a check: got %d, and it was applied %d times", w.Code, applied())
	}
	form.Set("do", "save")
	f.tag = `"all-x"`
	w = send(t, h, "/jobs/backup/yaml", form)
	n := len(f.asked) - 1
	if w.Header().Get("Location") != "/jobs/backup" || f.asked[n] != "POST /apply" || f.headers[n].Get("If-Match") != f.tag || f.headers[n].Get("Content-Type") != yamlType ||
		f.bodies[n] != "jobs:\n  backup: {}\n" {
		t.Errorf("got %d %s, sent %s %v %q", w.Code, w.Body, f.asked[n], f.headers[n], f.bodies[n])
	}
	form.Set("version", "2")
	w = send(t, h, "/jobs/backup/yaml", form)
	wants(t, "another version", w.Body.String(), "another user saved version 3", "As it was saved", "{selector: &lt;db&gt;}", `name="version" value="3"`, "Save mine on top", "backup: {}")
	form.Set("version", "3")
	f.answers["POST /apply"] = `{"added":["x"],"changed":[{"job":"backup"}],"removed":[],"same":0,"left":[]}`
	other := send(t, h, "/jobs/backup/yaml", form)
	if w.Code != 412 || other.Code != 422 || !strings.Contains(other.Body.String(), "not that of this job alone") || applied() != 1 {
		t.Errorf("got %d, then %d %s, and it was applied %d times", w.Code, other.Code, other.Body, applied())
	}
	f.refused = map[string]string{"POST /apply": `{"title":"The request is not valid","status":422,"errors":[{"pointer":"/jobs/backup/selector","message":"is missing"}]}`}
	if w := send(t, h, "/jobs/backup/yaml", form); w.Code != 422 || !strings.Contains(w.Body.String(), "is missing") || !strings.Contains(w.Body.String(), "backup: {}") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
