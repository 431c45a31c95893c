package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// An answer is that of the API to a page.
type answer struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// login logs a user in, as a page does.
func (t *tab) login(name string) {
	t.Helper()
	if a := t.ask(http.MethodPost, "/api/v1/session", map[string]string{"name": name, "password": password}); a.Status != http.StatusCreated {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
}

func (t *tab) ask(method, path string, body any) answer {
	t.Helper()
	return call[answer](t, "ask", method, path, body)
}

// A watch is a page's stream of a run, and what it knows by it.
type watch struct {
	*tab
	at     int // of the next event that was not looked at
	states []string
}

// A message is an event that the page got. Open and error are those of the connection.
type message struct {
	At   int             `json:"at"`
	Name string          `json:"name"`
	ID   string          `json:"id"` // of it, or the last before
	Data json.RawMessage `json:"data"`
}

// epoch is the part of an id that is another for each process.
func (m *message) epoch() string {
	epoch, _, _ := strings.Cut(m.ID, "-")
	return epoch
}

func (t *tab) watch(run int64) *watch {
	t.Helper()
	call[chromedp.Void](t, "watch", fmt.Sprintf("/api/v1/runs/%d/events", run))
	return &watch{tab: t}
}

// next is the next event with one of the names; those before it are left out.
func (w *watch) next(names ...string) message {
	w.Helper()
	m := call[message](w.tab, "next", w.at, names)
	w.at = m.At + 1
	return m
}

// nextState is the next event that tells the states of hosts, noted.
func (w *watch) nextState() message {
	w.Helper()
	m := w.next("snapshot", "delta", "end")
	if m.Name == "end" {
		w.Fatalf("the run ended with the states %v", w.states)
	}
	var data struct {
		Hosts [][]any `json:"hosts"`
	}
	if err := json.Unmarshal(m.Data, &data); err != nil {
		w.Fatal(err)
	}
	if m.Name == "snapshot" {
		w.states = make([]string, len(data.Hosts))
	}
	for _, row := range data.Hosts {
		index, ok := row[0].(float64)
		state, isText := row[1].(string)
		if !ok || !isText || int(index) >= len(w.states) {
			w.Fatalf("got the row %v for %d hosts", row, len(w.states))
		}
		w.states[int(index)] = state
	}
	return m
}

// until reads states until they are these.
func (w *watch) until(states ...string) (last message) {
	w.Helper()
	for !slices.Equal(w.states, states) {
		last = w.nextState()
	}
	return last
}

// end reads until the end of a run that finished, after which the page does not connect
// again.
func (w *watch) end() {
	w.Helper()
	var run struct {
		State string `json:"state"`
	}
	m := w.next("end")
	if err := json.Unmarshal(m.Data, &run); err != nil || run.State != "finished" {
		w.Errorf("got the end %s, %v", m.Data, err)
	}
	if !call[bool](w.tab, "ended") {
		w.Error("the stream is open after its end")
	}
}

// A browser that loses its connection to a run goes on where it was.
func TestEventSourceGoesOn(t *testing.T) {
	s := newSite(t, "web1", "web2")
	tab := s.newTab()
	tab.login(operator)
	started := tab.ask(http.MethodPost, "/api/v1/runs", map[string]string{"selector": "all", "command": "hold"})
	var run struct {
		Run int64 `json:"run"`
	}
	if err := json.Unmarshal(started.Body, &run); err != nil || started.Status != http.StatusCreated {
		t.Fatalf("got %d %s, %v", started.Status, started.Body, err)
	}
	w := tab.watch(run.Run)
	if names := w.next("hosts"); !strings.Contains(string(names.Data), `["web1","web2"]`) {
		t.Errorf("got the hosts %s", names.Data)
	}
	w.until("running", "running")
	s.hosts.letGo("web1")
	before := w.until("ok", "running")

	s.cut()
	lost := w.next("error")
	w.next("open")
	s.hosts.letGo("web2")
	after := w.nextState()
	if after.Name != "delta" || after.epoch() != before.epoch() {
		t.Errorf("got a %s with the id %s after %s, want a delta of the same epoch", after.Name, after.ID, lost.ID)
	}
	if ids := s.headers("Last-Event-ID"); !slices.Equal(ids, []string{lost.ID}) {
		t.Errorf("the browser sent the ids %q, want %q", ids, lost.ID)
	}
	w.until("ok", "ok")
	w.end()
}

// A browser that follows the run of another process finds it again when the daemon was
// replaced meanwhile.
func TestEventSourceOutlivesTheDaemon(t *testing.T) {
	s := newSite(t, "web1", "web2")
	tab := s.newTab()
	tab.login(viewer)
	other := s.start("run", "-F", "none", "all", "hold")
	s.hosts.await(t, "web1", "web2")
	w := tab.watch(1)
	before := w.until("running", "running")

	s.lead("")
	s.daemon.stop()
	s.hosts.letGo("web1")
	w.next("error")
	s.serve()
	after := w.nextState()
	if after.Name != "snapshot" || after.epoch() == before.epoch() {
		t.Errorf("got a %s with the id %s after %s, want a snapshot of another epoch", after.Name, after.ID, before.ID)
	}
	w.until("ok", "running")
	s.hosts.letGo("web2")
	w.until("ok", "ok")
	w.end()
	other.wait()
}
