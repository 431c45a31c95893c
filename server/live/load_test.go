package live

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// clients is how many clients follow the run of TestLoad, and silent how many more never
// read their answers. Further ones come, read a little and go while the run goes on.
var (
	clients  = flag.Int("clients", 80, "how many clients look at the run of TestLoad")
	silent   = flag.Int("silent", 20, "how many clients of TestLoad read nothing")
	restless = flag.Int("restless", 100, "how many clients of TestLoad come and go, one after the other")
)

// hosts is how many the run of TestLoad is on, and visitors how many of the restless are
// there at once.
const (
	hosts    = 500
	visitors = 4
)

// TestLoad: many clients, some of which read nothing, neither slow a run down nor miss how
// it ended, and leave nothing behind.
func TestLoad(t *testing.T) {
	before := runtime.NumGoroutine()
	r := newRig(t)
	var principal int
	var mu sync.Mutex
	r.Principal = func(*http.Request) string {
		mu.Lock()
		defer mu.Unlock()
		principal++
		return fmt.Sprint(principal)
	}

	m := r.begin(hosts, true)
	// Half of them watch all hosts, and half one that floods.
	path := func(i int) string {
		return fmt.Sprintf("/runs/%d/events%s", m.recorder.RunID(), []string{"", "?output=tail&hosts=web00000"}[i%2])
	}
	var idle []net.Conn
	for i := range *silent {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path(i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
	defer stop()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	begun := make(chan struct{}, *clients)
	for i := range *clients {
		wg.Go(func() { checkEnd(ctx, t, client, r.server.URL+path(i), []int{hosts, 1}[i%2], begun) })
	}
	for range *clients {
		<-begun
	}
	visits := make(chan int)
	for range visitors {
		wg.Go(func() {
			for i := range visits {
				visit(ctx, t, client, r.server.URL+path(i))
			}
		})
	}
	flood := strings.Repeat("the same line again and again\n", 1000)
	rng := rand.New(rand.NewPCG(1, 1))
	size := 0
	t0 := &m.plan.Targets[0]
	m.emit(fanout.Event{Kind: fanout.TargetStarted, Target: t0, Attempt: 1})
	for i := 1; i < hosts; i++ {
		for n := (i - 1) * *restless / (hosts - 1); n < i**restless/(hosts-1); n++ {
			visits <- n
		}
		m.emit(fanout.Event{Kind: fanout.TargetStarted, Target: &m.plan.Targets[i], Attempt: 1})
		m.say(0, flood)
		size += len(flood)
		m.end(i, uint32(rng.IntN(2)), 0)
	}
	close(visits)
	m.end(0, 0, size)
	m.finish()
	wg.Wait()
	for _, conn := range idle {
		_ = conn.Close()
	}
	client.CloseIdleConnections()
	r.Close()
	r.server.Close()
	r.Hubs.Close()
	for deadline := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before+2; { // those of the history and the test
		if time.Now().After(deadline) {
			stack := make([]byte, 1<<20)
			t.Fatalf("got %d goroutines, want the %d there were:\n%s", runtime.NumGoroutine(), before, stack[:runtime.Stack(stack, true)])
		}
		runtime.Gosched()
	}
}

// visit reads the first states of a stream, and goes.
func visit(ctx context.Context, t *testing.T, client *http.Client, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == "event: snapshot" {
			return
		}
	}
	t.Errorf("a stream ended without a snapshot: %v", lines.Err())
}

// checkEnd reads a stream to its end, and checks that it has how all hosts ended.
func checkEnd(ctx context.Context, t *testing.T, client *http.Client, url string, want int, begun chan<- struct{}) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := client.Do(req)
	begun <- struct{}{}
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	e := (&rig{TB: t}).reader(resp)
	p := &picture{}
	for {
		name, data := e.next()
		switch name {
		case "snapshot", "delta":
			p.show(t, []byte(data))
		case "end":
			if p.Counts["ok"]+p.Counts["failed"] != want || len(p.rows) != want {
				t.Errorf("got %v at the end", p.Counts)
			}
			return
		case "":
			t.Errorf("the stream ended without its end: %v", e.lines.Err())
			return
		}
	}
}

// A stalled client has sent its request, and reads nothing.
type stalled struct {
	header   http.Header
	deadline time.Time
}

func (s *stalled) Header() http.Header                 { return s.header }
func (s *stalled) WriteHeader(int)                     {}
func (s *stalled) SetWriteDeadline(at time.Time) error { s.deadline = at; return nil }

func (s *stalled) Write([]byte) (int, error) {
	time.Sleep(time.Until(s.deadline)) // of the test's clock
	return 0, os.ErrDeadlineExceeded
}

// A client that does not read is cut off.
func TestStalledClientIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubs := &Hubs{}
		started(t, hubs, 1, 3)
		s := &Streams{Hubs: hubs}
		began := time.Now()
		s.Run(&stalled{header: http.Header{}}, httptest.NewRequest(http.MethodGet, "/", nil), store.Run{ID: 1}, nil)
		if took := time.Since(began); took != writeLimit {
			t.Errorf("it was cut off after %s, want %s", took, writeLimit)
		}
		if len(s.open) != 0 || s.all != 0 {
			t.Errorf("got %d streams, want none", s.all)
		}
	})
}

// A silent run sends a comment from time to time.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubs := &Hubs{}
		started(t, hubs, 1, 3)
		s := &Streams{Hubs: hubs}
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Second)
		defer stop()
		w := httptest.NewRecorder()
		s.Run(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), store.Run{ID: 1}, nil)
		if n := strings.Count(w.Body.String(), "\n:\n"); n != 3 {
			t.Errorf("got %d comments, want 3", n)
		}
	})
}

// A run that is over is found for a while, and not kept for ever.
func TestHubsForgetRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubs := &Hubs{}
		h, _ := started(t, hubs, 7, 1)
		send(t, h, fanout.Event{Kind: fanout.RunFinished, Summary: &fanout.Summary{}})
		time.Sleep(grace - time.Second)
		known := func() (n int) {
			hubs.mu.Lock()
			defer hubs.mu.Unlock()
			return len(hubs.runs) + len(hubs.timers)
		}
		if n := known(); n != 2 {
			t.Errorf("got %d, want the run and its timer", n)
		}
		time.Sleep(2 * time.Second)
		if n := known(); n != 0 {
			t.Errorf("got %d, want nothing", n)
		}
	})
}
