package ssh

import (
	"context"
	"fmt"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// TestGivenUpConnectionBehindABastionIsLost: a host that breaks the protocol breaks
// its own connection, however it is reached, and not that of the bastion.
func TestGivenUpConnectionBehindABastionIsLost(t *testing.T) {
	for _, what := range fleet.Violations() {
		t.Run(fmt.Sprint(what), func(t *testing.T) {
			hosts := behindGate(8)
			for i := range hosts[1:] {
				hosts[i+1].Faults = fleet.Faults{ExitFirst: true, Exit: &fleet.Exit{}, Breach: &fleet.Breach{When: fleet.AfterExit, What: what}}
			}
			hosts[8].Faults = fleet.Faults{}
			b := jumpBench(t, hosts, nil)
			for i := range 7 {
				b.exec(t.Context(), i, "x").wantOp(t, fanout.OpConnection, true)
			}
			r := b.exec(t.Context(), 7, "x")
			if r.wantExit(t, fanout.Exit{}); !r.OutputComplete || r.stdout.String() != "x\n" {
				t.Errorf("the host without a fault: got complete %v, stdout %q", r.OutputComplete, r.stdout.String())
			}
			if all, _ := b.connsOf("gate"); all != 1 {
				t.Errorf("got %d connections to the bastion, want the first to stand", all)
			}
		})
	}
}

// TestGivenUpBastionLosesWhatRunsBehindIt: a bastion that breaks the protocol ends
// the connections that go through it, and no command there is taken for complete.
func TestGivenUpBastionLosesWhatRunsBehindIt(t *testing.T) {
	for _, what := range fleet.Violations() {
		t.Run(fmt.Sprint(what), func(t *testing.T) {
			hosts := behindGate(1)
			hosts[1].Exec = obey()
			b := jumpBench(t, hosts, nil)
			done := make(chan *record, 1)
			go func() { done <- b.exec(t.Context(), 0, "x") }()
			eventually(t, "started", func() bool { l := b.fleet.Log(); return len(l) == 1 && !l[0].Started.IsZero() })
			if err := b.fleet.Violate("gate", what); err != nil {
				t.Fatal(err)
			}
			(<-done).wantOp(t, fanout.OpConnection, true)
		})
	}
}

// TestGivenUpConnectionThatExchangesKeysIsLost: while keys are exchanged the library
// holds back its answer to a close, by which an end is proved. No end is claimed
// for that, and none is missed.
func TestGivenUpConnectionThatExchangesKeysIsLost(t *testing.T) {
	const flood = 1 << 20
	crypto := gossh.Config{RekeyThreshold: 64 << 10}
	sound := fleet.Host{Name: "sound", Crypto: crypto, Faults: fleet.Faults{Flood: flood}}
	b := newBench(t, []fleet.Host{sound}, nil)
	for range 10 {
		r := b.exec(t.Context(), 0, "x")
		if r.Failure != nil || !r.OutputComplete || len(r.stdout.String()) < flood {
			t.Fatalf("got %+v, complete %v, %d bytes, want all %d", r.Failure, r.OutputComplete, len(r.stdout.String()), flood)
		}
		b.forget(0)
	}
	for _, what := range fleet.Violations() {
		for _, first := range []bool{false, true} {
			t.Run(fmt.Sprint(what, " exit first: ", first), func(t *testing.T) {
				faults := fleet.Faults{Flood: flood, ExitFirst: first, Breach: &fleet.Breach{When: fleet.AfterExit, What: what}}
				b := newBench(t, []fleet.Host{{Name: "h", Crypto: crypto, Faults: faults}}, nil)
				for range 3 {
					b.exec(t.Context(), 0, "x").wantOp(t, fanout.OpConnection, true)
					b.forget(0)
				}
			})
		}
	}
}

// TestGivenUpSweepProvesNothing: where the connection breaks in the channel that
// looks for what a command has left, nothing is proved.
func TestGivenUpSweepProvesNothing(t *testing.T) {
	for _, what := range fleet.Violations() {
		t.Run(fmt.Sprint(what), func(t *testing.T) {
			t.Parallel()
			deaf := fleet.Faults{IgnoreSignals: true}
			b := newBench(t, []fleet.Host{{Name: "h", Exec: swept(obey(), "none"), Faults: deaf}}, nil)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			done := make(chan *record, 1)
			go func() { done <- b.exec(ctx, 0, "x") }()
			eventually(t, "started", func() bool { l := b.fleet.Log(); return len(l) == 1 && !l[0].Started.IsZero() })
			deaf.Breach = &fleet.Breach{When: fleet.BeforeOutput, What: what}
			b.fleet.SetFaults("h", deaf) // of the next session
			cancel(fanout.ErrSignal)
			r := <-done
			r.wantOp(t, fanout.OpCanceled, true)
			if got, want := r.Failure.Remote, fanout.RemoteUnknown; got != want {
				t.Errorf("got remote %q, want %q", got, want)
			}
		})
	}
}
