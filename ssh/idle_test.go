package ssh

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// idleConn is a connection that can be told from others, and no more.
func idleConn(identity string, number int) *conn {
	return &conn{ep: &endpoint{identity: identity}, address: fmt.Sprint(number)}
}

func always(*conn) bool { return true }

// TestIdleConns holds them against a plain list.
func TestIdleConns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var idle idleConns
	var want []*conn
	without := func(gone func(*conn) bool) (taken []*conn) {
		for _, n := range want {
			if gone(n) {
				taken = append(taken, n)
			}
		}
		want = slices.DeleteFunc(want, gone)
		return taken
	}
	for step := range 5000 {
		identity := fmt.Sprint("host", rng.IntN(20))
		var got, expected []*conn
		switch op := rng.IntN(12); {
		case op < 7:
			n := idleConn(identity, step)
			idle.add(n)
			want = append(want, n)
		case op < 9: // the last used of those that are good
			good := func(n *conn) bool { return n.address[len(n.address)-1] < '7' }
			for _, n := range slices.Backward(want) {
				if n.ep.identity == identity && good(n) {
					expected = without(func(x *conn) bool { return x == n })
					break
				}
			}
			if n := idle.take(identity, good); n != nil {
				got = []*conn{n}
			}
		case op < 10:
			got, expected = idle.takeAll(identity), without(func(n *conn) bool { return n.ep.identity == identity })
		case op < 11:
			first := idle.removeOldest()
			if first != nil {
				got = []*conn{first}
			}
			if len(want) > 0 {
				oldest := want[0]
				expected = without(func(n *conn) bool { return n == oldest })
			}
		default:
			over := func(n *conn) bool { return n.address[0] == '3' }
			got, expected = idle.end(over), without(over)
		}
		if !slices.Equal(got, expected) || !slices.Equal(idle.all(), want) || idle.len() != len(want) {
			t.Fatalf("step %d: got %d taken and %d left, want %d and %d", step, len(got), idle.len(), len(expected), len(want))
		}
		alike := 0
		for _, n := range want {
			if n.ep.identity == identity {
				alike++
			}
		}
		if got := idle.alike(identity); got != alike {
			t.Fatalf("step %d: got %d alike, want %d", step, got, alike)
		}
	}
	idle.end(always)
	if idle.len() != 0 || len(idle.byKind) != 0 {
		t.Errorf("got %d left, of %d kinds, want none", idle.len(), len(idle.byKind))
	}
}

// TestIdleConnsLookAtFew: ten times as many idle connections do not make the use of
// one cost more.
func TestIdleConnsLookAtFew(t *testing.T) {
	perUse := func(hosts int) int {
		var idle idleConns
		for i := range hosts {
			idle.add(idleConn(fmt.Sprint(i), i))
		}
		for i := range hosts { // a run: each host takes its own, and gives it back
			n := idle.take(fmt.Sprint(i), always)
			if n == nil || n.ep.identity != fmt.Sprint(i) {
				t.Fatalf("%d hosts: got %v for host %d", hosts, n, i)
			}
			if idle.alike(n.ep.identity) > 0 {
				t.Fatalf("got another for host %d", i)
			}
			idle.add(n)
		}
		for range hosts {
			idle.removeOldest()
		}
		return idle.looked / hosts
	}
	few, many := perUse(1000), perUse(10_000)
	if few != many || many > 5 {
		t.Errorf("got %d connections looked at for each use with 1,000 hosts, %d with 10,000, want the same few", few, many)
	}
}

// BenchmarkKept is a run on as many hosts as there are idle connections.
func BenchmarkKept(b *testing.B) {
	for _, hosts := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(hosts), func(b *testing.B) {
			var idle idleConns
			names := make([]string, hosts)
			for i := range hosts {
				names[i] = fmt.Sprint(i)
				idle.add(idleConn(names[i], i))
			}
			for b.Loop() {
				for i := range hosts {
					idle.add(idle.take(names[i], always))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(hosts), "ns/use")
		})
	}
}
