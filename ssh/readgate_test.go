package ssh

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestValveHoldsTheSocket: while output waits for a reader of ours, nothing
// more is read from the host; what the host has sent by then is not lost, and
// its silence is not held against it.
func TestValveHoldsTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer func() { _ = theirs.Close() }()
		w := newWire(ours)
		defer w.abort()
		w.greeting.buffered = nil // as after the version line

		got := make(chan string)
		go func() {
			buf := make([]byte, 16)
			for {
				n, err := w.Read(buf)
				if err != nil {
					close(got)
					return
				}
				got <- string(buf[:n])
			}
		}()
		send := func(text string) { _, _ = io.WriteString(theirs, text) }

		go send("one")
		if s := <-got; s != "one" {
			t.Fatalf("got %q, want one", s)
		}
		w.gate.busy()
		time.Sleep(2 * gatePatience)
		go send("two") // Read was already waiting, and takes one more
		if s := <-got; s != "two" {
			t.Fatalf("got %q, want two", s)
		}
		go send("three")
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case s := <-got:
			t.Fatalf("got %q while the output waited", s)
		default:
		}
		if s := w.silence(); s != 0 {
			t.Errorf("the host is blamed for a silence of %s", s)
		}
		w.gate.free()
		if s := <-got; s != "three" {
			t.Fatalf("got %q, want three", s)
		}
		if s := w.silence(); s > time.Second {
			t.Errorf("got a silence of %s right after a byte", s)
		}
	})
}

// TestValveOpensForAbort: a connection that is given up does not stay behind a
// closed gate.
func TestValveOpensForAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer func() { _ = theirs.Close() }()
		w := newWire(ours)
		w.gate.busy()
		time.Sleep(2 * gatePatience)
		ended := make(chan error)
		go func() {
			_, err := w.Read(make([]byte, 16))
			ended <- err
		}()
		synctest.Wait()
		w.abort()
		if err := <-ended; err == nil {
			t.Error("no error from an aborted connection")
		}
	})
}

// TestQuickWritesLeaveTheValveOpen: passing on output that is taken at once
// costs no wait.
func TestQuickWritesLeaveTheValveOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v readGate
		v.busy()
		v.pass(nil) // would wait for ever
		v.free()
		time.Sleep(time.Second)
		v.pass(nil)
	})
}

// TestValveWaits holds how long a read of the connection waits against what is done
// with the output meanwhile.
func TestValveWaits(t *testing.T) {
	const forever = time.Hour // until the pieces are passed on
	tests := []struct {
		name string
		do   func(v *readGate)
		want time.Duration
	}{
		{"nothing happens", func(*readGate) {}, 0},
		{"a little is being passed on", func(v *readGate) { v.read(1000); v.busy() }, 0},
		{"it takes long", func(v *readGate) { v.read(1000); v.busy(); time.Sleep(gatePatience) }, forever},
		{"much was read meanwhile", func(v *readGate) { v.busy(); v.read(maxReadAhead) }, forever},
		{"much was read, and most of it taken", func(v *readGate) { v.busy(); v.read(maxReadAhead); v.ask(); v.consumed(32<<10, false) }, 0},
		{"nothing is left of it", func(v *readGate) { v.busy(); v.read(2 * maxReadAhead); v.ask(); v.consumed(1, true) }, 0},
		{"no copier has read it yet", func(v *readGate) { v.read(maxReadAhead) }, gatePatience},
		{"of one stream nothing is left, of the other maybe", func(v *readGate) { v.arm(); v.busy(); v.read(2 * maxReadAhead); v.ask(); v.consumed(1, true) }, forever},
		{"of one stream nothing is left, and the other waits", func(v *readGate) {
			v.arm()
			v.busy()
			v.read(2 * maxReadAhead)
			v.ask()
			v.ask()
			v.consumed(1, true)
		}, 0},
		{"another stream begins", func(v *readGate) { v.busy(); v.read(maxReadAhead); v.arm() }, forever},
		{"it is not for us", func(v *readGate) { v.disarm(); v.read(2 * maxReadAhead) }, 0},
		{"the end must be heard", func(v *readGate) { v.read(1000); v.busy(); v.holdOpen(); time.Sleep(gatePatience) }, 0},
		{"much was read before the end", func(v *readGate) { v.read(maxReadAhead); v.busy(); v.holdOpen() }, gatePatience},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var v readGate
				v.arm()
				test.do(&v)
				began := time.Now()
				time.AfterFunc(forever, func() { v.free() })
				v.pass(nil)
				if got := time.Since(began); got != test.want {
					t.Errorf("got a wait of %v, want %v", got, test.want)
				}
				time.Sleep(2 * forever) // the timer's goroutine has ended
			})
		})
	}
}

// TestHeldOpenGateReportsWhenItIsFull: what is read ahead to see the end of a
// command has a limit, at which the gate asks for it to be discarded.
func TestHeldOpenGateReportsWhenItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v readGate
		v.arm()
		v.busy()
		full := v.holdOpen()
		time.Sleep(time.Hour)
		v.read(maxReadAhead - 1)
		v.pass(nil)
		if isClosed(full) {
			t.Fatal("got called with little read ahead")
		}
		v.read(1)
		v.pass(nil)
		if !isClosed(full) {
			t.Fatal("not called with much read ahead")
		}
		v.pass(nil) // once is enough
	})
}

// TestValveForgetsWhatIsNoOutput: what packets have beside their payload, and what
// is no output at all, is never taken by a copier. However much of it comes, it makes
// the connection wait once for each maxReadAhead of it, and not for each read.
func TestValveForgetsWhatIsNoOutput(t *testing.T) {
	const reads, rest = 20_000, 45
	tests := []struct {
		name  string
		bytes int  // of output in each read
		all   bool // the copier sees that nothing more is there
		want  int  // waits
	}{
		{"packets that show that they are the last", fullPacket, true, 0},
		{"packets that fill the buffer", fullPacket, false, reads * rest / maxReadAhead},
		{"no output", 0, false, reads * rest / maxReadAhead},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var v readGate
				v.arm()
				v.arm()
				v.ask() // the other stream is silent
				v.ask()
				began := time.Now()
				for range reads {
					v.pass(nil)
					v.read(test.bytes + rest)
					if test.bytes == 0 {
						continue
					}
					v.consumed(test.bytes, test.all)
					v.busy()
					v.free()
					v.ask()
				}
				if got := int(time.Since(began) / gatePatience); got > test.want {
					t.Errorf("got %d waits in %d reads, want at most %d", got, reads, test.want)
				}
			})
		})
	}
}

// TestValveOpensWhenEnoughIsTaken: a read that waits for a copier goes on as soon as
// that has taken enough, not when it has passed it on.
func TestValveOpensWhenEnoughIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v readGate
		v.arm()
		v.read(maxReadAhead)
		v.ask()
		began := time.Now()
		time.AfterFunc(gatePatience/2, func() { v.consumed(1, false) })
		v.pass(nil)
		if got := time.Since(began); got != gatePatience/2 {
			t.Errorf("got a wait of %v, want %v", got, gatePatience/2)
		}
	})
}

// TestValveSharesTheLead: the more connections there are, the less each may read
// ahead while its output waits, so that all of them together have a bound.
func TestValveSharesTheLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var crowd atomic.Int64
		gates := make([]readGate, crowdReadAhead/fullPacket) // each has a packet
		for i := range gates {
			v := &gates[i]
			v.join(&crowd)
			v.arm()
			v.arm()
			v.busy()
			v.read(fullPacket)
			if drained, _ := v.closes(); drained != nil && i < crowdReadAhead/maxReadAhead {
				t.Fatalf("the %dth closes early", i)
			}
		}
		for i := range gates {
			if drained, _ := gates[i].closes(); drained == nil {
				t.Fatalf("the %dth of %d does not close", i, len(gates))
			}
		}
		for i := range gates {
			gates[i].disarm()
			gates[i].disarm()
		}
		if n := crowd.Load(); n != 0 {
			t.Errorf("got %d left in the crowd, want 0", n)
		}
		alone := &gates[0]
		alone.arm()
		alone.free()
		alone.busy()
		alone.read(fullPacket)
		if drained, _ := alone.closes(); drained != nil {
			t.Error("closes early although it is alone")
		}
	})
}
