package ssh

import (
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
	goknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
	"tutti/internal/keytest"
	"tutti/ssh/knownhosts"
)

func TestHostKeyDecides(t *testing.T) {
	first, second := fleet.NewKey(), keytest.ECDSA(t)
	swapped := fleet.NewKey()
	tests := []struct {
		name  string
		host  fleet.Host
		known func(address string) string
		mode  hostkeys.Mode
		want  []string // in the message; nil: the command runs
	}{
		{
			"known by the less knownhosts.Preferred type",
			fleet.Host{Name: "h", HostKey: first, MoreHostKeys: []gossh.Signer{second}},
			func(a string) string { return keytest.Line(a, second.PublicKey()) }, hostkeys.Strict, nil,
		},
		{
			"hashed, known by the less knownhosts.Preferred type",
			fleet.Host{Name: "h", HostKey: first, MoreHostKeys: []gossh.Signer{second}},
			func(a string) string {
				return keytest.Line(goknownhosts.HashHostname(a), second.PublicKey()) + keytest.Line(goknownhosts.HashHostname("x"), swapped.PublicKey())
			}, hostkeys.Strict, nil,
		},
		{
			"unknown",
			fleet.Host{Name: "h", HostKey: first},
			func(string) string { return "" }, hostkeys.Strict,
			[]string{"is unknown", gossh.FingerprintSHA256(first.PublicKey()), string(CauseKeyUnknown)},
		},
		{
			"changed",
			fleet.Host{Name: "h", HostKey: first},
			func(a string) string { return "# comment\n" + keytest.Line(a, swapped.PublicKey()) }, hostkeys.Strict,
			[]string{"CHANGED", gossh.FingerprintSHA256(first.PublicKey()), gossh.FingerprintSHA256(swapped.PublicKey()), "known_hosts:2"},
		},
		{
			"changed is no news to accept",
			fleet.Host{Name: "h", HostKey: first},
			func(a string) string { return keytest.Line(a, swapped.PublicKey()) }, hostkeys.AcceptNew,
			[]string{"CHANGED"},
		},
		{
			"another type is no news to accept",
			fleet.Host{Name: "h", HostKey: first},
			func(a string) string { return keytest.Line(a, second.PublicKey()) }, hostkeys.AcceptNew,
			[]string{"CHANGED"},
		},
		{
			"revoked",
			fleet.Host{Name: "h", HostKey: first},
			func(string) string { return "@revoked " + keytest.Line("*", first.PublicKey()) }, hostkeys.Off,
			[]string{"revoked"},
		},
		{
			"off",
			fleet.Host{Name: "h", HostKey: first},
			func(a string) string { return keytest.Line(a, swapped.PublicKey()) }, hostkeys.Off, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{tt.host}, nil)
			opts := b.opts
			e := opts.Endpoints[0]
			opts.Endpoints = []Endpoint{e}
			opts.Endpoints[0].HostKeys = tt.mode
			opts.KnownHosts = []string{keytest.KnownHosts(t, tt.known(knownhosts.Name(e.Address, e.Port)))}
			r := execOn(t.Context(), newClient(t, opts), b.targets[0], "x")
			if tt.want == nil {
				r.wantExit(t, fanout.Exit{})
				return
			}
			r.wantOp(t, fanout.OpHostKey, false)
			if strings.Contains(r.Failure.Message, "SHA256") {
				t.Errorf("got message %q, want none of what differs from host to host", r.Failure.Message)
			}
			for _, want := range tt.want {
				if !r.Failure.Final || !strings.Contains(r.Failure.Text()+" "+string(r.Failure.Cause), want) {
					t.Errorf("got %+v, want a final failure that says %q", *r.Failure, want)
				}
			}
			if strings.Contains(r.Failure.Message, "\n") {
				t.Errorf("got %q, want one line", r.Failure.Message)
			}
		})
	}
}
