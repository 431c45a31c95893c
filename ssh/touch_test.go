package ssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tutti/fanout"
)

// tokenAgent is an agent that has a key in a token, which it signs with as
// tokens do.
type tokenAgent struct {
	agent.Agent
	private ed25519.PrivateKey
	public  gossh.PublicKey
}

const tokenKind = gossh.KeyAlgoSKED25519

func newTokenAgent(t *testing.T) *tokenAgent {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := gossh.ParsePublicKey(gossh.Marshal(struct {
		Kind string
		Key  []byte
		App  string
	}{tokenKind, public, "ssh:"}))
	if err != nil {
		t.Fatal(err)
	}
	return &tokenAgent{Agent: agent.NewKeyring(), private: private, public: key}
}

// List has the token's key and no other.
func (a *tokenAgent) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: tokenKind, Blob: a.public.Marshal(), Comment: "token"}}, nil
}

// Sign signs as a token does that has been touched.
func (a *tokenAgent) Sign(_ gossh.PublicKey, data []byte) (*gossh.Signature, error) {
	app, message := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	state := binary.BigEndian.AppendUint32([]byte{1}, 7) // touched; the counter
	signed := append(append(app[:], state...), message[:]...)
	return &gossh.Signature{Format: tokenKind, Blob: ed25519.Sign(a.private, signed), Rest: state}, nil
}

// TestTouches: keys in tokens log in, and are counted before they do.
func TestTouches(t *testing.T) {
	a, _ := newAgent(t, 0)
	token := newTokenAgent(t)
	a.Agent = token
	b := agentBench(t, 3, a, token.public)
	if got, want := b.Touches(), 3; got != want {
		t.Errorf("got %d touches, want %d", got, want)
	}
	b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})

	plain := newBench(t, nil, nil)
	if got := plain.Touches(); got != 0 {
		t.Errorf("got %d touches without a token, want 0", got)
	}
}
