package ssh

import (
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/sshdtest"
)

// visit looks at target i without running anything there.
func (b *bench) visit(t *testing.T, i int) fanout.Report {
	t.Helper()
	a := fanout.Attempt{N: 1, Target: b.targets[i]}
	r := b.Visitor().Exec(t.Context(), a, fanout.Task{}, &sink{}, &sink{})
	if r.Started || r.Exit != nil {
		t.Errorf("got %+v, want nothing run", r)
	}
	return r
}

// wantNoSession checks that a login was followed by the refusal of a session.
func wantNoSession(t *testing.T, r fanout.Report) {
	t.Helper()
	if r.Failure == nil || r.Failure.Op != fanout.OpSession || r.Failure.Cause != CauseSession || r.Login <= 0 {
		t.Errorf("got %+v, failure %+v, want a login, no session, and what to do about it", r, r.Failure)
	}
}

func TestVisitor(t *testing.T) {
	b := newBench(t, []fleet.Host{
		{Name: "good"},
		{Name: "closed", Faults: fleet.Faults{RejectOpen: &gossh.OpenChannelError{Reason: gossh.ConnectionFailed, Message: "open failed"}}},
		{Name: "runs"},
	}, nil)
	if r := b.visit(t, 0); r.Failure != nil || r.Login <= 0 {
		t.Errorf("got %+v, failure %+v, want a login", r, r.Failure)
	}
	wantNoSession(t, b.visit(t, 1))
	a := fanout.Attempt{N: 1, Target: b.targets[2]}
	if r := b.Visitor().Exec(t.Context(), a, fanout.Task{Action: fanout.Command("exit 3")}, &sink{}, &sink{}); r.Exit == nil || r.Exit.Code != 3 {
		t.Errorf("got %+v, want the command's exit", r)
	}
	for _, c := range b.fleet.Conns() {
		if c.Sessions != 1 {
			t.Errorf("got %d sessions at %s, want 1", c.Sessions, c.Host)
		}
	}
	if got := len(b.fleet.Conns()); got != 3 {
		t.Errorf("got %d connections, want one to each host", got)
	}
	for _, r := range b.fleet.Log() {
		if r.Host != "runs" && (r.Command != "" || !r.Started.IsZero()) {
			t.Errorf("got %q run at %s, want nothing", r.Command, r.Host)
		}
	}
}

func TestSSHDVisitor(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{}, nil)
	if r := b.visit(t, 0); r.Failure != nil {
		t.Errorf("got failure %+v, want a login", r.Failure)
	}
	b, _ = realBench(t, 1, sshdtest.Options{Config: []string{"MaxSessions 0"}}, nil)
	wantNoSession(t, b.visit(t, 0))
}
