package ssh

import (
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/fleet"
)

// loginText is what a login by key signs.
func loginText(change func(m *loginMessage), blob []byte) []byte {
	m := loginMessage{Session: []byte("id"), Type: 50, User: "tester", Service: "ssh-connection", Method: "publickey", Signed: true, Algorithm: []byte("ssh-ed25519"), Key: blob}
	change(&m)
	return gossh.Marshal(m)
}

type loginMessage struct {
	Session   []byte
	Type      byte
	User      string
	Service   string
	Method    string
	Signed    bool
	Algorithm []byte
	Key       []byte
}

// TestLenderSignsLoginsOnly: what another process asks a signature for is a login with
// that key, and nothing else.
func TestLenderSignsLoginsOnly(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	l := NewLender(b.Client)
	loan, err := l.Lend([]int{0})
	if err != nil || len(loan.Keys) != 1 || len(loan.Endpoints) != 1 {
		t.Fatalf("got %+v, %v, want one key of one endpoint", loan, err)
	}
	blob := loan.Keys[0].Blob
	other := fleet.NewKey().PublicKey().Marshal()
	tests := []struct {
		name string
		data []byte
		key  int
		ok   bool
	}{
		{"login", loginText(func(*loginMessage) {}, blob), 0, true},
		{"another key", loginText(func(*loginMessage) {}, other), 0, false},
		{"no such key", loginText(func(*loginMessage) {}, blob), 1, false},
		{"another service", loginText(func(m *loginMessage) { m.Service = "other" }, blob), 0, false},
		{"another method", loginText(func(m *loginMessage) { m.Method = "hostbased" }, blob), 0, false},
		{"another message", loginText(func(m *loginMessage) { m.Type = 51 }, blob), 0, false},
		{"a query", loginText(func(m *loginMessage) { m.Signed = false }, blob), 0, false},
		{"more behind it", append(loginText(func(*loginMessage) {}, blob), 1), 0, false},
		{"a file", []byte("SSHSIG" + strings.Repeat("x", 100)), 0, false},
		{"nothing", nil, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signature, err := l.Sign(t.Context(), tt.key, tt.data, gossh.KeyAlgoED25519)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v, want ok: %v", err, tt.ok)
			}
			if !tt.ok {
				return
			}
			public, parseErr := gossh.ParsePublicKey(blob)
			s := new(gossh.Signature)
			if parseErr != nil || gossh.Unmarshal(signature, s) != nil || public.Verify(tt.data, s) != nil {
				t.Error("the signature is not good")
			}
		})
	}
}
