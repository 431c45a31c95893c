package ssh

import (
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
)

// TestUnreadableLogin: what the library cannot read in a login is reported as what it
// is, and neither as a refusal of keys nor for good, whatever it was an answer to.
func TestUnreadableLogin(t *testing.T) {
	banner := slices.Concat([]byte{53}, sshString("hello"), sshString("en"))
	bad := append(slices.Clone(banner), "behind"...)
	none, key := rawFailure(0, "publickey,password"), rawFailure(0, "publickey,password")
	accept := [][]byte{rawAccept}
	tests := []struct {
		name  string
		login [][][]byte
		want  string
	}{
		{"a banner before the first refusal", [][][]byte{accept, {bad, none}}, "a banner that cannot be read"},
		{"a short banner", [][][]byte{accept, {{53, 0, 0}, none}}, "a banner that cannot be read"},
		{"a banner with the answer to a key", [][][]byte{accept, {none}, {bad, key}}, "a banner that cannot be read"},
		{"a banner with the answer to the last key", [][][]byte{accept, {none}, {key}, {bad, key}}, "a banner that cannot be read"},
		{"a banner with the answer to a password", [][][]byte{accept, {none}, {key}, {key}, {bad, key}}, "a banner that cannot be read"},
		{"a refusal", [][][]byte{accept, {append(slices.Clone(none), 1, 2)}}, "a refusal that cannot be read"},
		{"a list of extensions", [][][]byte{{{7, 0, 0, 0, 9, 1}, rawAccept}}, "a list of extensions that cannot be read"},
		{"an answer about the service", [][][]byte{{{6, 0, 0, 0, 1}}}, "an answer about the service that cannot be read"},
		{"a global request", [][][]byte{accept, {slices.Concat([]byte{80}, sshString("x"), []byte{0})}}, "type 80, which has no place"},
		{"not implemented", [][][]byte{accept, {none}, {{3, 0, 0, 0, 4}}}, "type 3, which has no place"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, second := userKey(t)
			b := newRawBench(t, rawScript{login: rawAnswers(tt.login...)}, func(o *Options) {
				o.Endpoints[0].Identities = append(o.Endpoints[0].Identities, second)
				o.Password = fanout.Secret("secret")
			})
			r := b.exec(t.Context(), 0, "true")
			r.wantOp(t, fanout.OpLogin, false)
			f := r.Failure
			if !strings.Contains(f.Message, tt.want) || f.Final || f.Cause == CauseKeys || strings.Contains(f.Message, "key was offered") {
				t.Errorf("got %+v, want %q, not final, without advice about keys", *f, tt.want)
			}
		})
	}
}

// TestReadableLogin: what may stand between the answers is passed over, and a
// refusal is one.
func TestReadableLogin(t *testing.T) {
	banner := slices.Concat([]byte{53}, sshString("hello\xff"), sshString(""))
	ignore, debug := append([]byte{2}, sshString("x")...), slices.Concat([]byte{4, 1}, sshString("x"), sshString(""))
	extensions := slices.Concat([]byte{7, 0, 0, 0, 1}, sshString("x"), sshString("y"))
	refused := rawFailure(0, "publickey")
	b := newRawBench(t, rawScript{login: rawAnswers([][]byte{extensions, ignore, rawAccept}, [][]byte{banner, debug, banner, refused}, [][]byte{ignore, banner, refused})}, nil)
	r := b.exec(t.Context(), 0, "true")
	r.wantOp(t, fanout.OpLogin, false)
	if f := r.Failure; !strings.HasPrefix(f.Message, "refused for tester: tried ") || !f.Final {
		t.Errorf("got %+v, want a final refusal of the key", *f)
	}
}
