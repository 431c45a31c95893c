package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask asks a handler for a page.
func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestPages(t *testing.T) {
	h := Pages{Metrics: NewMetrics("", jobsOf()), Silence: time.Hour}.Handler()
	tests := []struct {
		method, path string
		want         int
	}{
		{"GET", "/metrics", 200},
		{"HEAD", "/metrics", 200},
		{"POST", "/metrics", 405},
		{"GET", "/healthz", 200},
		{"HEAD", "/healthz", 200},
		{"DELETE", "/healthz", 405},
		{"GET", "/readyz", 200},
		{"PUT", "/readyz", 405},
		{"GET", "/", 404},
		{"GET", "/debug/pprof/", 404},
		{"GET", "/metrics/", 404},
	}
	for _, tt := range tests {
		w := ask(h, tt.method, tt.path)
		if w.Code != tt.want {
			t.Errorf("%s %s: got %d, want %d", tt.method, tt.path, w.Code, tt.want)
		}
		if allow := w.Header().Get("Allow"); tt.want == 405 && allow != "GET, HEAD" {
			t.Errorf("%s %s: allowed is %q", tt.method, tt.path, allow)
		}
	}
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken error
		asked := 0
		m := NewMetrics("", jobsOf())
		h := Pages{Metrics: m, Silence: 10 * time.Second, Ready: func(context.Context) error {
			asked++
			return broken
		}}.Handler()
		check := func(path string, code int, text string) {
			t.Helper()
			w := ask(h, "GET", path)
			if w.Code != code || w.Body.String() != text+"\n" {
				t.Errorf("%s: got %d %q, want %d %q", path, w.Code, w.Body, code, text)
			}
		}
		check("/healthz", 200, "ok")
		time.Sleep(11 * time.Second)
		check("/healthz", 503, "the scheduler has made no cycle for 11s")
		check("/readyz", 503, "the scheduler has made no cycle for 11s")
		time.Sleep(time.Second)
		m.Beat(time.Now().Add(-time.Hour)) // the wall clock was put back
		check("/healthz", 200, "ok")
		check("/readyz", 200, "ok")
		broken = errors.New("the history is full\x1b[31m")
		check("/readyz", 200, "ok") // within a second it is not asked again
		time.Sleep(time.Second)
		check("/readyz", 503, `the history is full^[[31m`)
		check("/healthz", 200, "ok")
		broken = nil
		time.Sleep(time.Second)
		m.Turned(map[string]error{"settle firings": errors.New("no space left"), "decide": errors.New("no space left")})
		check("/readyz", 503, "the scheduler cannot decide: no space left")
		check("/healthz", 200, "ok")
		time.Sleep(time.Second)
		m.Turned(nil)
		check("/readyz", 200, "ok")
		if asked != 3 {
			t.Errorf("it was asked %d times, want three times", asked)
		}
	})
}

// A history that hangs is reported, and requests in the meantime do not pile up on it.
func TestReadyHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics("", jobsOf())
		inside := 0
		h := Pages{Metrics: m, Silence: time.Hour, Ready: func(ctx context.Context) error {
			if inside++; inside > 1 {
				t.Error("two are asking at once")
			}
			defer func() { inside-- }()
			<-ctx.Done()
			return ctx.Err()
		}}.Handler()
		answers := make(chan *httptest.ResponseRecorder)
		for range 3 {
			go func() { answers <- ask(h, "GET", "/readyz") }()
		}
		for range 3 {
			if w := <-answers; w.Code != 503 || !strings.Contains(w.Body.String(), "did not answer") {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		}
	})
}

// A history that does not hear that it is given up delays no answer, and is asked no
// more while it hangs.
func TestReadyHangsAndDoesNotListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, inside := time.Now(), 0
		h := Pages{Metrics: NewMetrics("", jobsOf()), Silence: time.Hour, Ready: func(context.Context) error {
			if inside++; inside > 1 {
				t.Error("two are asking at once")
			}
			time.Sleep(25 * time.Second)
			inside--
			return nil
		}}.Handler()
		for i := range 4 {
			w := ask(h, "GET", "/readyz")
			if took := time.Since(began); w.Code != 503 || took != time.Duration(i+1)*checkLimit {
				t.Errorf("got %d %s after %s, want 503 within %s", w.Code, w.Body, took, checkLimit)
			}
		}
		h.Wait()
		if took := time.Since(began); took != 25*time.Second || inside != 0 {
			t.Errorf("Wait came back after %s, with %d still asking", took, inside)
		}
	})
}

// listen is a listener on loopback.
func listen(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func TestServe(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked, answer := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		_, _ = io.WriteString(w, "said")
	})
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, h, nil) }()
	body := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		text, _ := io.ReadAll(resp.Body) // it is compared
		_ = resp.Body.Close()            // it was read
		body <- string(text)
	}()
	<-asked
	cancel()
	close(answer)
	if got := <-body; got != "said" {
		t.Errorf("got %q, want the answer of before the end", got)
	}
	if err := <-served; err != nil {
		t.Errorf("got %v, want none", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it is still listening")
	}
}

// One who does not read the answer does not hold up the end.
func TestServeEnds(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, h, nil) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is over
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	cancel()
	if err := <-served; err != nil {
		t.Errorf("got %v, want none", err)
	}
}

func TestServeFails(t *testing.T) {
	l := listen(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), l, http.NotFoundHandler(), nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
}
