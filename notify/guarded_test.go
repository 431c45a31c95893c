package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"tutti/internal/outgoing"
	"tutti/scheduler"
)

// guardFor lets the server be reached, although it is on this machine.
func guardFor(tb testing.TB, s *httptest.Server) *Guard {
	tb.Helper()
	g := &Guard{Secret: func(by string) ([]byte, error) { return []byte(canary + by), nil }}
	g.Dialer.Policy = outgoing.Policy{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{portOf(tb, s.URL)}}
	return g
}

func portOf(tb testing.TB, text string) uint16 {
	tb.Helper()
	u, err := url.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		tb.Fatal(err)
	}
	return uint16(port)
}

// sendGuarded makes one attempt at a webhook of ann, who is no admin.
func sendGuarded(tb testing.TB, g *Guard, url string) error {
	tb.Helper()
	w := newWebhooks(nil, "1.2.3", time.Now)
	w.guarded = newGuarded(g)
	defer w.close()
	d := delivery(url, "")
	d.Notify.WebhookBy = "user:3"
	return w.send(tb.Context(), d)
}

// A receiver can verify what is signed with the secret of the user that set the webhook.
func TestGuardedIsSigned(t *testing.T) {
	var got *http.Request
	var body []byte
	s := receive(t, &got, &body)
	before := time.Now().Unix()
	if err := sendGuarded(t, guardFor(t, s), s.URL+"/hook"); err != nil {
		t.Fatal(err)
	}
	stamp, mac, ok := strings.Cut(strings.TrimPrefix(got.Header.Get("Tutti-Signature"), "t="), ",v1=")
	if sent, err := strconv.ParseInt(stamp, 10, 64); !ok || err != nil || sent < before || sent > time.Now().Unix() {
		t.Errorf("got the signature %q, want t=NOW,v1=…", got.Header.Get("Tutti-Signature"))
	}
	want := hmac.New(sha256.New, []byte(canary+"user:3"))
	want.Write([]byte(stamp + "." + string(body)))
	if mac != hex.EncodeToString(want.Sum(nil)) {
		t.Errorf("got the MAC %q of %s", mac, body)
	}
	if got.Header.Get("X-Tutti-Signature") != "" || got.Header.Get("X-Tutti-Event") != "failure" {
		t.Errorf("got the headers %v", got.Header)
	}
}

// The environment's proxy is for webhooks of admins only.
func TestGuardedUsesNoProxy(t *testing.T) {
	proxied := false
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied = true }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	g := &Guard{Secret: func(string) ([]byte, error) { return []byte("x"), nil }}
	var dialled string
	g.Dialer = outgoing.Dialer{
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
		},
		Dial: func(_ context.Context, at netip.AddrPort) (net.Conn, error) {
			dialled = at.String()
			return nil, errors.New(canary)
		},
	}
	err := sendGuarded(t, g, "http://hooks.example/")
	if proxied || dialled != "93.184.215.14:80" || err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v, dialled %q, by the proxy: %t", err, dialled, proxied)
	}
}

func TestGuardedRefuses(t *testing.T) {
	reached := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer s.Close()
	here := guardFor(t, s)
	elsewhere := guardFor(t, s)
	elsewhere.Dialer.Policy.Networks = nil
	ports := guardFor(t, s)
	ports.Dialer.Policy.Ports = nil
	keyless := guardFor(t, s)
	keyless.Secret = func(string) ([]byte, error) { return nil, errors.New("no such file") }
	for _, tt := range []struct {
		name  string
		guard *Guard
		url   string
		want  string
		final bool
	}{
		{"this machine", elsewhere, s.URL, "loopback", true},
		{"this machine by name", elsewhere, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), "loopback", true},
		{"port", ports, s.URL, "is not allowed: want 80, 443", true},
		{"credentials", here, strings.Replace(s.URL, "http://", "http://ann:"+canary+"@", 1), "credentials", true},
		{"metadata", here, "http://169.254.169.254/", "link-local", true},
		{"no guard", nil, s.URL, "not an admin", false},
		{"no key", keyless, s.URL, "read the key that signs", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := sendGuarded(t, tt.guard, tt.url)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			now := time.Now()
			if again := (sending{scheduler.Delivery{Attempt: 1, Message: scheduler.Message{Time: now}, Notify: scheduler.Notify{Webhook: tt.url}}, err}).again(now); again.IsZero() != tt.final {
				t.Errorf("again at %s, want final=%t", again, tt.final)
			}
		})
	}
	if reached {
		t.Error("the server was reached")
	}
}

// The answer may come from a service that the user who set the webhook must not read: the
// error has nothing of it.
func TestGuardedTellsNothingOfAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		scheme       string
		want         string
	}{
		{"garbage", canary + "\r\n\r\n", "http", "the answer is not HTTP"},
		{"no TLS", canary + "\r\n\r\n", "https", "TLS failed"},
		{"odd status", "HTTP/1.1 " + canary + "\r\n\r\n", "http", "the answer is not HTTP"},
		{"status text", "HTTP/1.1 403 " + canary + "\r\nContent-Length: 0\r\n\r\n", "http", "403 Forbidden"},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: http://" + canary + "/\r\nContent-Length: 0\r\n\r\n", "http", "302 Found: redirects are not followed"},
		{"nothing", "", "http", "the answer is not HTTP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			s.Close()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() //nolint:errcheck // the test is over
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 1<<10))  // the client may go
				_, _ = io.WriteString(c, tt.answer) // as above
				_ = c.(*net.TCPConn).CloseWrite()   // as above
				_, _ = io.Copy(io.Discard, c)       // as above
				_ = c.Close()                       // as above
			}()
			url := tt.scheme + "://" + l.Addr().String()
			g := guardFor(t, s)
			g.Dialer.Policy.Ports = []uint16{portOf(t, url)}
			err = sendGuarded(t, g, url+"/"+canary)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
