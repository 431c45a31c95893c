package ssh

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
)

// TestCauseOfRefusals: why a login was refused follows from what the host takes and
// what became of what we have, a row for each cause.
func TestCauseOfRefusals(t *testing.T) {
	tried := []*offer{{key: &key{public: mustParse(t, clearKey(t))}, tried: true}}
	unsigned := []*offer{{key: tried[0].key, tried: true, err: errors.New("no")}}
	expired := []*offer{{key: &key{public: &gossh.Certificate{Key: tried[0].key.public, ValidBefore: 1}}, tried: true}}
	secret := fanout.Secret(sesame)
	tests := []struct {
		name string
		a    authentication
		want fanout.Cause
	}{
		{"a key that it does not know", authentication{allowed: []string{byKey}, offers: tried}, CauseKeys},
		{"a key or a password", authentication{allowed: []string{byKey, byPassword}, offers: tried}, CauseKeysOrPassword},
		{"a key, or a password that ssh_config does not allow", authentication{allowed: []string{byKey, byPassword}, offers: tried, pass: passwordTry{ways: []string{byKey}}}, CauseKeys},
		{"no key to offer", authentication{allowed: []string{byKey}}, CauseNoKey},
		{"passwords only", authentication{allowed: []string{byPassword}, offers: tried}, CausePasswordWanted},
		{"no key to offer, and a password would do", authentication{allowed: []string{byKey, byAnswers}}, CauseNoKeyOrPassword},
		{"passwords only, which ssh_config does not allow", authentication{allowed: []string{byPassword}, offers: tried, pass: passwordTry{ways: []string{byKey}}}, CausePasswordBarred},
		{"answers only", authentication{allowed: []string{byAnswers}}, CausePasswordWanted},
		{"something else only", authentication{allowed: []string{"gssapi-with-mic"}, offers: tried}, CauseMethods},
		{"a wrong password", authentication{allowed: []string{byPassword}, pass: passwordTry{password: secret, sent: true}}, CausePassword},
		{"a password refused elsewhere", authentication{allowed: []string{byPassword}, pass: passwordTry{password: secret, withheld: errors.New("refused")}}, CausePassword},
		{"a password for any host", authentication{allowed: []string{byPassword}, pass: passwordTry{password: secret, withheld: errAnyHost}}, CauseAnyHost},
		{"the key taken, and another wanted", authentication{allowed: []string{byKey}, taken: []string{byKey}, offers: tried}, CauseMoreWanted},
		{"the key taken, and a password wanted", authentication{allowed: []string{byPassword}, taken: []string{byKey}, offers: tried}, CauseMoreWanted},
		{"the key taken, and answers wanted", authentication{allowed: []string{byAnswers}, taken: []string{byKey}, offers: tried}, CausePerson},
		{"a question for a person", authentication{allowed: []string{byAnswers}, asked: "Code:", pass: passwordTry{password: secret}}, CausePerson},
		{"an agent that does not sign", authentication{allowed: []string{byKey}, offers: unsigned}, CauseAgent},
		{"an expired certificate", authentication{allowed: []string{byKey}, offers: expired}, CauseCertificate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.cause(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// clearKey is the blob of a new public key.
func clearKey(tb testing.TB) []byte {
	tb.Helper()
	k, _ := userKey(tb)
	return k.PublicKey().Marshal()
}

// TestRefusalsAndCauses: a host's refusals, as it makes them, and what is said of
// them.
func TestRefusalsAndCauses(t *testing.T) {
	passwords, change := rawFailure(0, byPassword), append([]byte{60}, append(sshString("change it"), sshString("")...)...)
	tooMany := append(binary.BigEndian.AppendUint32([]byte{1}, 2), append(sshString("Too many authentication failures"), sshString("")...)...)
	accept := [][]byte{rawAccept}
	tests := []struct {
		name     string
		login    [][][]byte
		password string
		want     string
		cause    fanout.Cause
	}{
		{"passwords only", [][][]byte{accept, {passwords}}, "", "the host accepts only password", CausePasswordWanted},
		{"a wrong password", [][][]byte{accept, {passwords}, {passwords}}, sesame, "password rejected", CausePassword},
		{"an expired password", [][][]byte{accept, {passwords}, {change}}, sesame, "the password has expired", CausePasswordExpired},
		{"too many keys", [][][]byte{accept, {rawFailure(0, byKey)}, {tooMany}}, "", "Too many authentication failures", CauseTooManyKeys},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newRawBench(t, rawScript{login: rawAnswers(tt.login...)}, func(o *Options) { o.Password = fanout.Secret(tt.password) })
			r := b.exec(t.Context(), 0, "true")
			r.wantOp(t, fanout.OpLogin, false)
			if f := r.Failure; !strings.Contains(f.Message, tt.want) || f.Cause != tt.cause || !f.Final {
				t.Errorf("got %+v, want %q with cause %q", *f, tt.want, tt.cause)
			}
		})
	}
}

// TestDoubts: what is wrong with a certificate is said where it was refused.
func TestDoubts(t *testing.T) {
	public := mustParse(t, clearKey(t))
	soon, past := uint64(time.Now().Add(time.Hour).Unix()), uint64(time.Now().Add(-time.Hour).Unix()) //nolint:gosec // after 1970
	tests := []struct {
		name string
		cert gossh.PublicKey
		want string
	}{
		{"none", public, ""},
		{"good for ever", &gossh.Certificate{Key: public, ValidBefore: gossh.CertTimeInfinity}, ""},
		{"good for u", &gossh.Certificate{Key: public, ValidAfter: past, ValidBefore: soon, ValidPrincipals: []string{"v", "u"}}, ""},
		{"expired", &gossh.Certificate{Key: public, ValidBefore: 86400}, ", a certificate that expired at 1970-01-02T00:00:00Z"},
		{"not yet", &gossh.Certificate{Key: public, ValidAfter: 1 << 40, ValidBefore: gossh.CertTimeInfinity}, ", a certificate that is not valid before "},
		{"another's", &gossh.Certificate{Key: public, ValidBefore: soon, ValidPrincipals: []string{"root", "w"}}, ", a certificate for root, w"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := &key{public: tt.cert}
			if got := k.doubt("u"); !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDisconnectMessage: what a host says when it disconnects is quoted with the
// loss.
func TestDisconnectMessage(t *testing.T) {
	b := newRawBench(t, rawScript{login: func(h *rawHost) error {
		for _, answer := range [][]byte{rawAccept, rawSuccess, channelOpen, channelDone} {
			if _, err := h.read(); err != nil {
				return err
			}
			if err := h.write(answer...); err != nil {
				return err
			}
		}
		bye := append(binary.BigEndian.AppendUint32([]byte{1}, 11), append(sshString("going down for\nmaintenance"), sshString("")...)...)
		return h.write(bye...)
	}}, nil)
	r := b.exec(t.Context(), 0, "sleep 9")
	r.wantOp(t, fanout.OpConnection, true)
	if want := `; the host said "going down for maintenance"`; !strings.HasSuffix(r.Failure.Message, want) {
		t.Errorf("got %q, want it to end with %q", r.Failure.Message, want)
	}
}

// channelOpen confirms the first channel, with room for 32 KiB, and channelDone a
// request on it.
var (
	channelOpen = bytes.Join([][]byte{{91}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 128, 0}, {0, 0, 128, 0}}, nil)
	channelDone = []byte{99, 0, 0, 0, 0}
)

// TestNoCommon: the host's algorithms come first.
func TestNoCommon(t *testing.T) {
	e := &gossh.AlgorithmNegotiationError{RequestedAlgorithms: []string{"old1", "old2"}, SupportedAlgorithms: []string{"new1"}}
	if got := noCommon(e); !strings.Contains(got, "the host offers old1, old2; tutti accepts new1") {
		t.Errorf("got %q, want the host's algorithms first", got)
	}
}

// TestHintIsThatOfItsHost: a failure that several hosts share is left as it is, and one
// without a cause has no hint.
func TestHintIsThatOfItsHost(t *testing.T) {
	h := hinter(func(host string, cause fanout.Cause) string { return host + " " + string(cause) })
	shared := &fanout.Failure{Op: fanout.OpJump, Cause: CausePort}
	if got, want := h.about("web1", shared).Hint, "web1 port_closed"; got != want || shared.Hint != "" {
		t.Errorf("got %q, and %q for others, want %q, and none", got, shared.Hint, want)
	}
	plain := &fanout.Failure{Op: fanout.OpConnection}
	if h.about("web1", plain) != plain || h.about("web1", nil) != nil || hinter(nil).about("web1", shared) != shared {
		t.Error("got another failure where there is nothing to say")
	}
}
