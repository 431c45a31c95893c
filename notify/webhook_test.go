package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tutti/scheduler"
)

const canary = "canary-that-must-not-leak"

// delivery is one to a webhook, signed if there is a secret.
func delivery(url, secretFile string) scheduler.Delivery {
	return scheduler.Delivery{
		ID: 7, Attempt: 1,
		Notify:  scheduler.Notify{Webhook: url, SecretFile: secretFile},
		Message: scheduler.Message{ID: 3, Schema: 1, Type: "failure", Job: "nightly", Machine: "here", Run: 12, Counts: map[string]int{"failed": 2}},
	}
}

// secretFile is a file with a key.
func secretFile(tb testing.TB, text string, mode os.FileMode) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		tb.Fatal(err)
	}
	return path
}

// send makes one attempt by way of the network.
func send(tb testing.TB, d scheduler.Delivery) error {
	tb.Helper()
	w := newWebhooks(nil, "1.2.3", time.Now)
	defer w.close()
	return w.send(tb.Context(), d)
}

// receive is a receiver that keeps what it got last.
func receive(tb testing.TB, got **http.Request, body *[]byte) *httptest.Server {
	tb.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		*got = r
		*body, _ = io.ReadAll(r.Body)
	}))
	tb.Cleanup(s.Close)
	return s
}

func TestWebhookRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	s := receive(t, &got, &body)
	before := time.Now().Unix()
	d := delivery(s.URL+"/hook?x=1", secretFile(t, canary+"\n", 0o600))
	if err := send(t, d); err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.RequestURI != "/hook?x=1" {
		t.Errorf("got %s %s", got.Method, got.RequestURI)
	}
	for name, want := range map[string]string{
		"Content-Type":     "application/json",
		"User-Agent":       "tutti/1.2.3",
		"X-Tutti-Event":    "failure",
		"X-Tutti-Delivery": "7",
	} {
		if g := got.Header.Get(name); g != want {
			t.Errorf("%s: got %q, want %q", name, g, want)
		}
	}
	var m scheduler.Message
	if err := json.Unmarshal(body, &m); err != nil || m.Job != "nightly" || m.Run != 12 || m.Counts["failed"] != 2 {
		t.Errorf("got the body %s (%v)", body, err)
	}
	stamp := got.Header.Get("X-Tutti-Timestamp")
	if sent, err := strconv.ParseInt(stamp, 10, 64); err != nil || sent < before || sent > time.Now().Unix() {
		t.Errorf("got the timestamp %q, want now", stamp)
	}
	mac := hmac.New(sha256.New, []byte(canary))
	mac.Write([]byte(stamp + "." + string(body)))
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); got.Header.Get("X-Tutti-Signature") != want {
		t.Errorf("got the signature %q, want %q", got.Header.Get("X-Tutti-Signature"), want)
	}
}

func TestWebhookWithoutSecret(t *testing.T) {
	signed := true
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, signed = r.Header["X-Tutti-Signature"] }))
	defer s.Close()
	if err := send(t, delivery(s.URL, "")); err != nil || signed {
		t.Errorf("got %v and signed=%v, want it unsigned", err, signed)
	}
}

func TestWebhookAnswers(t *testing.T) {
	tests := []struct {
		status  int
		after   string
		want    string // of the error; empty: it arrived
		final   bool
		waiting time.Duration
	}{
		{status: 200},
		{status: 202},
		{status: 204},
		{status: 301, want: "301 Moved Permanently: redirects are not followed", final: true},
		{status: 307, want: "307 Temporary Redirect", final: true},
		{status: 400, want: "400 Bad Request", final: true},
		{status: 401, want: "401 Unauthorized", final: true},
		{status: 410, want: "410 Gone", final: true},
		{status: 408, want: "408 Request Timeout"},
		{status: 425, want: "425 Too Early"},
		{status: 429, after: "70", want: "429 Too Many Requests", waiting: 70 * time.Second},
		{status: 500, want: "500 Internal Server Error"},
		{status: 503, after: "30", want: "503 Service Unavailable", waiting: 30 * time.Second},
		{status: 599, want: "599 (not an HTTP status)"},
	}
	for _, tt := range tests {
		t.Run(strconv.Itoa(tt.status), func(t *testing.T) {
			followed := false
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/other" {
					followed = true
					return
				}
				w.Header().Set("Retry-After", tt.after)
				w.Header().Set("Location", "/other?"+canary)
				w.WriteHeader(tt.status)
			}))
			defer s.Close()
			err := send(t, delivery(s.URL+"/?"+canary, ""))
			if followed {
				t.Error("it followed a redirect")
			}
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
				t.Fatalf("got the error %v, want %s", err, tt.want)
			}
			now := time.Now()
			again := sending{delivery(s.URL, ""), err}.again(now)
			if again.IsZero() != tt.final {
				t.Errorf("again at %s, want final=%v", again, tt.final)
			}
			if !tt.final && again.Sub(now) < tt.waiting {
				t.Errorf("again after %s, want %s at least", again.Sub(now), tt.waiting)
			}
		})
	}
}

// The answer of a receiver is not read to its end, which may never come.
func TestWebhookEndlessAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 4<<10)
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	if err := send(t, delivery(s.URL, "")); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

// Whatever goes wrong, neither the key nor what stands behind the host in the
// URL is in the error.
func TestWebhookErrorsKeepSecrets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = c.Write([]byte("\x1b[31mno HTTP\r\n\r\n"))
		_ = c.Close() // all was written that matters
	}))
	defer garbage.Close()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	good := secretFile(t, canary, 0o600)
	tests := []struct {
		name, url, secret string
		want              string
	}{
		{"not listening", closed, good, strings.TrimPrefix(closed, "http://") + ": connect: connection refused"},
		{"no HTTP", garbage.URL, good, "malformed HTTP"},
		{"no TLS", strings.Replace(garbage.URL, "http:", "https:", 1), good, "127.0.0.1"},
		{"no URL", "http://[::1", good, "not a URL"},
		{"no such key", closed, filepath.Join(t.TempDir(), "none"), "no such file"},
		{"key for others", closed, secretFile(t, canary, 0o640), "other users can read"},
		{"empty key", closed, secretFile(t, "\n", 0o600), "is empty"},
		{"long key", closed, secretFile(t, strings.Repeat(canary, 1000), 0o600), "more than"},
		{"key in a pipe", closed, fifo, "is not a file"},
		{"key in a directory", closed, t.TempDir(), "is not a file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := send(t, delivery(tt.url+"/"+canary+"?"+canary, tt.secret))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("the error says too much: %q", err)
			}
		})
	}
}

// A receiver that takes the message and says nothing is cut off with the reason
// of the context.
func TestWebhookCutOff(t *testing.T) {
	asked := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(asked)
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-asked
		cancel(errStopping)
	}()
	w := newWebhooks(nil, "", time.Now)
	defer w.close()
	err := w.send(ctx, delivery(s.URL, ""))
	if err == nil || !strings.Contains(err.Error(), errStopping.Error()) {
		t.Errorf("got %v, want %v", err, errStopping)
	}
}
