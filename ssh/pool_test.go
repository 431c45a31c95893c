package ssh

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// twins makes the bench's first endpoint that of n targets.
func twins(n int) func(*Options) {
	return func(o *Options) {
		for len(o.Endpoints) < n {
			o.Endpoints = append(o.Endpoints, o.Endpoints[0])
		}
	}
}

func (b *bench) twin(i int) fanout.Target {
	t := b.targets[0]
	t.Index = i
	return t
}

func TestReleasePassesConnectionOn(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, twins(3))
	for i := range 3 {
		execOn(t.Context(), b.Client, b.twin(i), "x").wantExit(t, fanout.Exit{})
		b.Release(b.twin(i))
	}
	if got := len(b.fleet.Conns()); got != 1 {
		t.Errorf("got %d connections for three targets in turn, want 1", got)
	}
	eventually(t, "the connection is closed after the last release", func() bool { return !b.fleet.Conns()[0].Closed.IsZero() })
	if len(b.live) != 0 || len(b.idle) != 0 || len(b.held) != 0 {
		t.Errorf("got %d live, %d idle, %d held, want none", len(b.live), len(b.idle), len(b.held))
	}
}

func TestConnectionServesOneCommandAtATime(t *testing.T) {
	started := make(chan struct{}, 2)
	let := make(chan struct{})
	wait := fleet.HandlerFunc(func(*fleet.Session) fleet.Exit {
		started <- struct{}{}
		<-let
		return fleet.Exit{}
	})
	b := newBench(t, []fleet.Host{{Name: "h", Exec: wait}}, twins(2))
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { execOn(t.Context(), b.Client, b.twin(i), "x") })
	}
	<-started
	<-started
	close(let)
	wg.Wait()
	if got := len(b.fleet.Conns()); got != 2 {
		t.Errorf("got %d connections for two commands at once, want 2", got)
	}
}

// TestStaleConnection: an idle connection that died, or that takes no more
// sessions, does not fail the next target.
func TestStaleConnection(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*bench)
	}{
		{"cut", func(b *bench) {
			b.fleet.Cut("h", fleet.Finish)
			eventually(t, "the cut is noticed", func() bool { return !b.held[0].alive() })
		}},
		{"reset, not noticed", func(b *bench) { b.fleet.Cut("h", fleet.Reset) }},
		{"closed by us", func(b *bench) { b.held[0].wire.abort() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
			if r := b.exec(t.Context(), 0, ""); r.Failure != nil || r.Started || r.starts != 0 || r.Outcome() != fanout.OK {
				t.Fatalf("got %+v after %d starts, want a login and nothing else", r.Report, r.starts)
			}
			tt.spoil(b)
			b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
			if got := len(b.fleet.Conns()); got != 2 {
				t.Errorf("got %d connections, want 2", got)
			}
		})
	}
}

func TestUsedUpConnectionIsReplaced(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{MaxSessions: 1}}}, nil)
	if r := b.exec(t.Context(), 0, ""); r.Failure != nil {
		t.Fatal(r.Failure.Message)
	}
	// Something else takes the only session of the connection.
	ch, requests, err := b.held[0].session(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ch.Close() }()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range requests { // until the connection is closed
		}
	})
	b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
	wg.Wait()
	if got := len(b.fleet.Conns()); got != 2 {
		t.Errorf("got %d connections, want 2", got)
	}
}

func TestStarting(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	run := func(ctx context.Context, starting func(context.Context, string) error) fanout.Report {
		a := fanout.Attempt{N: 1, Target: b.targets[0], Starting: starting}
		return b.Exec(ctx, a, fanout.Task{Action: fanout.Command("x")}, &sink{}, &sink{})
	}
	t.Run("fails", func(t *testing.T) {
		r := run(t.Context(), func(context.Context, string) error { return errors.New("disk full") })
		if r.Failure == nil || r.Failure.Op != fanout.OpLocal || !r.Failure.Final || r.Started || !strings.Contains(r.Failure.Message, "disk full") {
			t.Errorf("got %+v, failure %+v, want a final local failure that was not started", r, r.Failure)
		}
	})
	t.Run("stopped meanwhile", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		r := run(ctx, func(context.Context, string) error { cancel(fanout.ErrSignal); return nil })
		if r.Failure == nil || r.Failure.Op != fanout.OpCanceled || r.Started {
			t.Errorf("got %+v, failure %+v, want canceled before the start", r, r.Failure)
		}
	})
	for _, record := range b.fleet.Log() {
		if record.Command != "" {
			t.Errorf("the host was sent %q, want nothing", record.Command)
		}
	}
}

func TestUnknownTarget(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	r := execOn(t.Context(), b.Client, fanout.Target{Index: 7}, "x")
	r.wantOp(t, fanout.OpLocal, false)
	b.Release(fanout.Target{Index: -1})
}

func TestBadEndpoints(t *testing.T) {
	tests := []struct {
		name     string
		endpoint Endpoint
	}{
		{"no address", Endpoint{User: "u"}},
		{"no user", Endpoint{Address: "h"}},
		{"port", Endpoint{Address: "h", User: "u", Port: 70000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(t.Context(), Options{Endpoints: []Endpoint{tt.endpoint}}); err == nil {
				t.Error("got no error, want one")
			}
		})
	}
}

func TestSilentHostIsLost(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Exec: obey()}}, nil)
	b.interval = 60 * time.Millisecond
	var once sync.Once
	done := make(chan *record, 1)
	go func() { done <- b.exec(t.Context(), 0, "x") }()
	eventually(t, "started", func() bool { l := b.fleet.Log(); return len(l) == 1 && !l[0].Started.IsZero() })
	once.Do(func() { b.fleet.Cut("h", fleet.Silence) })
	r := <-done
	r.wantOp(t, fanout.OpKeepalive, true)
	if got, want := r.Outcome(), fanout.Lost; got != want {
		t.Errorf("got outcome %v, want %v", got, want)
	}
}

// TestQuietHostIsLeftAlone: a host that says nothing but answers is left alone.
func TestQuietHostIsLeftAlone(t *testing.T) {
	let := make(chan struct{})
	wait := fleet.HandlerFunc(func(*fleet.Session) fleet.Exit { <-let; return fleet.Exit{} })
	b := newBench(t, []fleet.Host{{Name: "h", Exec: wait}}, func(o *Options) {
		o.Endpoints[0].KeepaliveCount = 1 << 20 // this machine may be slower to answer than three questions
	})
	b.interval = 30 * time.Millisecond
	done := make(chan *record, 1)
	go func() { done <- b.exec(t.Context(), 0, "x") }()
	eventually(t, "started", func() bool { l := b.fleet.Log(); return len(l) == 1 && !l[0].Started.IsZero() })
	b.mu.Lock()
	n := b.held[0]
	b.mu.Unlock()
	heard := n.wire.lastRead.Load()
	for answers := 0; answers < 6; {
		if now := n.wire.lastRead.Load(); now != heard {
			heard = now
			answers++
		}
		runtime.Gosched()
	}
	close(let)
	(<-done).wantExit(t, fanout.Exit{})
}

func TestGlobalRequestsAreAnswered(t *testing.T) {
	const n = 1000
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Keepalives: n}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantExit(t, fanout.Exit{})
	if got := b.fleet.Log()[0].Requests; got != 2*n {
		t.Errorf("got %d requests answered, want %d", got, 2*n)
	}
}

// TestNothingIsLeft counts goroutines and open files after all kinds of ends.
func TestNothingIsLeft(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles()
	t.Run("use", func(t *testing.T) {
		b := newBench(t, []fleet.Host{
			{Name: "ok"},
			{Name: "held", Faults: fleet.Faults{Hold: fleet.Forever}},
			{Name: "slow", Exec: obey("KILL")},
			{Name: "refuses", Faults: fleet.Faults{RejectAuth: true}},
			{Name: "stalls", Faults: fleet.Faults{Stall: fleet.StepKexInit}},
			{Name: "mute", Faults: fleet.Faults{Stall: fleet.StepExec}},
			{Name: "cut", Faults: fleet.Faults{Cut: &fleet.Cut{After: 50, FromExec: true, How: fleet.Reset}}},
			{Name: "down", Down: true},
		}, shortDrain)
		var wg sync.WaitGroup
		for i, target := range b.targets {
			target.Limits = fanout.Limits{ConnectTimeout: time.Second, Timeout: 100 * time.Millisecond}
			wg.Go(func() {
				execOn(t.Context(), b.Client, target, "x")
				if i%2 == 0 {
					b.Release(target)
				}
			})
		}
		wg.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "the files are closed", func() bool { return openFiles() <= files })
}

// openFiles counts this process's open files, 0 where the system does not say.
func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}
