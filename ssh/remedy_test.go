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

// TestRemedyOfRefusals: what to do about a refused login follows from what the
// host takes and what became of what we have, a row for each cause.
func TestRemedyOfRefusals(t *testing.T) {
	tried := []*offer{{key: &key{public: mustParse(t, clearKey(t))}, tried: true}}
	unsigned := []*offer{{key: tried[0].key, tried: true, err: errors.New("no")}}
	expired := []*offer{{key: &key{public: &gossh.Certificate{Key: tried[0].key.public, ValidBefore: 1}}, tried: true}}
	secret := fanout.Secret(sesame)
	tests := []struct {
		name string
		a    authentication
		want string
	}{
		{"a key that it does not know", authentication{allowed: []string{byKey}, offers: tried}, remedyKeys},
		{"a key or a password", authentication{allowed: []string{byKey, byPassword}, offers: tried}, remedyKeys},
		{"no key to offer", authentication{allowed: []string{byKey}}, remedyNoKey},
		{"passwords only", authentication{allowed: []string{byPassword}, offers: tried}, remedyAskPass},
		{"answers only", authentication{allowed: []string{byAnswers}}, remedyAskPass},
		{"something else only", authentication{allowed: []string{"gssapi-with-mic"}, offers: tried}, remedyMethods},
		{"a wrong password", authentication{allowed: []string{byPassword}, pass: passwordTry{password: secret, sent: true}}, remedyPassword},
		{"a password refused elsewhere", authentication{allowed: []string{byPassword}, pass: passwordTry{password: secret, withheld: errors.New("refused")}}, remedyPassword},
		{"a password for any host", authentication{allowed: []string{byPassword}, pass: passwordTry{password: secret, withheld: errAnyHost}}, remedyAnyHost},
		{"the key taken, and another wanted", authentication{allowed: []string{byKey}, taken: []string{byKey}, offers: tried}, remedyAnotherKey},
		{"the key taken, and a password wanted", authentication{allowed: []string{byPassword}, taken: []string{byKey}, offers: tried}, remedyAnotherKey},
		{"the key taken, and answers wanted", authentication{allowed: []string{byAnswers}, taken: []string{byKey}, offers: tried}, remedyPerson},
		{"a question for a person", authentication{allowed: []string{byAnswers}, asked: "Code:", pass: passwordTry{password: secret}}, remedyPerson},
		{"an agent that does not sign", authentication{allowed: []string{byKey}, offers: unsigned}, remedyAgent},
		{"an expired certificate", authentication{allowed: []string{byKey}, offers: expired}, remedyCertificate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.remedy(); got != tt.want {
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

// TestAdvice: remedies are said in the words of the command line.
func TestAdvice(t *testing.T) {
	known := func(name string) bool { return name == "app1" }
	adHoc := Advice{Selection: "-w app1", AdHoc: true, Known: known}
	named := Advice{Selection: "'web,!web1'"}
	tests := []struct {
		name   string
		advice Advice
		host   string
		hint   string
		want   string
	}{
		{"general", Advice{}, "a", remedyUnknown, remedyUnknown},
		{"trust after -w", adHoc, "app1", remedyUnknown, strings.Replace(remedyUnknown, "SELECTOR", "-w app1", 1)},
		{"trust --update", named, "web2", remedyChanged, strings.Replace(remedyChanged, "SELECTOR", "'web,!web1'", 1)},
		{"the keys first", named, "web2", remedyAnyHost, "add the hosts' keys first: tutti trust 'web,!web1'"},
		{"a name that the inventory knows", adHoc, "app1", remedyName, remedyKnownName},
		{"a name that it does not know", adHoc, "app2", remedyName, remedyNameAdHoc},
		{"a name without an inventory", Advice{AdHoc: true}, "app1", remedyName, remedyNameAdHoc},
		{"a name of the inventory", named, "web2", remedyName, remedyName},
		{"the resolver", adHoc, "app1", remedyResolver, remedyResolverAdHoc},
		{"the resolver, of the inventory", named, "web2", remedyResolver, remedyResolver},
		{"the port", adHoc, "app1", remedyRefused, remedyRefusedAdHoc},
		{"the port, of the inventory", named, "web2", remedyRefused, remedyRefused},
		{"no advice", adHoc, "app1", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fanout.Failure{Hint: tt.hint}
			if got := tt.advice.about(tt.host, f); got.Hint != tt.want || f.Hint != tt.hint {
				t.Errorf("got %q, and %q for others, want %q, and %q", got.Hint, f.Hint, tt.want, tt.hint)
			}
		})
	}
	if got := adHoc.about("app1", nil); got != nil {
		t.Errorf("got %+v, want no failure", got)
	}
}

// TestRefusalsAndRemedies: a host's refusals, as it makes them, and what is said
// and advised.
func TestRefusalsAndRemedies(t *testing.T) {
	passwords, change := rawFailure(0, byPassword), append([]byte{60}, append(sshString("change it"), sshString("")...)...)
	tooMany := append(binary.BigEndian.AppendUint32([]byte{1}, 2), append(sshString("Too many authentication failures"), sshString("")...)...)
	accept := [][]byte{rawAccept}
	tests := []struct {
		name       string
		login      [][][]byte
		password   string
		want, hint string
	}{
		{"passwords only", [][][]byte{accept, {passwords}}, "", "the host takes only password; --ask-pass asks you for a password", remedyAskPass},
		{"a wrong password", [][][]byte{accept, {passwords}, {passwords}}, sesame, "the password was refused", remedyPassword},
		{"an expired password", [][][]byte{accept, {passwords}, {change}}, sesame, "the password has expired", remedyExpired},
		{"too many keys", [][][]byte{accept, {rawFailure(0, byKey)}, {tooMany}}, "", "Too many authentication failures", remedyTooMany},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newRawBench(t, rawScript{login: rawAnswers(tt.login...)}, func(o *Options) { o.Password = fanout.Secret(tt.password) })
			r := b.exec(t.Context(), 0, "true")
			r.wantOp(t, fanout.OpLogin, false)
			if f := r.Failure; !strings.Contains(f.Message, tt.want) || f.Hint != tt.hint || !f.Final {
				t.Errorf("got %+v, want %q with hint %q", *f, tt.want, tt.hint)
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

// TestFarewell: what a host says when it hangs up on a command is told with the
// loss.
func TestFarewell(t *testing.T) {
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
	if got := noCommon(e); !strings.Contains(got, "the host offers old1, old2; wanted is one of new1") {
		t.Errorf("got %q, want the host's algorithms first", got)
	}
}
