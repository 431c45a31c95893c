package ssh

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// breachRuns is how many connections each kind of break is tried on.
const breachRuns = 40

// breachBench is hosts that break the protocol, and tells what became of a
// command on each of breachRuns connections.
func breachBench(t *testing.T, faults fleet.Faults, check func(r *record)) {
	t.Helper()
	const workers = 20
	hosts := make([]fleet.Host, workers)
	for i := range hosts {
		hosts[i] = fleet.Host{Name: fmt.Sprintf("h%d", i), Faults: faults}
	}
	b := newBench(t, hosts, nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range breachRuns / workers {
				r := b.exec(t.Context(), w, "all of it")
				mu.Lock()
				check(r)
				mu.Unlock()
				b.forget(w)
			}
		})
	}
	wg.Wait()
}

// TestGivenUpConnectionIsLost: where the library gives up on a connection, whatever over, a
// status that had come does not make up for the output that has not, and without
// one it is the connection that was lost.
func TestGivenUpConnectionIsLost(t *testing.T) {
	for _, what := range fleet.Violations() {
		for name, faults := range map[string]fleet.Faults{
			"after a status":   {ExitFirst: true, Exit: &fleet.Exit{}, Breach: &fleet.Breach{When: fleet.AfterExit, What: what}},
			"without a status": {Breach: &fleet.Breach{When: fleet.BeforeOutput, What: what}},
		} {
			t.Run(fmt.Sprint(what, " ", name), func(t *testing.T) {
				wrong := map[string]int{}
				breachBench(t, faults, func(r *record) {
					switch {
					case r.Failure == nil:
						wrong[fmt.Sprintf("exit %+v, complete %v, stdout %q", *r.Exit, r.OutputComplete, r.stdout.String())]++
					case r.Failure.Op != fanout.OpConnection || !r.Started:
						wrong[fmt.Sprintf("op %s, started %v: %s", r.Failure.Op, r.Started, r.Failure.Message)]++
					}
				})
				for what, n := range wrong {
					t.Errorf("%d of %d: got %s, want op connection", n, breachRuns, what)
				}
			})
		}
	}
}

// TestBreachAfterTheCloseTakesNothing: what comes after the close of the channel takes
// nothing from a command that has ended. A disconnect message is the exception:
// the library can be quicker to break off than to take the close in, and then
// there is no proof.
func TestBreachAfterTheCloseTakesNothing(t *testing.T) {
	for _, what := range fleet.Violations() {
		t.Run(fmt.Sprint(what), func(t *testing.T) {
			wrong, late := map[string]int{}, 0
			breachBench(t, fleet.Faults{Breach: &fleet.Breach{When: fleet.AfterClose, What: what}}, func(r *record) {
				switch {
				case what == fleet.Disconnect && r.Failure != nil && r.Failure.Op == fanout.OpConnection:
					late++
				case r.Failure != nil:
					wrong[fmt.Sprintf("op %s: %s", r.Failure.Op, r.Failure.Message)]++
				case !r.OutputComplete || r.stdout.String() != "all of it\n":
					wrong[fmt.Sprintf("complete %v, stdout %q", r.OutputComplete, r.stdout.String())]++
				}
			})
			for what, n := range wrong {
				t.Errorf("%d of %d: got %s, want a complete run", n, breachRuns, what)
			}
			if late > breachRuns/2 {
				t.Errorf("%d of %d are lost, want few", late, breachRuns)
			}
		})
	}
}

// TestOutputAfterEOFIsOutput: what a host sends after the end of file is output, and not
// missing from a run that is called complete.
func TestOutputAfterEOFIsOutput(t *testing.T) {
	late := strings.Repeat("late\n", 20_000)
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{AfterEOF: []byte(late)}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantExit(t, fanout.Exit{})
	if got, want := r.stdout.String(), "x\n"+late; !r.OutputComplete || got != want {
		t.Errorf("got complete %v with %d bytes, want complete with %d", r.OutputComplete, len(got), len(want))
	}
}

// TestUnseenAnswerToACloseIsAskedFor: where the answer to a close is not seen, as when keys are
// just exchanged, the host is asked whether it is still there.
func TestUnseenAnswerToACloseIsAskedFor(t *testing.T) {
	broken := fleet.Faults{ExitFirst: true, Exit: &fleet.Exit{}, Breach: &fleet.Breach{When: fleet.AfterExit, What: fleet.Reopened}}
	b := newBench(t, []fleet.Host{{Name: "sound"}, {Name: "broken", Faults: broken}}, nil)
	for i := range b.targets {
		if r := b.exec(t.Context(), i, ""); r.Failure != nil {
			t.Fatal(r.Failure.Message)
		}
		b.held[i].wire.loggedIn.Store(false) // nothing that is written is looked at
	}
	r := b.exec(t.Context(), 0, "x")
	r.wantExit(t, fanout.Exit{})
	if !r.OutputComplete {
		t.Error("got incomplete output of the host that closed the channel")
	}
	b.exec(t.Context(), 1, "x").wantOp(t, fanout.OpConnection, true)
}

// TestDeniedAndRun: a host that refuses to run a command, and runs it, has run
// it: it is not sent again.
func TestDeniedAndRun(t *testing.T) {
	b := newBench(t, []fleet.Host{
		{Name: "ends", Faults: fleet.Faults{DenyExec: true}},
		{Name: "talks", Faults: fleet.Faults{DenyExec: true, NoExit: true}},
		{Name: "refuses", Faults: fleet.Faults{RejectExec: true}},
	}, nil)
	r := b.exec(t.Context(), 0, "exit 3")
	r.wantExit(t, fanout.Exit{Code: 3})
	if !r.OutputComplete || r.stdout.String() != "exit 3\n" {
		t.Errorf("got complete %v, stdout %q, want all of it", r.OutputComplete, r.stdout.String())
	}
	b.exec(t.Context(), 1, "x").wantOp(t, fanout.OpNoStatus, true)
	b.exec(t.Context(), 2, "x").wantOp(t, fanout.OpExec, false)
}

// TestNoExitStatus: a device that never sends an exit status is ok when it closes
// the session, and in no other case.
func TestNoExitStatus(t *testing.T) {
	never := func(f fleet.Faults) fleet.Faults {
		f.NoExit = true
		return f
	}
	b := newBench(t, []fleet.Host{
		{Name: "closes", Faults: never(fleet.Faults{})},
		{Name: "breaks", Faults: never(fleet.Faults{Breach: &fleet.Breach{When: fleet.AfterEOF, What: fleet.Reopened}})},
		{Name: "leaves", Faults: never(fleet.Faults{HangUp: fleet.HangUpAfterExit})},
		{Name: "sends", Faults: fleet.Faults{}},
		{Name: "garbles", Faults: fleet.Faults{RawStatus: []byte{1}}},
	}, func(o *Options) {
		for i := range o.Endpoints {
			o.Endpoints[i].NoExitStatus = true
		}
	})
	r := b.exec(t.Context(), 0, "x")
	if r.Failure != nil || r.Exit != nil || !r.Started || !r.OutputComplete || r.Outcome() != fanout.OK || r.stdout.String() != "x\n" {
		t.Errorf("got %+v, failure %+v, stdout %q, want ok without an exit", r.Report, r.Failure, r.stdout.String())
	}
	b.exec(t.Context(), 1, "x").wantOp(t, fanout.OpConnection, true)
	b.exec(t.Context(), 2, "x").wantOp(t, fanout.OpConnection, true)
	b.exec(t.Context(), 3, "exit 3").wantExit(t, fanout.Exit{Code: 3})
	b.exec(t.Context(), 4, "x").wantOp(t, fanout.OpNoStatus, true)
}

// TestIsPatient: only a server that is known to wait for the client is spared the
// look for what it sends behind a close.
func TestIsPatient(t *testing.T) {
	for version, want := range map[string]bool{
		"SSH-2.0-OpenSSH_9.2p1 Debian-2": true,
		"SSH-2.0-OpenSSH":                false,
		"SSH-2.0-dropbear_2022.83":       false,
		"SSH-2.0-tutti_fleet":            false,
		"":                               false,
	} {
		if got := isPatient([]byte(version)); got != want {
			t.Errorf("%q: got %v, want %v", version, got, want)
		}
	}
}
