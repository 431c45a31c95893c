package access

import (
	"fmt"
	"strings"
	"testing"
)

func TestSigningSecrets(t *testing.T) {
	key := SigningKey{1, 2, 3}
	ann := ofUser(&User{ID: 3, Name: "ann", Role: Editor}, ViaSession)
	bob := ofUser(&User{ID: 4, Name: "bob", Role: Editor}, ViaSession)
	ci := ofToken(&Token{ID: 9, Name: "ci", Role: Viewer}, &User{ID: 3, Name: "ann", Role: Editor})
	own := ofToken(&Token{ID: 3, Name: "ci", Role: Viewer}, nil)
	peer := Principal{Name: "unix:ann", Via: ViaUnix}
	if a, b := key.Secret(ann.Subject()), key.Secret(ci.Subject()); a.Reveal() != b.Reveal() {
		t.Error("a user and its token have different secrets")
	}
	seen := map[string]bool{}
	for _, p := range []Principal{ann, bob, own, peer} {
		secret := key.Secret(p.Subject()).Reveal()
		if seen[secret] || !strings.HasPrefix(secret, SigningPrefix) || len(secret) != len(SigningPrefix)+secretDigits {
			t.Errorf("%s: got a secret of %d bytes that another has, or of another form", p.Name, len(secret))
		}
		seen[secret] = true
	}
	other := SigningKey{1, 2, 4}
	if seen[other.Secret(ann.Subject()).Reveal()] {
		t.Error("another key makes the same secret")
	}
	for _, text := range []string{fmt.Sprint(key), fmt.Sprint(&key), fmt.Sprintf("%v %+v %#v %x %s %d", key, &key, key, key, key, key)} {
		if strings.Contains(text, "010203") || strings.Contains(text, "1 2 3") || strings.Contains(text, "0x1") || !strings.Contains(text, "(secret)") {
			t.Errorf("the key prints itself: %s", text)
		}
	}
}
