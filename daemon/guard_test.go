package daemon_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tutti/daemon"
	"tutti/fanout"
	"tutti/internal/outgoing"
	"tutti/notify"
	"tutti/scheduler"
	"tutti/store"
)

// hooks is a receiver of webhooks, and what may be reached so that it is.
type hooks struct {
	*httptest.Server
	policy outgoing.Policy
	got    chan *http.Request
	bodies chan []byte
}

func newHooks(t *testing.T) *hooks {
	t.Helper()
	h := &hooks{got: make(chan *http.Request, 100), bodies: make(chan []byte, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.bodies <- body
		h.got <- r
	}))
	t.Cleanup(h.Close)
	port := h.Listener.Addr().(*net.TCPAddr).Port
	h.policy = outgoing.Policy{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{uint16(port)}}
	return h
}

// signed is whether a request is signed with the secret of a subject.
func (h *hooks) signed(t *testing.T, r *rig, req *http.Request, body []byte, subject string) bool {
	t.Helper()
	key, err := daemon.SigningKey(r.history.Path)
	if err != nil {
		t.Fatal(err)
	}
	header := req.Header.Get(notify.SignatureHeader)
	stamp, err := strconv.ParseInt(strings.TrimPrefix(strings.SplitN(header, ",", 2)[0], "t="), 10, 64)
	if err != nil {
		t.Fatalf("got the signature %q", header)
	}
	return header == notify.Sign([]byte(key.Secret(subject).Reveal()), time.Unix(stamp, 0), body)
}

// A webhook of an editor is signed with the editor's secret, from a key that only the
// user of the history can read.
func TestDaemonSignsWebhooksOfEditors(t *testing.T) {
	r := newRig(t, ok)
	h := newHooks(t)
	r.add(t, "tick", "@every 1s", func(j *scheduler.Job) {
		j.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnAlways}, Webhook: h.URL, WebhookBy: "user:3"}
	})
	d := r.start(t, daemon.Config{StopTimeout: time.Minute, Callbacks: h.policy})
	body, req := <-h.bodies, <-h.got
	if !h.signed(t, r, req, body, "user:3") || h.signed(t, r, req, body, "user:4") {
		t.Errorf("got the signature %q", req.Header.Get(notify.SignatureHeader))
	}
	if info, err := os.Stat(filepath.Join(r.dir, "history.db.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a key with mode 0600", info, err)
	}
	d.stop()
	d.wait(t)
}

// A webhook of an editor reaches this machine only if that is allowed; one of an admin
// does.
func TestDaemonGuardsItsMachine(t *testing.T) {
	r := newRig(t, ok)
	h := newHooks(t)
	for name, by := range map[string]string{"admins": "", "editors": "user:3"} {
		r.add(t, name, "@every 1s", func(j *scheduler.Job) {
			j.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnAlways}, Webhook: h.URL + "/" + name, WebhookBy: by}
		})
	}
	d := r.start(t, daemon.Config{StopTimeout: time.Minute})
	r.logged(t, "notification not delivered: refused: a loopback address")
	for range 2 {
		<-h.bodies
		if req := <-h.got; req.URL.Path != "/admins" {
			t.Errorf("got %s", req.URL.Path)
		}
	}
	d.stop()
	d.wait(t)
}

// The end of a run is sent as its receiver wants it: the run itself, or a message, if it
// is about such an end.
func TestDaemonTellsReceivers(t *testing.T) {
	r := newRig(t, said)
	h := newHooks(t)
	url := func(path, on string) func(*store.Submission) {
		return func(s *store.Submission) { s.Callback = &store.Callback{URL: h.URL + path, On: on, By: "user:3"} }
	}
	d := r.start(t, daemon.Config{StopTimeout: time.Minute, Lanes: 1, Callbacks: h.policy})
	for _, tt := range []struct{ command, path, on, event, want string }{
		{"fail no", "/run", "", "run", `{"schema":1,"type":"run","run":1,"source":"api","command":"fail no","selector":"web",`},
		{"say yes", "/none", "failure", "", ""},
		{"fail no", "/failure", "failure", "failure", `{"id":3,"schema":1,"type":"failure",`},
		{"say yes", "/always", "always", "always", `{"id":4,"schema":1,"type":"always",`},
	} {
		run := r.submit(t, tt.command, url(tt.path, tt.on))
		if tt.want == "" {
			await(t, "it is done with", func() bool {
				s, ok, err := r.store.Callbacks().Callback(t.Context(), run)
				return err == nil && ok && !s.Done.IsZero() && s.Error == ""
			})
			continue
		}
		body, req := <-h.bodies, <-h.got
		if req.URL.Path != tt.path || req.Header.Get("X-Tutti-Event") != tt.event || !strings.HasPrefix(string(body), tt.want) || !h.signed(t, r, req, body, "user:3") {
			t.Errorf("%s: got %s, %v, want %s", tt.path, body, req.Header, tt.want)
		}
		for _, part := range []string{`"hosts":1`, `"exit_code":`, fmt.Sprintf(`"run":%d`, run)} {
			if !strings.Contains(string(body), part) {
				t.Errorf("%s: %s is not in %s", tt.path, part, body)
			}
		}
	}
	d.stop()
	d.wait(t)
}

// The end of a submitted run is sent to its callback, signed, also if it ended while no
// daemon was there.
func TestDaemonDeliversCallbacks(t *testing.T) {
	r := newRig(t, ok)
	h := newHooks(t)
	plan := fanout.Plan{
		Source: "api", Selector: "web", Task: fanout.Task{Action: fanout.Command("uptime")}, Policy: fanout.Policy{Fanout: 1},
		Targets: []fanout.Target{{Name: "web"}},
	}
	done, err := r.store.Queue().Submit(t.Context(), store.Submission{
		Plan: plan, Info: store.RunInfo{User: "ann", Principal: "ann/ci", Via: "token"}, Now: time.Now(),
		Callback: &store.Callback{Task: "build 7", URL: h.URL + "/ci", By: "user:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	member, err := r.store.JoinDaemons(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	claimed, err := r.store.Queue().Claim(t.Context(), member, 1)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("got %v, %v", claimed, err)
	}
	if err := errors.Join(r.store.Queue().Fail(t.Context(), claimed[0].QueueEntry, "the inventory is gone", time.Now()), member.Close()); err != nil {
		t.Fatal(err)
	}
	d := r.start(t, daemon.Config{StopTimeout: time.Minute, Callbacks: h.policy})
	body, req := <-h.bodies, <-h.got
	const want = `{"id":"build 7","status":"failed","output":"","error":"the inventory is gone","outcome":"skipped","run":1}` + "\n"
	if string(body) != want || !h.signed(t, r, req, body, "user:3") || req.URL.Path != "/ci" || req.Header.Get("X-Tutti-Event") != "run" {
		t.Errorf("got %s, %v, want %s", body, req.Header, want)
	}
	await(t, "the record of it", func() bool {
		s, ok, err := r.store.Callbacks().Callback(t.Context(), done.Run)
		if err != nil {
			t.Fatal(err)
		}
		return ok && !s.Done.IsZero() && s.Error == "" && s.Attempts == 1
	})
	d.stop()
	d.wait(t)
	if pruned, err := r.store.Prune(t.Context(), store.Retention{KeepRuns: 0, Keep: time.Nanosecond}); err != nil || pruned.Runs != 1 {
		t.Errorf("got %+v, %v, want the run pruned whose callback was sent", pruned, err)
	}
}
