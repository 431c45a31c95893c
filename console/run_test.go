package console

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"tutti/api"
)

const liveRun = `{"schema":1,"type":"run","run":7,"source":"api","command":"echo <b>\nmore","selector":"web","user":"ann","note":"<i>\u202e","state":"running",
"started_at":"2027-03-01T11:59:00.000Z","hosts":10000,"counts":{"ok":9000,"failed":1},"stopped":"none"}`

const endedRun = `{"schema":1,"type":"run","run":7,"source":"api","command":"uptime","selector":"web","user":"ann","state":"finished",
"started_at":"2027-03-01T11:59:00.000Z","ended_at":"2027-03-01T12:00:04.000Z","duration_ms":64000,"hosts":3,"counts":{"ok":2,"failed":1},"stopped":"none","exit_code":1}`

const groups = `{"items":[
{"state":"ended","outcome":"ok","started":true,"exit_code":0,"count":9000,"hosts":"web[0001-9000]","sample_host":"web0001","output":[{"stream":"stdout","offset":0,"data":"fine\n"}]},
{"state":"ended","outcome":"failed","started":true,"exit_code":3,"count":1,"hosts":"web9001","sample_host":"web9001",
 "output":[{"stream":"stderr","offset":0,"data":"<img src=x onerror=alert(1)>\u202e\u001b[31mred\u001b[0m\u001b]8;;http://x\u0007"},{"stream":"stdout","offset":9,"omitted":70000}]},
{"state":"running","started":true,"count":999,"hosts":"web[9002-9999]","sample_host":"web9002"}]}`

func TestRunPage(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /runs/7": liveRun, "GET /runs/7/groups": groups,
		"GET /runs/7/plan": `{"command":"echo <b>\nmore","selector":"web","options":{"fanout":["500"],"env":["A=b c"],"pty":["true"]}}`,
	}}
	body := look(t, serve(t, f), "/runs/7").Body.String()
	for _, want := range []string{
		"echo &lt;b&gt;", `# &lt;i&gt;\u202e`, "fan-out 500", "exit 3", "web[0001-9000]", "&lt;img src=x onerror=alert(1)&gt;", `\u202e`, `<span class="f1">red</span>`, "^[]8;;http://x^G",
		"68.4KiB are not in the record here", `data-state="running"`, "/runs/7/kill",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	if strings.Contains(body, "<img") || strings.Contains(body, "\u202e") {
		t.Error("output is not text")
	}
	if strings.Index(body, "web9001") > strings.Index(body, "web[0001-9000]") {
		t.Error("the bad group is not first")
	}
	if cli := "tutti run --env &#39;A=b c&#39; --fanout 500 --pty web &#39;echo &lt;b&gt;\nmore&#39;"; !strings.Contains(body, cli) {
		t.Errorf("%q is missing in %s", cli, body)
	}
	if strings.Contains(body, "Run again") {
		t.Error("a run that has not ended is offered again")
	}
	f.answers["GET /session"] = viewerSession
	if body := look(t, serve(t, f), "/runs/7").Body.String(); strings.Contains(body, "/runs/7/kill") {
		t.Error("a viewer is offered to stop the run")
	}
}

// However few hosts a state has, it can be seen in the bar.
func TestBar(t *testing.T) {
	for _, counts := range []map[string]int{
		{"ok": 9999, "failed": 1}, {"ok": 1, "failed": 1, "timeout": 1, "lost": 1, "unreachable": 1, "canceled": 1, "skipped": 1, "running": 9993}, {"ok": 3}, {"waiting": 1},
	} {
		x := 0
		for _, s := range newTally(counts).Bar() {
			if s.X != x || s.W < leastSegment {
				t.Errorf("%v: segment %+v at %d", counts, s, x)
			}
			x += s.W
		}
		if x != 1000 {
			t.Errorf("%v: the bar is %d wide", counts, x)
		}
	}
	if bar := newTally(nil).Bar(); bar != nil {
		t.Errorf("got %v", bar)
	}
}

func TestRunsPage(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{"GET /runs": `{"items":[` + liveRun + `,` + endedRun + `],"next":"abc"}`}}
	h := serve(t, f)
	body := look(t, h, "/runs?outcome=failed&since=7d&rerun_of=3").Body.String()
	for _, want := range []string{
		"9,001 of 10,000", "1 failed", "ann (api)", "/runs?after=abc&amp;outcome=failed&amp;rerun_of=3&amp;since=7d", "1 min 4 s", "tutti history --since 7d --outcome failed",
		`<input type="hidden" name="rerun_of" value="3">`, `title="2027-03-01 11:59:00 UTC">today 11:59:00`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	if body := look(t, h, "/runs", "Cookie", "tutti-zone=Europe/Madrid").Body.String(); !strings.Contains(body, "today 12:59:00") || !strings.Contains(body, "Europe/Madrid&#43;1") {
		t.Errorf("the zone does not count: %s", body)
	}
	if body := look(t, h, "/runs", "Cookie", "tutti-zone=../../etc/passwd").Body.String(); !strings.Contains(body, ">UTC<") {
		t.Error("a zone that is none is not UTC")
	}
	f.answers["GET /runs"] = `{"items":[]}`
	if body := look(t, h, "/runs").Body.String(); !strings.Contains(body, "No run yet") {
		t.Error("an empty list says nothing")
	}
	if body := look(t, h, "/runs?q=x").Body.String(); !strings.Contains(body, "Clear the filter") {
		t.Error("an empty filtered list has no way out")
	}
	f.refused = map[string]string{"GET /runs": `{"title":"The request is not valid","status":422,"errors":[{"parameter":"since","message":"want 2h"}]}`}
	w := look(t, h, "/runs?since=zzz")
	if body := w.Body.String(); w.Code != 422 || !strings.Contains(body, "want 2h") || !strings.Contains(body, `value="zzz"`) {
		t.Errorf("got %d %s", w.Code, body)
	}
}

func TestKill(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /runs/7": liveRun, "GET /runs/7/groups": `{"items":[{"state":"running","started":true,"count":1999,"hosts":"web[1-1999]"}]}`,
		"POST /runs/7/kill": `{"run":7,"state":"running","hosts":[{"host":"web1","state":"ended"},{"host":"web2","state":"ended"},{"host":"web3","state":"unknown"},{"host":"web4","state":"requested"}]}`,
	}}
	h := serve(t, f)
	if w := send(t, h, "/runs/7/kill", url.Values{"number": {"1998"}}); w.Code != 422 || strings.Contains(strings.Join(f.asked, " "), "POST") {
		t.Errorf("it was stopped without the number: %d %q", w.Code, f.asked)
	}
	w := send(t, h, "/runs/7/kill", url.Values{"number": {"1,999"}, "how": {"halt"}})
	if n := len(f.bodies); f.bodies[n-1] != `{"how":"halt"}` {
		t.Errorf("sent %s", f.bodies[n-1])
	}
	body := w.Body.String()
	for _, want := range []string{"web[1-2]", "could not be asked", "web3", "web4", "Look again", "Stop what runs, too"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	if n := len(f.headers); f.headers[n-1].Get("Prefer") != "wait=5" {
		t.Errorf("it does not wait for proof: %v", f.headers[n-1])
	}
}

func TestRerun(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{"GET /runs/7": endedRun, "POST /runs/7/rerun": `{"run":8}`}}
	h := serve(t, f)
	if body := look(t, h, "/runs/7/rerun").Body.String(); !strings.Contains(body, `value="failed" checked`) || strings.Contains(body, `value="ok" checked`) || !strings.Contains(body, `name="key" value="console-`) {
		t.Errorf("got %s", body)
	}
	w := send(t, h, "/runs/7/rerun", url.Values{"outcome": {"failed"}, "fanout": {"5"}, "timeout": {" 30s "}, "key": {"k1"}})
	n := len(f.asked) - 1
	if w.Header().Get("Location") != "/runs/8" || f.headers[n].Get("Idempotency-Key") != "k1" || f.bodies[n] != `{"outcomes":["failed"],"fanout":5,"timeout":"30s"}` {
		t.Errorf("got %d %v, sent %s %s", w.Code, w.Header(), f.headers[n], f.bodies[n])
	}
	w = send(t, h, "/runs/7/rerun", url.Values{"outcome": {"failed"}, "fanout": {"many"}, "note": {"why <x>"}})
	if body := w.Body.String(); w.Code != 422 || !strings.Contains(body, "/fanout") || !strings.Contains(body, `value="many"`) || !strings.Contains(body, `value="why &lt;x&gt;"`) {
		t.Errorf("got %d %s", w.Code, body)
	}
}

func TestOutputPage(t *testing.T) {
	f := &fakeAPI{answers: map[string]string{
		"GET /runs/7":                   endedRun,
		"GET /runs/7/hosts/web1":        `{"run":7,"host":"web1","state":"ended","outcome":"failed","started":true,"exit_code":3,"attempts":2,"duration_ms":1500,"earlier":[{"attempt":1,"outcome":"unreachable"}]}`,
		"GET /runs/7/hosts/web1/output": `{"parts":[{"stream":"stdout","offset":0,"data":"one\ntwo \u001b[1"},{"stream":"stderr","offset":0,"data":"<script>alert(1)</script>\n"},{"stream":"stdout","offset":9,"data":";32mgreen"}]}`,
		"GET /hosts/web1":               `{"host":"web1","runs":[{"run":7,"outcome":"failed"},{"run":6,"outcome":"ok"}]}`,
	}}
	h := serve(t, f)
	body := look(t, h, "/runs/7/hosts/web1").Body.String()
	for _, want := range []string{
		`<li id="L1">one</li>`, `<li id="L2">two <span class="stderr">&lt;script&gt;alert(1)&lt;/script&gt;</span></li>`, `<li id="L3"><span class="ab f2">green</span></li>`,
		"exit 3", "1.5 s", `href="/runs/6/hosts/web1"`, "attempt 1", "/api/v1/runs/7/hosts/web1/output?download=true",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	f.refused = map[string]string{"GET /hosts/web1": `{"title":"No such host","status":404}`}
	if w := look(t, h, "/runs/7/hosts/web1"); w.Code != 200 {
		t.Errorf("a host that has left the inventory: got %d", w.Code)
	}
}

// Output that is longer than a page is in windows, which lead to one another and lose no
// line.
func TestWindows(t *testing.T) {
	const all = 42_000
	text := func(first, n int64) []api.OutputPart {
		return []api.OutputPart{{Stream: "stdout", Data: strings.Repeat("x\n", int(min(n, all-first+1)))}}
	}
	p := func(first, lines, line int64) *outputPage {
		page := &outputPage{Query: url.Values{}, Range: api.OutputRange{Parts: text(first, lines), More: first+lines <= all}}
		page.lay("/at", first, line, nil)
		return page
	}
	seen, first := int64(0), int64(1)
	for range 20 {
		lines := int64(windowLines)
		if first == 1 {
			lines = wholeLines
		}
		page := p(first, lines, first)
		for _, b := range page.Blocks {
			if b.Start != seen+1 {
				t.Fatalf("a block starts at %d, want %d", b.Start, seen+1)
			}
			seen += int64(len(b.Lines))
		}
		if page.After == "" {
			break
		}
		u, _ := url.Parse(page.After)
		first = seen + 1
		if u.Query().Get("from") != strconv.FormatInt(first, 10) {
			t.Fatalf("after %d lines comes %s", seen, page.After)
		}
	}
	if seen != all {
		t.Errorf("%d lines were seen, want %d", seen, all)
	}
	if page := p(1, wholeLines, 12_345); page.Blocks[0].Start != 10_001 {
		t.Errorf("line 12,345 is not in the window from %d", page.Blocks[0].Start)
	}
}

func TestClock(t *testing.T) {
	c := clock{zone: noon.Location(), now: noon}
	for text, want := range map[string]string{
		string(c.Ago(noon.Add(-90e9))): "1 min 30 s ago", string(c.Ago(noon.Add(6720e9))): "in 1 h 52 min", string(c.Minute(noon.AddDate(0, 0, -1))): "yesterday 12:00",
		string(c.At(noon.AddDate(0, 0, 3))): "Thu 12:00:00", string(c.At(noon.AddDate(-1, 0, 0))): "1 Mar 2026 12:00:00",
		c.Took(int64(999)): "999 ms", c.Took(int64(12_400)): "12.4 s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("got %s, want %s", text, want)
		}
	}
}
