package server_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/scheduler"
	"tutti/server"
	"tutti/store"
)

// A following is a client that follows something for as long as it may.
type following struct {
	testing.TB
	lines *bufio.Scanner
}

// served is the API at an address, with what watches rights and the history.
func (r *rig) served(t *testing.T) *httptest.Server {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	for _, watch := range []func(context.Context){func(ctx context.Context) { server.WatchRights(ctx, r.api) }, r.api.Streams.Look} {
		go func() {
			watch(ctx)
			done <- struct{}{}
		}()
	}
	s := httptest.NewServer(r.Handler)
	t.Cleanup(func() {
		r.api.Streams.Close()
		s.Close()
		stop()
		<-done
		<-done
	})
	return s
}

// follow opens a stream, and returns once it is open. A test in which it does not end as it
// has to fails.
func follow(t *testing.T, s *httptest.Server, path string, header ...string) *following {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s", path, answer.Status)
	}
	return &following{TB: t, lines: bufio.NewScanner(answer.Body)}
}

// until reads to the next line that begins so.
func (f *following) until(prefix string) string {
	f.Helper()
	for f.lines.Scan() {
		if text, ok := strings.CutPrefix(f.lines.Text(), prefix); ok {
			return text
		}
	}
	f.Fatalf("the stream ended without %q: %v", prefix, f.lines.Err())
	return ""
}

// end reads to the end, which has to come.
func (f *following) end() {
	f.Helper()
	for f.lines.Scan() {
	}
	if err := f.lines.Err(); err != nil {
		f.Errorf("the stream goes on: %v", err)
	}
}

// A stream ends when who has opened it may do something else than before; those of others
// go on.
func TestStreamsEndWithRights(t *testing.T) {
	by := access.By{Actor: "ann", At: noon}
	change := func(change func(*access.User)) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) {
			if _, err := r.store.Access().ChangeUser(t.Context(), "eve", func(u *access.User) error { change(u); return nil }, by); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		change func(t *testing.T, r *rig)
	}{
		{"a narrower scope", change(func(u *access.User) { u.Scope = "web1" })},
		{"a wider scope", change(func(u *access.User) { u.Scope = "" })},
		{"a lower role", change(func(u *access.User) { u.Role = access.Viewer })},
		{"disabled", change(func(u *access.User) { u.Disabled = true })},
		{"removed", func(t *testing.T, r *rig) {
			if err := r.store.Access().RemoveUser(t.Context(), "eve", by); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			id := r.waiting(t)
			if _, err := r.store.Access().AddUser(t.Context(), access.User{Name: "ann", Role: access.Admin}, by); err != nil {
				t.Fatal(err)
			}
			eve, session, _ := r.login(t, access.User{Name: "eve", Role: access.Operator, Scope: "web"})
			token, _, err := r.accounts.AddToken(t.Context(), access.Token{Name: "ci", Owner: eve.ID, Role: access.Operator}, by)
			if err != nil {
				t.Fatal(err)
			}
			other, _, err := r.accounts.AddToken(t.Context(), access.Token{Name: "other", Role: access.Viewer}, by)
			if err != nil {
				t.Fatal(err)
			}
			r.real()
			s := r.served(t)
			streams := []*following{
				follow(t, s, "/runs/"+id+"/events", "Authorization", "Bearer "+token.Reveal()),
				follow(t, s, "/events", "Cookie", "tutti="+session.Reveal()),
				follow(t, s, "/events", "Authorization", "Bearer "+token.Reveal()),
			}
			goesOn := follow(t, s, "/events", "Authorization", "Bearer "+other.Reveal())
			tt.change(t, r)
			for _, f := range streams {
				f.end()
			}
			r.add(t, "sweep", nil)
			goesOn.until("event: job_changed")
		})
	}
}

// A stream ends when its token is removed, with the logout, and when who has opened it is
// not let in any more because of the time.
func TestStreamsEndWithLogins(t *testing.T) {
	by := access.By{Actor: "ann", At: noon}
	r := newRig(t)
	_, session, p := r.login(t, access.User{Name: "eve", Role: access.Viewer})
	token, _, err := r.accounts.AddToken(t.Context(), access.Token{Name: "ci", Role: access.Viewer}, by)
	if err != nil {
		t.Fatal(err)
	}
	r.real()
	s := r.served(t)
	left := follow(t, s, "/events", "Cookie", "tutti="+session.Reveal())
	removed := follow(t, s, "/events", "Authorization", "Bearer "+token.Reveal())
	if err := r.accounts.Logout(t.Context(), session.Reveal(), &p, access.Source{}); err != nil {
		t.Fatal(err)
	}
	left.end()
	if err := r.store.Access().RemoveToken(t.Context(), "ci", by); err != nil {
		t.Fatal(err)
	}
	removed.end()

	r.gate, r.who = nil, access.Principal{Name: "short", Role: access.Viewer, Expires: noon.Add(10 * time.Millisecond)}
	follow(t, s, "/events").end()
}

// Rights that changed while a stream was being opened end it, too.
func TestStreamsAreOpenedWithRightsOfNow(t *testing.T) {
	r := newRig(t)
	by := access.By{Actor: "ann", At: noon}
	eve, err := r.store.Access().AddUser(t.Context(), access.User{Name: "eve", Role: access.Viewer, Scope: "web"}, by)
	if err != nil {
		t.Fatal(err)
	}
	r.who = access.Principal{Name: "eve", Via: access.ViaProxy, User: eve.ID, Role: access.Viewer} // as before she got a scope
	follow(t, r.served(t), "/events").end()
}

// login adds a user and logs it in.
func (r *rig) login(t *testing.T, u access.User) (access.User, access.Secret, access.Principal) {
	t.Helper()
	const password = "correct horse battery"
	by := access.By{Actor: "ann", At: noon}
	u, err := r.store.Access().AddUser(t.Context(), u, by)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.accounts.SetPassword(t.Context(), u.Name, []byte(password), by); err != nil {
		t.Fatal(err)
	}
	session, p, err := r.accounts.Login(t.Context(), u.Name, []byte(password), access.Source{})
	if err != nil {
		t.Fatal(err)
	}
	return u, session, p
}

// waiting submits a run that nothing executes, and returns its number.
func (r *rig) waiting(t *testing.T) string {
	t.Helper()
	run := started(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"true"}`))
	return strconv.FormatInt(run.Run.Run, 10)
}

// Summaries have only what who asks may see: of a run its hosts, and the jobs that would
// run on such.
func TestHistoryEvents(t *testing.T) {
	r := newRig(t)
	s := r.served(t)
	all := follow(t, s, "/events")
	r.who = access.Principal{Name: "eve", Role: access.Viewer, Scopes: []string{"web1"}}
	some := follow(t, s, "/events?topics=run,job")
	r.who = access.Principal{Name: "ci", Role: access.Viewer, Jobs: []string{"sweep"}}
	one := follow(t, s, "/events")

	r.record(t, store.RunInfo{User: "ann"}, func(host string) string { return host + "\n" })
	all.until("event: run_started")
	if data := all.until("data: "); !strings.Contains(data, `"hosts":3`) || strings.Contains(data, "hidden") {
		t.Errorf("got %s", data)
	}
	some.until("event: run_started")
	if data := some.until("data: "); !strings.Contains(data, `"hosts":1,"hidden":2`) {
		t.Errorf("got %s", data)
	}
	some.until("event: run_ended")
	if data := some.until("data: "); !strings.Contains(data, `"hosts":1,"hidden":2`) {
		t.Errorf("got %s", data)
	}

	r.who = access.Principal{Name: "ann", Role: access.Admin}
	r.add(t, "dump", func(j *scheduler.Job) { j.Selector = "db1" })
	r.add(t, "sweep", nil)
	for name, f := range map[string]*following{"the scope": some, "the token": one} {
		f.until("event: job_changed")
		if data := f.until("data: "); !strings.Contains(data, `"job":"sweep"`) {
			t.Errorf("%s: got %s", name, data)
		}
	}
	if w := r.ask(t, "DELETE", "/jobs/sweep", "", "If-Match", `"1"`); w.Code != http.StatusNoContent {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	for name, f := range map[string]*following{"the scope": some, "the token": one} {
		f.until("event: job_removed")
		if data := f.until("data: "); !strings.Contains(data, `"job":"sweep"`) {
			t.Errorf("%s: got %s", name, data)
		}
	}
}
