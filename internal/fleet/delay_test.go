package fleet

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		l := newLine(0, 1, 1)
		begin := time.Now()
		for i := range 3 {
			l.push(chunk{data: []byte{byte(i)}, due: begin.Add(time.Duration(3-i) * time.Second)}, gone)
		}
		for i := range 3 {
			c, ok := l.pop(gone)
			if !ok || c.data[0] != byte(i) {
				t.Fatalf("got %v, %v, want chunk %d", c.data, ok, i)
			}
			// The first is due last; the others may not overtake it.
			if got := time.Since(begin); got != 3*time.Second {
				t.Errorf("chunk %d: got it after %v, want 3s", i, got)
			}
		}
		full := chunk{data: make([]byte, lineLimit), due: time.Now()}
		l.push(full, gone)
		pushed := make(chan bool)
		go func() { pushed <- l.push(full, gone) }()
		synctest.Wait()
		select {
		case <-pushed:
			t.Error("a full line took more")
		default:
		}
		close(gone)
		if <-pushed {
			t.Error("a dead line took more")
		}
	})
}

// TestArrival counts round trips as a client far away would.
func TestArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt = 100 * time.Millisecond
		begin := time.Now()
		d := &delay{half: rtt / 2, base: begin.Add(rtt)}
		since := func(at time.Time) time.Duration { return at.Sub(begin) }
		// Connecting takes one, the server's first line one more.
		if got, want := since(d.arrival(d.base.Add(d.half))), 2*rtt; got != want {
			t.Errorf("first from the server: got %v, want %v", got, want)
		}
		if got, want := since(d.arrival(d.base)), rtt+rtt/2; got != want {
			t.Errorf("first from the client: got %v, want %v", got, want)
		}
		time.Sleep(5 * rtt)
		if got, want := since(d.arrival(d.base)), 5*rtt+rtt/2; got != want {
			t.Errorf("later: got %v, want %v", got, want)
		}
	})
}

// TestLatencyEnds: a connection with latency ends with its client, at every
// moment of its life.
func TestLatencyEnds(t *testing.T) {
	b := one(t, Host{Faults: Faults{Latency: time.Millisecond}})
	_ = b.tcp("a").Close()
	_ = b.mustDial("a").Close()
	settle(t, "connections", 0, func() int {
		open := 2 // the first may not have been accepted yet
		for _, c := range b.Conns() {
			if !c.Closed.IsZero() {
				open--
			}
		}
		return open
	})
}
