package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"tutti/scheduler"
	"tutti/store"
)

// A daemon is seen with what it said last, until it leaves, and is told to drain.
func testControllers(t *testing.T, b *bed) {
	first, second := b.join(), b.join()
	once, err := b.JoinOnce(t.Context(), noon)
	b.must(err)
	daemon := func(id int64) scheduler.Controller {
		t.Helper()
		all, err := b.Daemons(t.Context())
		b.must(err)
		for _, c := range all {
			if c.ID == id {
				return c
			}
		}
		t.Fatalf("got %+v, want daemon %d", all, id)
		return scheduler.Controller{}
	}
	if c := daemon(first.ID()); c.PID == 0 || !c.Serves || !c.Started.Equal(noon) || c.Machine == "" || c.Draining || !c.Said.Equal(&scheduler.Said{}) {
		t.Errorf("got %+v, want it as it joined", c)
	}
	said := scheduler.Said{Version: "1", Runs: 1, Hosts: 7, MaxRuns: 8, Waits: "memory", Files: []scheduler.LocalFile{{Name: "inventory", Digest: "d"}}}
	say := func(w store.Daemon, want bool) {
		t.Helper()
		if draining, err := w.Say(t.Context(), said); draining != want || err != nil {
			t.Errorf("got draining: %t, %v, want %t", draining, err, want)
		}
	}
	say(first, false)
	say(first, false)
	if c := daemon(first.ID()); !c.Said.Equal(&said) {
		t.Errorf("got %+v, want %+v", c.Said, said)
	}
	b.must(b.Drain(b.audited("drain"), first.ID(), true))
	b.must(b.Drain(b.audited("drain"), first.ID(), true)) // it drains already
	say(first, true)
	say(second, false)
	if !daemon(first.ID()).Draining || daemon(second.ID()).Draining {
		t.Error("got another daemon drained than was told")
	}
	checkSaid(t, "the audit", b.entriesOf("drain"), fmt.Sprintf("daemon:%d done", first.ID()))
	b.must(b.Drain(t.Context(), first.ID(), false))
	say(first, false)
	for _, id := range []int64{once.ID(), 1 << 40} { // it is no daemon; there is none
		if err := b.Drain(t.Context(), id, true); !errors.As(err, new(*store.NoControllerError)) {
			t.Errorf("daemon %d: got %v, want a *NoControllerError", id, err)
		}
	}
	b.must(once.Close())
	b.must(second.Close())
	all, err := b.Daemons(t.Context())
	if err != nil || slices.ContainsFunc(all, func(c scheduler.Controller) bool { return c.ID == second.ID() }) {
		t.Errorf("got %+v, %v, want nobody who has left", all, err)
	}
}
