package ssh

import (
	"context"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

func TestRefusedCommandWasNotStarted(t *testing.T) {
	tests := []struct {
		name   string
		faults fleet.Faults
		op     fanout.Op
	}{
		{"open", fleet.Faults{RejectOpen: &gossh.OpenChannelError{Reason: gossh.ConnectionFailed, Message: "open failed"}}, fanout.OpSession},
		{"exec", fleet.Faults{RejectExec: true}, fanout.OpExec},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", Faults: tt.faults}}, nil)
			r := b.exec(t.Context(), 0, "secret-canary")
			r.wantOp(t, tt.op, false)
			if strings.Contains(r.Failure.Message, "canary") {
				t.Errorf("the message holds the command: %s", r.Failure.Message)
			}
			if got, want := r.Outcome(), fanout.Failed; got != want {
				t.Errorf("got outcome %v, want %v", got, want)
			}
		})
	}
}

func TestUnansweredOpenIsBounded(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Stall: fleet.StepOpen}}}, nil)
	if r := b.exec(t.Context(), 0, ""); r.Failure != nil {
		t.Fatal(r.Failure.Message)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	b.fleet.SetFaults("h", fleet.Faults{Stall: fleet.StepOpen, Struck: func() { cancel(fanout.ErrSignal) }})
	b.exec(ctx, 0, "x").wantOp(t, fanout.OpCanceled, false)

	// Long enough for a login on a busy machine: the stall alone has to use it up.
	b.targets[0].Limits.ConnectTimeout = 3 * time.Second
	b.fleet.SetFaults("h", fleet.Faults{Stall: fleet.StepOpen})
	b.exec(t.Context(), 0, "x").wantOp(t, fanout.OpSession, false)
}

func TestUnansweredExecTimesOut(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Stall: fleet.StepExec}}}, nil)
	b.targets[0].Limits.Timeout = 50 * time.Millisecond
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpTimeout, true)
	if got, want := r.Failure.Remote, fanout.RemoteUnknown; got != want {
		t.Errorf("got remote %q, want %q", got, want)
	}
}
