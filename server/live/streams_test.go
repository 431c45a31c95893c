package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
	"tutti/output"
	"tutti/runner"
	"tutti/store"
	"tutti/store/sqlite"
)

// A rig is a server of streams over a history.
type rig struct {
	testing.TB
	*Streams
	store   *sqlite.Store
	server  *httptest.Server
	visible func(host string) bool
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "history.db"), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{TB: tb, store: s, Streams: &Streams{
		Hubs: &Hubs{}, History: s,
		Encode:   func(w io.Writer, code func(fanout.Summary) int) Encoder { return output.NewSyncJSON(w, code) },
		ExitCode: func(sum fanout.Summary) int { return runner.ExitCode(sum, nil, nil) },
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /runs/{run}/events", func(w http.ResponseWriter, req *http.Request) {
		run, err := s.Run(req.Context(), req.PathValue("run"), "")
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		r.Run(w, req, run, r.visible)
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, req *http.Request) { r.Events(w, req, nil) })
	r.server = httptest.NewServer(mux)
	tb.Cleanup(func() {
		r.Close()
		r.server.Close()
		r.Hubs.Close()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return r
}

// A making is a run whose events go to the history, and to a hub if it is this process's.
type making struct {
	*rig
	plan     fanout.Plan
	recorder *store.Recorder
	sink     fanout.Sink
	summary  fanout.Summary
}

func (r *rig) begin(hosts int, own bool) *making {
	r.Helper()
	m := &making{rig: r, plan: *aPlan(hosts), summary: fanout.Summary{Started: time.Now()}}
	var err error
	code := func(s fanout.Summary) int { return runner.ExitCode(s, nil, nil) }
	if m.recorder, err = r.store.Begin(r.Context(), m.plan, store.RunInfo{ExitCode: code, RecordLimit: 300_000}); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = m.recorder.Close() })
	m.sink = fanout.Tee(m.recorder)
	if own {
		m.sink = fanout.Tee(r.Hubs.Sink(), m.recorder)
	}
	m.emit(fanout.Event{Kind: fanout.RunStarted, Plan: &m.plan})
	return m
}

func (m *making) emit(e fanout.Event) {
	m.Helper()
	e.Time, e.RunID = time.Now(), m.recorder.RunID()
	if err := m.sink.Handle(context.WithoutCancel(m.Context()), e); err != nil {
		m.Fatal(err)
	}
}

func (m *making) start(host int) {
	m.Helper()
	t := &m.plan.Targets[host]
	m.emit(fanout.Event{Kind: fanout.TargetConnecting, Target: t, Attempt: 1})
	if err := m.recorder.Starting(context.WithoutCancel(m.Context()), *t, 1, "10.0.0.1:22"); err != nil {
		m.Fatal(err)
	}
	m.emit(fanout.Event{Kind: fanout.TargetStarted, Target: t, Attempt: 1, Address: "10.0.0.1:22"})
}

func (m *making) say(host int, text string) {
	m.Helper()
	m.emit(fanout.Event{Kind: fanout.Output, Target: &m.plan.Targets[host], Attempt: 1, Data: []byte(text)})
}

func (m *making) end(host int, code uint32, size int) {
	m.Helper()
	t := &m.plan.Targets[host]
	o := []fanout.Outcome{fanout.OK, fanout.Failed}[min(code, 1)]
	r := result(t, 1, o, code, [2]int64{int64(size), 0})
	m.summary.Add(*r)
	m.emit(fanout.Event{Kind: fanout.TargetFinished, Target: t, Attempt: 1, Result: r})
}

func (m *making) finish() {
	m.Helper()
	m.summary.Ended = time.Now()
	m.emit(fanout.Event{Kind: fanout.RunFinished, Summary: &m.summary})
	if err := m.recorder.Close(); err != nil {
		m.Fatal(err)
	}
}

// get makes a request; the body is closed at the end of the test.
func (r *rig) get(path string, header ...string) *http.Response {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.server.URL+path, nil)
	if err != nil {
		r.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.server.Client().Do(req)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// An eventReader reads a stream of events.
type eventReader struct {
	testing.TB
	lines *bufio.Scanner
	id    string
}

func (r *rig) events(run int64, query, id string) *eventReader {
	r.Helper()
	resp := r.get(fmt.Sprintf("/runs/%d/events%s", run, query), "Last-Event-ID", id)
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		r.Fatalf("got %d %s: %s", resp.StatusCode, got, body)
	}
	return r.reader(resp)
}

func (r *rig) reader(resp *http.Response) *eventReader {
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	return &eventReader{TB: r.TB, lines: lines}
}

// next is the next event; "" at the end.
func (e *eventReader) next() (name, data string) {
	for e.lines.Scan() {
		field, value, _ := strings.Cut(e.lines.Text(), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			name = value
		case "data":
			return name, value
		}
	}
	return "", ""
}

// until reads up to an event with that name, whose data has text; all before it are
// kept.
func (e *eventReader) until(want, text string) (data string, before []string) {
	e.Helper()
	for {
		name, data := e.next()
		if name == "" {
			e.Fatalf("the stream ended before %s with %s: %q", want, text, before)
		}
		if name == want && strings.Contains(data, text) {
			return data, before
		}
		before = append(before, name+" "+data)
	}
}

// TestRunEvents: a client follows a run from any moment to its end, whether this process
// executes it or another.
func TestRunEvents(t *testing.T) {
	for _, own := range []bool{true, false} {
		t.Run(fmt.Sprint("own ", own), func(t *testing.T) {
			r := newRig(t)
			m := r.begin(3, own)
			m.start(0)
			m.start(1)
			e := r.events(m.recorder.RunID(), "?output=all&hosts=web00000,web00001", "")
			if data, _ := e.until("run", `"state":"running"`); !strings.Contains(data, `"hosts":2`) {
				t.Errorf("got %s, want the run with the two hosts", data)
			}
			if got, _ := e.until("hosts", "web00000"); got != `{"first":0,"of":2,"hosts":["web00000","web00001"]}` {
				t.Errorf("got %s", got)
			}
			m.say(0, "hello\n")
			e.until("output", `{"host":"web00000","attempt":1,"stream":"stdout","offset":0,"data":"hello\n"}`)
			m.say(1, "\xff")
			e.until("output", `{"host":"web00001","attempt":1,"stream":"stdout","offset":0,"data":"/w==","encoding":"base64"}`)
			m.say(0, "more\n")
			e.until("output", `"offset":6,"data":"more\n"`)
			id := e.id
			m.end(0, 0, 11)
			e.until("delta", `[0,"ok",0,1,30,11]`)
			m.end(1, 3, 1)
			m.start(2)
			m.end(2, 0, 0)
			m.finish()
			data, _ := e.until("end", "")
			var end map[string]any
			if err := json.Unmarshal([]byte(data), &end); err != nil || end["state"] != "finished" || end["exit_code"] != 3.0 || end["hidden"] != 1.0 {
				t.Errorf("got %s, %v", data, err)
			}
			if counts := end["counts"].(map[string]any); counts["ok"] != 1.0 || counts["failed"] != 1.0 {
				t.Errorf("got counts %v, want those of the two hosts", counts)
			}
			if name, _ := e.next(); name != "" {
				t.Errorf("got %s after the end", name)
			}
			// A client that lost the stream goes on where it was, also in another process.
			again := r.events(m.recorder.RunID(), "?output=all&hosts=web00000,web00001", id)
			_, before := again.until("end", "")
			if text := strings.Join(before, "\n"); strings.Contains(text, "hello") || strings.Contains(text, "gap") || !strings.Contains(text, `[0,"ok",0,1,30,11]`) {
				t.Errorf("got %s", text)
			}
		})
	}
}

// A client of a run that is over gets the states and the end.
func TestRunEventsAfterwards(t *testing.T) {
	r := newRig(t)
	m := r.begin(4001, false)
	for i := range m.plan.Targets {
		m.summary.Add(fanout.Result{Outcome: fanout.Skipped})
		m.emit(fanout.Event{Kind: fanout.TargetFinished, Target: &m.plan.Targets[i], Result: &fanout.Result{Target: m.plan.Targets[i], Outcome: fanout.Skipped}})
	}
	m.finish()
	e := r.events(m.recorder.RunID(), "", "9f3c-99999999999")
	_, before := e.until("end", `"skipped":4001`)
	pages := 0
	picture := &picture{}
	for _, x := range before {
		if name, data, _ := strings.Cut(x, " "); name == "hosts" {
			pages++
		} else if name == "snapshot" || name == "delta" {
			picture.show(t, []byte(data))
		}
	}
	if pages != 3 || picture.Counts["skipped"] != 4001 || len(picture.rows) != 4001 {
		t.Errorf("got %d pages and %v", pages, picture.Counts)
	}
}

// A client of a run that waits in the queue gets its events once it has started.
func TestQueuedRunEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubs := &Hubs{}
		h, p := started(t, hubs, 1, 1)
		send(t, h, fanout.Event{Kind: fanout.TargetConnecting, Target: &p.Targets[0], Attempt: 1})
		began := time.Now()
		s := &Streams{Hubs: hubs, History: queue{start: began.Add(time.Minute)}}
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
		defer stop()
		w := httptest.NewRecorder()
		s.Run(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), store.Run{ID: 1, State: store.Queued}, nil)
		body := w.Body.String()
		waits, rest, _ := strings.Cut(body, "event: run\n")
		if strings.Count(waits, ":\n\n") < 4 || !strings.Contains(rest, `"state":"running"`) || !strings.Contains(rest, `[0,"connecting",null,1,0,0]`) {
			t.Errorf("got %s", body)
		}
	})
}

// queue is a history whose run starts at a time.
type queue struct {
	History
	start time.Time
}

func (q queue) Wake() (<-chan struct{}, func()) { return nil, func() {} }

func (q queue) Run(context.Context, string, string) (store.Run, error) {
	if time.Now().Before(q.start) {
		return store.Run{ID: 1, State: store.Queued}, nil
	}
	return store.Run{ID: 1, State: store.Running}, nil
}

// Nothing that is sent has a host that may not be seen.
func TestVisible(t *testing.T) {
	for _, own := range []bool{true, false} {
		r := newRig(t)
		r.visible = func(host string) bool { return host == "web00001" }
		m := r.begin(3, own)
		for i := range 3 {
			m.start(i)
			m.say(i, fmt.Sprintf("said %d\n", i))
			m.end(i, uint32(i), 7)
		}
		m.finish()
		run := m.recorder.RunID()
		e := r.events(run, "?output=all&hosts=web00000,web00001", "")
		data, before := e.until("end", "")
		text := strings.Join(before, "\n") + data
		if strings.Contains(text, "web00000") || strings.Contains(text, "web00002") || strings.Contains(text, "said 0") || !strings.Contains(text, `"hidden":2`) {
			t.Errorf("own %t: got %s", own, text)
		}
		if !strings.Contains(data, `"ok":0,`) && !strings.Contains(data, `"ok":0}`) || !strings.Contains(data, `"failed":1`) {
			t.Errorf("own %t: got %s, want the counts of one host", own, data)
		}
		body, err := io.ReadAll(r.get(fmt.Sprintf("/runs/%d/events", run), "Accept", "application/x-ndjson").Body)
		if lines := string(body); err != nil || strings.Contains(lines, "web00000") || strings.Contains(lines, "said 2") || !strings.Contains(lines, "said 1") || !strings.Contains(lines, `"hosts":1,`) {
			t.Errorf("own %t: got %s, %v", own, lines, err)
		}
	}
}

// The lines of a run are those of --json, while it goes on and afterwards.
func TestRunLines(t *testing.T) {
	r := newRig(t)
	m := r.begin(2, true)
	path := fmt.Sprintf("/runs/%d/events", m.recorder.RunID())
	m.start(0)
	m.say(0, "one\n")
	live := bufio.NewScanner(r.get(path, "Accept", "application/x-ndjson").Body)
	for range 3 {
		if !live.Scan() {
			t.Fatal(live.Err())
		}
	}
	if got := live.Text(); !strings.Contains(got, `"data":"one\n"`) {
		t.Errorf("got %s, want what is on record so far", got)
	}
	if resp := r.get(path+"?from=2", "Accept", "application/x-ndjson"); resp.StatusCode != http.StatusConflict {
		t.Errorf("got %d for a run that goes on, want a conflict", resp.StatusCode)
	}
	m.say(0, "two\n")
	m.end(0, 0, 8)
	m.start(1)
	m.end(1, 4, 0)
	m.finish()
	var rest []string
	for live.Scan() {
		rest = append(rest, live.Text())
	}
	if err := live.Err(); err != nil || len(rest) != 5 || !strings.Contains(rest[4], `"exit_code":3`) {
		t.Errorf("got %q, %v", rest, err)
	}
	var want bytes.Buffer
	writer := output.NewWriter(&want)
	if err := r.store.Replay(t.Context(), m.recorder.RunID(), store.Filter{}, output.NewJSON(writer, func(fanout.Summary) int { return 3 })); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func(query string) string {
		body, err := io.ReadAll(r.get(path+query, "Accept", "application/x-ndjson").Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if got := read(""); got != want.String() {
		t.Errorf("got %s\nwant %s", got, want.String())
	}
	lines := strings.SplitAfter(want.String(), "\n")
	if got := read("?from=3"); got != strings.Join(lines[3:], "") {
		t.Errorf("got %s\nwant all but three lines", got)
	}
	if got := read("?output=none&hosts=web00000"); strings.Contains(got, `one\n`) || strings.Contains(got, "web00001") || !strings.Contains(got, `"stdout_bytes":8`) {
		t.Errorf("got %s, want web00000 without output", got)
	}
}

// Queries that are not known are refused, and so are too many streams.
func TestRefused(t *testing.T) {
	r := newRig(t)
	m := r.begin(1, true)
	run := m.recorder.RunID()
	for _, query := range []string{"?limt=1", "?output=some", "?output=tail", "?from=1", "?output=all&hosts=a,b,c,d,e,f,g,h,i"} {
		if resp := r.get(fmt.Sprintf("/runs/%d/events%s", run, query)); resp.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d", query, resp.StatusCode)
		}
	}
	if resp := r.get(fmt.Sprintf("/runs/%d/events?output=all&hosts=a,a,a,a,a,a,a,a,a", run)); resp.StatusCode != http.StatusOK {
		t.Errorf("got %d for a host that is named nine times", resp.StatusCode)
	} else {
		_ = resp.Body.Close()
	}
	if resp := r.get("/events?topics=run,cat"); resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("got %d for a topic that is none", resp.StatusCode)
	}
	for range perPrincipal {
		r.events(run, "", "").until("hosts", "")
	}
	resp := r.get("/events")
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "5" || !strings.Contains(string(body), `"/problems/too-many-streams"`) {
		t.Errorf("got %d, %v, %s, %v", resp.StatusCode, resp.Header, body, err)
	}
	r.Principal = nil
}

// Hosts are watched up to a bound, of a run and of all.
func TestWatchedHostsAreBounded(t *testing.T) {
	hubs := &Hubs{}
	h, _ := started(t, hubs, 1, 100)
	var rings []*ring
	for i := range ringsPerRun {
		r, err := h.watch(i)
		if err != nil {
			t.Fatal(err)
		}
		rings = append(rings, r)
	}
	if r, err := h.watch(3); err != nil || r != rings[3] {
		t.Errorf("got %v, want the ring there is", err)
	}
	if _, err := h.watch(99); err == nil {
		t.Error("watched one too many")
	}
	hubs.rings.Store(ringsInAll)
	h.unwatch(rings[0])
	hubs.rings.Add(1)
	if _, err := h.watch(0); err == nil {
		t.Error("watched one too many of all runs")
	}
	hubs.rings.Add(-1)
	if _, err := h.watch(0); err != nil {
		t.Error(err)
	}
}

// Summaries have what happened since a client was there last.
func TestSummaries(t *testing.T) {
	r := newRig(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Look(ctx)
	}()
	defer func() {
		stop()
		<-done
	}()
	first := r.reader(r.get("/events"))
	d, err := r.store.JoinDaemons(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() //nolint:errcheck // the test is over
	m := r.begin(1, false)
	data, before := first.until("run_started", "")
	if !strings.Contains(data, fmt.Sprintf(`"run":%d,`, m.recorder.RunID())) {
		t.Errorf("got %s", data)
	}
	if !slices.ContainsFunc(before, func(x string) bool { return strings.HasPrefix(x, "daemon_came ") }) {
		first.until("daemon_came", strconv.FormatInt(d.ID(), 10))
	}
	id := first.id
	m.summary.Add(fanout.Result{Outcome: fanout.Skipped})
	m.emit(fanout.Event{Kind: fanout.TargetFinished, Target: &m.plan.Targets[0], Result: &fanout.Result{Target: m.plan.Targets[0], Outcome: fanout.Skipped}})
	m.finish()
	first.until("run_ended", `"state":"finished"`)
	second := r.reader(r.get("/events?topics=run", "Last-Event-ID", id))
	if name, data := second.next(); name != "run_ended" || !strings.Contains(data, `"skipped":1`) {
		t.Errorf("got %s %s, want what came after %s", name, data, id)
	}
	for _, strange := range []string{"other-1", "x", strings.Split(id, "-")[0] + "-99999"} {
		if name, _ := r.reader(r.get("/events", "Last-Event-ID", strange)).next(); name != "reset" {
			t.Errorf("%s: got %s, want a reset", strange, name)
		}
	}
}
