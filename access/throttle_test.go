package access

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestThrottle(t *testing.T) {
	type step struct {
		at      time.Duration
		name    string
		from    string // empty: not known
		success bool
		wait    time.Duration // 0: it is let through
	}
	tries := func(n int, s step) []step {
		steps := make([]step, n)
		for i := range steps {
			steps[i] = s
			steps[i].at += time.Duration(i) * time.Second
		}
		return steps
	}
	join := func(all ...[]step) (out []step) {
		for _, s := range all {
			out = append(out, s...)
		}
		return out
	}
	for name, steps := range map[string][]step{
		"by name": join(tries(5, step{name: "ann", from: "192.0.2.1"}), []step{
			{at: 10 * time.Second, name: "ann", from: "198.51.100.9", wait: 290 * time.Second},
			{at: 299 * time.Second, name: "ann", from: "198.51.100.9", wait: time.Second},
			{at: 300 * time.Second, name: "ann", from: "198.51.100.9"},
			{at: 300 * time.Second, name: "ann", from: "198.51.100.9", wait: time.Second},
		}),
		"by address": join(tries(5, step{name: "ann", from: "192.0.2.1"})[:3], tries(2, step{name: "bob", from: "192.0.2.1", at: 3 * time.Second}), []step{
			{at: 10 * time.Second, name: "eve", from: "192.0.2.1", wait: 290 * time.Second},
			{at: 10 * time.Second, name: "eve", from: "::ffff:192.0.2.1", wait: 290 * time.Second},
			{at: 10 * time.Second, name: "eve", from: "192.0.2.2"},
		}),
		"IPv6 by network": join(tries(5, step{name: "ann", from: "2001:db8::1"}), []step{
			{at: 10 * time.Second, name: "bob", from: "2001:db8::ffff:1", wait: 290 * time.Second},
			{at: 10 * time.Second, name: "bob", from: "2001:db8:0:1::1"},
		}),
		"success forgets": join(tries(4, step{name: "ann", from: "192.0.2.1"}), []step{
			{at: 5 * time.Second, name: "ann", from: "192.0.2.1", success: true},
			{at: 6 * time.Second, name: "ann", from: "192.0.2.1"},                          // the fifth from there
			{at: 7 * time.Second, name: "ann", from: "192.0.2.1", wait: 293 * time.Second}, // of the address
			{at: 7 * time.Second, name: "ann", from: "192.0.2.2"},                          // and not of the name
		}),
		"names that no user can have are one": join(tries(5, step{name: "No Body", from: "192.0.2.1"})[:3], tries(2, step{name: strings.Repeat("x", 1<<20), from: "192.0.2.2", at: 3 * time.Second}), []step{
			{at: 10 * time.Second, name: "Some Body", from: "192.0.2.3", wait: 290 * time.Second},
			{at: 10 * time.Second, name: "ann", from: "192.0.2.3"},
		}),
		"no address": join(tries(5, step{name: "ann"}), []step{
			{at: 5 * time.Second, name: "ann", wait: 295 * time.Second},
			{at: 5 * time.Second, name: "bob"},
		}),
	} {
		t.Run(name, func(t *testing.T) {
			var th Throttle
			for i, s := range steps {
				var from netip.Addr
				if s.from != "" {
					from = netip.MustParseAddr(s.from)
				}
				err := th.Attempt(s.name, from, noon.Add(s.at))
				var wait time.Duration
				if late, ok := errors.AsType[*ThrottledError](err); ok {
					wait = late.Wait
				}
				if wait != s.wait {
					t.Errorf("step %d: got a wait of %s, want %s", i+1, wait, s.wait)
				}
				if s.success {
					th.Success(s.name, from)
				}
			}
		})
	}
}

// What is remembered is bounded, and what matters most is kept.
func TestThrottleIsBounded(t *testing.T) {
	var th Throttle
	for i := range maxTracked + 50 {
		now := noon.Add(time.Duration(i) * time.Millisecond)
		if err := th.Attempt(fmt.Sprint("user", i), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now); err != nil {
			t.Fatal(err)
		}
	}
	if len(th.names.at) != maxTracked || len(th.sources.at) != maxTracked {
		t.Errorf("got %d names and %d addresses, want %d", len(th.names.at), len(th.sources.at), maxTracked)
	}
	if err := th.Attempt("late", netip.Addr{}, noon.Add(time.Hour)); err != nil || len(th.names.at) != 1 {
		t.Errorf("got %v and %d names, want what is over forgotten", err, len(th.names.at))
	}
}

func TestSessionEnds(t *testing.T) {
	for _, tt := range []struct{ used, want time.Duration }{
		{0, 12 * time.Hour},
		{time.Hour, 13 * time.Hour},
		{SessionLife - time.Hour, SessionLife},
	} {
		s := Session{Created: noon, Used: noon.Add(tt.used)}
		if got := s.Ends().Sub(noon); got != tt.want {
			t.Errorf("used after %s: got %s, want %s", tt.used, got, tt.want)
		}
	}
}
