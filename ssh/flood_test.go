package ssh

import (
	"bytes"
	"encoding/binary"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// window is how many bytes of a channel the library reads ahead at most.
const window = 2 << 20

// A counted is output of which every part shows where it belongs.
type counted struct{ next uint64 }

// block is the next 32 KiB.
func (c *counted) block() []byte {
	p := make([]byte, 0, 32<<10)
	for len(p) < cap(p) {
		p = binary.BigEndian.AppendUint64(p, c.next)
		c.next++
	}
	return p
}

// wantBeginning checks that got is how a counted begins.
func wantBeginning(tb testing.TB, got []byte) {
	tb.Helper()
	var c counted
	for rest := got; len(rest) > 0; {
		want := c.block()
		n := min(len(rest), len(want))
		if !bytes.Equal(rest[:n], want[:n]) {
			tb.Fatalf("got output that is wrong within %d bytes before byte %d of %d", n, len(got)-len(rest)+n, len(got))
		}
		rest = rest[n:]
	}
}

// held is how much was read of the connection and not taken from the library.
func held(n *conn) int {
	n.wire.gate.mu.Lock()
	defer n.wire.gate.mu.Unlock()
	return n.wire.gate.readAhead
}

// connOf is the connection that target i holds, which must come.
func (b *bench) connOf(tb testing.TB, i int) *conn {
	tb.Helper()
	var n *conn
	eventually(tb, "connected", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		n = b.held[i]
		return n != nil
	})
	return n
}

// TestStoppedReaderHoldsUpItsHostsOnly: hosts whose output is not read use little memory, they
// lose nothing, and the others run on.
func TestStoppedReaderHoldsUpItsHostsOnly(t *testing.T) {
	const floods, size = 8, 4 << 20
	var hosts []fleet.Host
	for i := range 2 * floods {
		h := fleet.Host{Name: "h" + string(rune('a'+i))}
		if i < floods {
			h.Faults.Flood = size
		}
		hosts = append(hosts, h)
	}
	b := newBench(t, hosts, nil)
	let := make(chan struct{})
	var counts [floods]countingWriter
	var reports [floods]fanout.Report
	var flooding, others sync.WaitGroup
	for i := range floods {
		flooding.Go(func() {
			a := fanout.Attempt{N: 1, Target: b.targets[i]}
			reports[i] = b.Exec(t.Context(), a, fanout.Task{Action: fanout.Command("x")}, gated{let, &counts[i]}, io.Discard)
		})
		others.Go(func() { b.exec(t.Context(), floods+i, "x").wantExit(t, fanout.Exit{}) })
	}
	others.Wait()
	total := 0
	for i := range floods {
		n := b.connOf(t, i)
		eventually(t, "a flooding host is not read from", n.wire.gate.closed.Load)
		total += held(n)
	}
	if most := floods * window / 2; total > most {
		t.Errorf("got %d bytes read ahead of %d hosts, want at most %d", total, floods, most)
	}
	close(let)
	flooding.Wait()
	for i, r := range reports {
		if r.Exit == nil || !r.OutputComplete || counts[i] != size+2 {
			t.Errorf("got %+v, failure %+v, with %d bytes, want all %d", r, r.Failure, counts[i], size+2)
		}
	}
}

// A gated writer lets nothing pass until let is closed.
type gated struct {
	let <-chan struct{}
	to  io.Writer
}

func (g gated) Write(p []byte) (int, error) {
	<-g.let
	return g.to.Write(p)
}

type countingWriter int

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}

// TestEndOfAFloodIsHeard: while a command is being stopped whose output is not read,
// its host can go on to send, so that the end is heard, and what it sends is not
// kept; what was passed on before has no holes.
func TestEndOfAFloodIsHeard(t *testing.T) {
	const rest = 4 * window // after TERM
	through, measured := make(chan struct{}), make(chan struct{})
	flood := fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		var c counted
		for left := rest; left > 0; {
			if len(s.Signals) > 0 {
				left -= 32 << 10
			}
			if _, err := s.Stdout.Write(c.block()); err != nil {
				return fleet.Exit{}
			}
		}
		close(through)
		<-measured
		return fleet.Exit{Signal: "TERM"}
	})
	b := newBench(t, []fleet.Host{{Name: "h", Exec: swept(flood, "none")}}, func(o *Options) { o.KillAfter = time.Hour })
	b.targets[0].Limits.Timeout = 50 * time.Millisecond
	let, out := make(chan struct{}), &sink{}
	stops := writerFunc(func(p []byte) (int, error) {
		if len(b.fleet.Log()[0].Signals) > 0 {
			<-let
		}
		return out.Write(p)
	})
	done := make(chan fanout.Report, 1)
	go func() {
		done <- b.Exec(t.Context(), fanout.Attempt{N: 1, Target: b.targets[0]}, fanout.Task{Action: fanout.Command("x")}, stops, io.Discard)
	}()
	n := b.connOf(t, 0)
	select {
	case <-through:
	case <-time.After(patience):
		t.Errorf("the host cannot go on to send; %d bytes are held", held(n))
	}
	eventually(t, "little is held", func() bool { return held(n) < maxReadAhead })
	close(measured)
	close(let)
	r := <-done
	if r.Failure == nil || r.Failure.Op != fanout.OpTimeout || r.Failure.Remote != fanout.RemoteEnded || r.OutputComplete {
		t.Errorf("got %+v, failure %+v, want a proved end by the timeout, with incomplete output", r, r.Failure)
	}
	wantBeginning(t, []byte(out.String()))
}

// TestFloodThatIsCutOffLeavesNothing: nothing is left of a command that was being stopped when
// its connection dies, although both its reader and who throws its output away
// wait for more then.
func TestFloodThatIsCutOffLeavesNothing(t *testing.T) {
	through, over := make(chan struct{}), make(chan struct{})
	defer close(over)
	flood := fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		var c counted
		for left := 4 * window; left > 0; {
			if len(s.Signals) > 0 {
				left -= 32 << 10
			}
			if _, err := s.Stdout.Write(c.block()); err != nil {
				return fleet.Exit{}
			}
		}
		close(through)
		<-over
		return fleet.Exit{}
	})
	b := newBench(t, []fleet.Host{{Name: "h", Exec: swept(flood, "none")}}, func(o *Options) { o.KillAfter = time.Hour })
	b.targets[0].Limits.Timeout = 50 * time.Millisecond
	let := make(chan struct{})
	stops := writerFunc(func(p []byte) (int, error) {
		if len(b.fleet.Log()[0].Signals) > 0 {
			<-let
		}
		return len(p), nil
	})
	done := make(chan fanout.Report, 1)
	go func() {
		done <- b.Exec(t.Context(), fanout.Attempt{N: 1, Target: b.targets[0]}, fanout.Task{Action: fanout.Command("x")}, stops, io.Discard)
	}()
	n := b.connOf(t, 0)
	select {
	case <-through:
	case <-time.After(patience):
		t.Fatalf("the host cannot go on to send; %d bytes are held", held(n))
	}
	close(let)
	eventually(t, "nothing is being passed on", func() bool {
		n.wire.gate.mu.Lock()
		defer n.wire.gate.mu.Unlock()
		return n.wire.gate.writes == 0
	})
	n.wire.abort()
	if r := <-done; r.Failure == nil || r.Failure.Remote != fanout.RemoteUnknown {
		t.Errorf("got %+v, failure %+v, want an unknown end", r, r.Failure)
	}
	eventually(t, "no goroutine reads any more", func() bool { return inStacks(".(*streams).discard(")+inStacks(".(*streams).copy(") == 0 })
}

// inStacks is how many goroutines are in a function.
func inStacks(function string) int {
	text := make([]byte, 1<<20)
	return strings.Count(string(text[:runtime.Stack(text, true)]), function)
}

// TestFullPacketsLeaveNoLead: nothing is held of a host that has said much in full
// packets, and everything was taken.
func TestFullPacketsLeaveNoLead(t *testing.T) {
	const packets = 3000
	handler := fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		var c counted
		for range packets {
			if _, err := s.Stdout.Write(c.block()); err != nil {
				return fleet.Exit{}
			}
		}
		return fleet.Exit{}
	})
	b := newBench(t, []fleet.Host{{Name: "h", Exec: handler}}, nil)
	var total countingWriter
	most, n := 0, (*conn)(nil)
	look := writerFunc(func(p []byte) (int, error) {
		if n == nil {
			n = b.connOf(t, 0)
		}
		n.wire.gate.mu.Lock()
		lead := n.wire.gate.readAhead
		n.wire.gate.mu.Unlock()
		most = max(most, lead)
		return total.Write(p)
	})
	r := b.Exec(t.Context(), fanout.Attempt{N: 1, Target: b.targets[0]}, fanout.Task{Action: fanout.Command("x")}, look, io.Discard)
	if r.Exit == nil || total != packets*fullPacket {
		t.Fatalf("got %+v, failure %+v, with %d bytes, want all %d", r, r.Failure, total, packets*fullPacket)
	}
	if left := held(n); left >= maxReadAhead {
		t.Errorf("got %d bytes that are said to be left", left)
	}
	if limit := maxReadAhead + 2*fullPacket; most > limit {
		t.Errorf("got %d bytes read ahead, want at most %d", most, limit)
	}
}
