package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/api"
	"tutti/internal/fault"
)

// A transport answers in place of a network.
type transport func(r *http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// newClient is a client with a token whose requests are answered by answer.
func newClient(tb testing.TB, answer transport) *Client {
	tb.Helper()
	a, err := ParseAddress("https://ops.example", false)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := New(Config{Address: a, Token: "tutti_secret", Version: "1.0"})
	if err != nil {
		tb.Fatal(err)
	}
	c.http.Transport, c.streams.Transport = answer, answer
	return c
}

// reply is an answer of a tutti server.
func reply(status int, media, body string, header ...string) *http.Response {
	r := &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	r.Header.Set("Tutti-Version", "1.0")
	r.Header.Set("Content-Type", media)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func problem(status int, name, rest string, header ...string) *http.Response {
	return reply(status, "application/problem+json", `{"type":"/problems/`+name+`","title":"T","status":1,"request":"r7"`+rest+`}`, header...)
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name     string
		response *http.Response
		want     string
		hint     string
		code     string
	}{
		{"who asks", problem(401, "not-known", ""), "T", "", AdviceLogin},
		{"role", problem(403, "role", `,"detail":"that takes the role editor","hint":"ask an admin"`), "T: that takes the role editor", "ask an admin", ""},
		{"places", problem(422, "invalid", `,"errors":[{"pointer":"/a","message":"is wrong"},{"parameter":"limit","message":"is large"}]`), "T: /a is wrong; limit is large", "", ""},
		{"places that were named", problem(403, "local-only", `,"detail":"script names what acts on it","errors":[{"pointer":"/script","message":"is only for the machine of the daemon"}]`), "T: script names what acts on it", "", ""},
		{"ours", problem(500, "internal", ""), "T (request r7 in the log of the server)", "", ""},
		{"another version", problem(404, "not-found", "", "Tutti-Version", "2.0"), "T", "", AdviceVersions},
		{"no problem", reply(404, "text/html", "<script>"), "the server answered Not Found", "", ""},
		{"hostile", problem(422, "invalid", `,"detail":"a\u001b[2Jb\n\u202ec","hint":"\u001b]0;x\u0007"`), `T: a^[[2Jb \u202ec`, `^[]0;x^G`, ""},
		{"endless", problem(422, "invalid", `,"detail":"`+strings.Repeat("x", 100_000)+`"`), "", "", ""},
	} {
		c := newClient(t, func(*http.Request) (*http.Response, error) { return tt.response, nil })
		_, err := c.Session(t.Context())
		refused, ok := errors.AsType[*ProblemError](err)
		if !ok {
			t.Errorf("%s: got %v", tt.name, err)
			continue
		}
		if code, _ := refused.Advice(); code != tt.code || refused.Hint() != tt.hint || tt.want != "" && refused.Error() != tt.want || len(refused.Error()) > 2*maxText {
			t.Errorf("%s: got %q, hint %q, code %q\nwant %q, hint %q, code %q", tt.name, refused, refused.Hint(), code, tt.want, tt.hint, tt.code)
		}
	}
}

// An answer that is not from a tutti server is an error without control characters.
func TestOtherServers(t *testing.T) {
	other := reply(200, "text/html", "hello")
	other.Header.Del("Tutti-Version")
	elsewhere := reply(302, "", "", "Location", "https://evil.example/\x1b/login?token=x")
	for _, tt := range []struct {
		name     string
		response *http.Response
		want     string
	}{
		{"no tutti", other, "https://ops.example is not a tutti server"},
		{"elsewhere", elsewhere, "not"},
		{"not JSON", reply(200, "application/json", "<html>"), "is not understood: invalid character '<'"},
		{"another type", reply(200, "application/json", `{"role":[]}`), "is not understood"},
	} {
		c := newClient(t, func(*http.Request) (*http.Response, error) { return tt.response, nil })
		if _, err := c.Session(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A redirect is not followed: the token goes nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer tutti_secret" || !strings.HasPrefix(r.UserAgent(), "tutti/1.0 (") {
			t.Errorf("got %v", r.Header)
		}
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	a, err := ParseAddress(server.URL, false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Address: a, Token: "tutti_secret", Version: "1.0"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Session(t.Context())
	if err == nil || !strings.Contains(err.Error(), "redirects to "+other.URL) || elsewhere != 0 {
		t.Errorf("got %v, and %d requests elsewhere", err, elsewhere)
	}
}

// A busy server is asked again when it says so, for a bounded time.
func TestBusyServers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header []string
		busy   int // how often
		took   time.Duration
		fails  bool
	}{
		{"as it says", []string{"Retry-After", "7"}, 2, 14 * time.Second, false},
		{"as it does not say", nil, 3, 3500 * time.Millisecond, false},
		{"for ever", []string{"Retry-After", "1"}, 1000, 5 * time.Second, true},
		{"too long", []string{"Retry-After", "3600"}, 1, 0, true},
		{"nonsense", []string{"Retry-After", "-7"}, 1, 500 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := tt.busy
				c := newClient(t, func(*http.Request) (*http.Response, error) {
					if left--; left >= 0 {
						return problem(503, "history-busy", "", tt.header...), nil
					}
					return reply(200, "application/json", `{"name":"ann"}`), nil
				})
				began := time.Now()
				s, err := c.Session(t.Context())
				if took := time.Since(began); took != tt.took || (err != nil) != tt.fails || err == nil && s.Name != "ann" {
					t.Errorf("got %v, %v after %s, want %s", s.Name, err, took, tt.took)
				}
			})
		})
	}
}

// What starts work is sent again with the same key where the connection was cut, and
// what changes something without one is not.
func TestCutConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys, bodies []string
		c := newClient(t, func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, string(body))
			switch len(keys) {
			case 1:
				return nil, io.ErrUnexpectedEOF
			case 2:
				whole := reply(201, "application/json", "")
				whole.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"na`), broken{}))
				return whole, nil
			}
			return reply(201, "application/json", `{"name":"ann"}`), nil
		})
		var s api.Session
		err := c.send(t.Context(), http.MethodPost, map[string]string{"a": "b"}, &s, "runs")
		if err != nil || s.Name != "ann" || len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[0] != keys[2] || bodies[2] != `{"a":"b"}` {
			t.Errorf("got %v, %v, keys %q, bodies %q", s.Name, err, keys, bodies)
		}
		sent := 0
		c = newClient(t, func(*http.Request) (*http.Response, error) {
			sent++
			return nil, io.EOF
		})
		if err := c.Accounts().RemoveToken(t.Context(), "ci"); err == nil || sent != 1 {
			t.Errorf("got %v after %d requests, want one", err, sent)
		}
	})
}

// broken is a connection that is cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// endless goes on for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

func TestHugeAnswers(t *testing.T) {
	c := newClient(t, func(*http.Request) (*http.Response, error) {
		r := reply(200, "application/json", "")
		r.Body = io.NopCloser(endless{})
		return r, nil
	})
	if _, err := c.Session(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("got %v", err)
	}
}

// A list that never ends is not read for ever.
func TestEndlessLists(t *testing.T) {
	asked := 0
	c := newClient(t, func(*http.Request) (*http.Response, error) {
		asked++
		return reply(200, "application/json", `{"items":[],"next":"more"}`), nil
	})
	if _, err := c.Hosts(t.Context(), ""); err == nil || asked > mostPages {
		t.Errorf("got %v after %d pages", err, asked)
	}
}

func TestNamesInPaths(t *testing.T) {
	var got string
	c := newClient(t, func(r *http.Request) (*http.Response, error) {
		got = r.URL.EscapedPath()
		return reply(200, "application/json", `{}`), nil
	})
	if err := c.get(t.Context(), nil, nil, "jobs", "a/b ?%#"); err != nil || got != "/api/v1/jobs/a%2Fb%20%3F%25%23" {
		t.Errorf("got %s, %v", got, err)
	}
	for _, name := range []string{"", ".", ".."} {
		if err := c.get(t.Context(), nil, nil, "jobs", name); !errors.As(err, new(*fault.UsageError)) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Tutti-Version", "1.0")
		_ = json.NewEncoder(w).Encode(api.Session{Name: "ann"})
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	ca, noCA := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "none.pem")
	if err := errors.Join(os.WriteFile(ca, pemOf(server), 0o600), os.WriteFile(noCA, []byte("no"), 0o600)); err != nil {
		t.Fatal(err)
	}
	plain := strings.Replace(server.URL, "https://", "http://", 1)
	for _, tt := range []struct{ url, ca, code string }{
		{server.URL, "", AdviceAuthority},
		{server.URL, ca, ""},
		{strings.Replace(server.URL, "127.0.0.1", "localhost", 1), ca, AdviceCertName},
		{plain, "", AdviceNotTutti},
		{"https://127.0.0.1:1", "", AdviceRefused},
		{"unix:///nowhere/api.sock", "", AdviceSocket},
	} {
		a, err := ParseAddress(tt.url, false)
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(Config{Address: a, CA: tt.ca})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Session(t.Context())
		c.Close()
		code := ""
		var adviser fault.Adviser
		if errors.As(err, &adviser) {
			code, _ = adviser.Advice()
		}
		if code != tt.code || (err == nil) != (tt.code == "") {
			t.Errorf("%s: got %v (%s), want %s", tt.url, err, code, tt.code)
		}
	}
	a, _ := ParseAddress(server.URL, false)
	if _, err := New(Config{Address: a, CA: noCA}); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("got %v", err)
	}
}
