package daemon_test

import (
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tutti/access"
	"tutti/daemon"
	"tutti/server"
)

// A browser looks at the pages of a daemon, as a browser without JavaScript does.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
	// skipped is how far the clock of the daemon is ahead: a second for each request, so
	// that no test asks too often, however fast the machine is.
	skipped atomic.Int64
}

// do asks for a page, follows where it leads, and returns the status, the address and the
// text.
func (b *browser) do(method, path string, form url.Values, header ...string) (status int, at, text string) {
	b.t.Helper()
	b.skipped.Add(int64(time.Second))
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, answer.Request.URL.RequestURI(), string(data)
}

// newBrowser is a browser before a daemon whose console is served on loopback.
func newBrowser(t *testing.T) (*browser, *rig) {
	t.Helper()
	return newBrowserBelow(t, "")
}

// newBrowserBelow is one before a daemon whose pages are below a path.
func newBrowserBelow(t *testing.T, prefix string) (*browser, *rig) {
	t.Helper()
	r := newRig(t, said)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, base: "http://" + l.Addr().String()}
	now := func() time.Time { return time.Now().Add(time.Duration(b.skipped.Load())) }
	run := r.start(t, daemon.Config{Now: now, StopTimeout: time.Minute, Lanes: 4, BasePath: prefix, Endpoints: []*server.Endpoint{{Listener: l, Prefix: prefix}}})
	t.Cleanup(func() {
		run.stop()
		run.wait(t)
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.http = &http.Client{Jar: jar, Timeout: time.Minute}
	return b, r
}

// link adds a user and returns the path of its login link.
func (r *rig) link(t *testing.T, name string, role access.Role) string {
	t.Helper()
	gate := &access.Gate{Store: r.store.Access(), Now: time.Now, Random: rand.Reader}
	by := access.By{Actor: "test", At: time.Now()}
	u, err := gate.AddUser(t.Context(), access.User{Name: name, Role: role}, by)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := gate.NewLink(t.Context(), &u, by)
	if err != nil {
		t.Fatal(err)
	}
	return "/login/" + secret.Reveal()
}

// Somebody without an account gets one, logs in, runs a command, reads what it wrote, runs
// it again, and logs out: by forms only.
func TestConsole(t *testing.T) {
	b, r := newBrowser(t)
	if _, at, text := b.do("GET", "/", nil); at != "/runs" || !strings.Contains(text, "Nobody can log in yet") {
		t.Fatalf("the first visit: at %s: %s", at, text)
	}
	link := r.link(t, "ann", access.Operator)
	if status, _, text := b.do("POST", link, url.Values{"password": {"short"}}); status != 422 || !strings.Contains(text, "at least 12") {
		t.Fatalf("a short password: %d %s", status, text)
	}
	if _, at, text := b.do("POST", link, url.Values{"password": {"correct horse battery"}}); at != "/runs" || !strings.Contains(text, "No run yet") {
		t.Fatalf("the link: at %s: %s", at, text)
	}
	if status, _, text := b.do("GET", "/runs/7", nil); status != 404 || !strings.Contains(text, "<h1>") {
		t.Fatalf("no such run: %d %s", status, text)
	}
	form := url.Values{"selector": {"web"}, "command": {"fail <b>oh</b>"}, "key": {"k1"}, "do": {"run"}}
	_, at, _ := b.do("POST", "/runs/new", form)
	if _, again, _ := b.do("POST", "/runs/new", form); at != "/runs/1" || again != at {
		t.Fatalf("a double click led to %s and %s", at, again)
	}
	await(t, "the run ends", func() bool { return r.run(t, "1").State.Ended() })
	_, _, text := b.do("GET", "/runs/1", nil)
	for _, want := range []string{"exit 3", "&lt;b&gt;oh&lt;/b&gt;", "/runs/1/rerun", `<code class="hosts">web</code>`} {
		if !strings.Contains(text, want) {
			t.Errorf("the run: %q is missing in %s", want, text)
		}
	}
	if _, _, text := b.do("GET", "/runs/1/hosts/web", nil); !strings.Contains(text, `<li id="L1">&lt;b&gt;oh&lt;/b&gt;</li>`) {
		t.Errorf("the output: %s", text)
	}
	if _, at, text = b.do("POST", "/runs/1/rerun", url.Values{"outcome": {"failed"}, "key": {"k2"}}); at != "/runs/2" {
		t.Fatalf("again: at %s: %s", at, text)
	}
	await(t, "the run ends", func() bool { return r.run(t, "2").State.Ended() })
	if _, _, text := b.do("GET", "/runs/2/diff?with=1", nil); !strings.Contains(text, "the same") {
		t.Errorf("the comparison: %s", text)
	}
	if status, _, text := b.do("POST", "/runs/2/rerun", url.Values{"all": {"1"}}, "Sec-Fetch-Site", "cross-site"); status != 403 || !strings.Contains(text, "<h1>") {
		t.Errorf("another site's form: %d %s", status, text)
	}
	if _, at, _ := b.do("POST", "/logout", url.Values{}); at != "/login" {
		t.Errorf("logging out led to %s", at)
	}
	if status, _, _ := b.do("GET", "/runs", nil); status != 401 {
		t.Errorf("after logging out /runs is %d", status)
	}
}
