package ssh

import (
	"testing"

	"tutti/fanout"
	"tutti/internal/fleet"
)

func TestRun(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "web1"}}, nil)
	r := b.exec(t.Context(), 0, "hello")
	r.wantExit(t, fanout.Exit{})
	if got, want := r.stdout.String(), "hello\n"; got != want {
		t.Errorf("got stdout %q, want %q", got, want)
	}
	if got, want := r.stderr.String(), "web1\n"; got != want {
		t.Errorf("got stderr %q, want %q", got, want)
	}
	if !r.OutputComplete {
		t.Error("got incomplete output, want complete")
	}
	if r.Address == "" || r.Address != r.address {
		t.Errorf("got address %q in the report and %q in Starting, want the same", r.Address, r.address)
	}
	if r.Dial <= 0 || r.Login <= 0 || r.Command <= 0 {
		t.Errorf("got dial %v, login %v, command %v, want all positive", r.Dial, r.Login, r.Command)
	}
	b.exec(t.Context(), 0, "exit 7").wantExit(t, fanout.Exit{Code: 7})
	if n := len(b.fleet.Conns()); n != 1 {
		t.Errorf("got %d connections for two attempts, want 1", n)
	}
}
