package access

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	zero, err := NewToken(bytes.NewReader(make([]byte, 32)))
	if want := TokenPrefix + strings.Repeat("0", 43) + checksum(strings.Repeat("0", 43)); err != nil || zero.Reveal() != want {
		t.Errorf("got %q, %v, want %q", zero.Reveal(), err, want)
	}
	full, err := NewToken(bytes.NewReader(bytes.Repeat([]byte{255}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []Secret{zero, full} {
		text := token.Reveal()
		if len(text) != 55 {
			t.Errorf("got %d characters, want 55", len(text))
		}
		same, err := ParseToken(text)
		if err != nil || !same.Hash().Equal(token.Hash()) {
			t.Errorf("got %v, %v, want the same", same, err)
		}
		bads := []string{"", "tutti_", text + "0", text[:54], " " + text, text + "\n", strings.ToUpper(text), strings.Replace(text, "tutti", "other", 1), text[6:]}
		for i := len(TokenPrefix); i < len(text); i++ { // one wrong character anywhere
			for _, c := range "0z~" {
				if bad := text[:i] + string(c) + text[i+1:]; bad != text {
					bads = append(bads, bad)
				}
			}
		}
		for _, bad := range bads {
			got, err := ParseToken(bad)
			denied, ok := errors.AsType[*AuthError](err)
			if !ok || denied.Why != Damaged || got != (Secret{}) {
				t.Fatalf("%q: got %v, want it damaged", bad, err)
			}
			if len(bad) > len(TokenPrefix) && strings.Contains(err.Error(), bad) {
				t.Errorf("the error has the secret: %v", err)
			}
		}
	}
	if zero.Hash().Equal(full.Hash()) {
		t.Error("different tokens have the same hash")
	}
}

func TestBase62(t *testing.T) {
	for _, data := range [][]byte{{0, 0, 0, 0}, {0, 0, 0, 61}, {0, 0, 0, 62}, {255, 255, 255, 255}} {
		text := base62(data, 6)
		n := new(big.Int)
		for _, c := range text {
			n.Add(n.Mul(n, sixtyTwo), big.NewInt(int64(strings.IndexRune(digits62, c))))
		}
		if want := new(big.Int).SetBytes(data); n.Cmp(want) != 0 || len(text) != 6 {
			t.Errorf("%v: got %q, which is %s, want %s", data, text, n, want)
		}
	}
}

func TestSecretsHideThemselves(t *testing.T) {
	s, err := NewToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%v", struct{ S Secret }{s}), string(data), fmt.Errorf("%v", s).Error()} {
		if strings.Contains(text, s.Reveal()) || strings.Contains(text, s.Reveal()[6:]) {
			t.Errorf("got %s", text)
		}
	}
}

func TestSessionSecrets(t *testing.T) {
	s, err := NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if same, ok := ParseSecret(s.Reveal()); !ok || same != s {
		t.Error("it is not read as it was written")
	}
	for _, bad := range []string{"", s.Reveal()[1:], s.Reveal() + "0", strings.Repeat("~", 43)} {
		if got, ok := ParseSecret(bad); ok || got != (Secret{}) {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := NewSecret(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a secret of too few random bytes is made")
	}
}

// Only what was written is read.
func FuzzParseToken(f *testing.F) {
	f.Add("tutti_" + strings.Repeat("0", 49))
	s, err := NewToken(bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Reveal())
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseToken(text)
		if (err == nil) != (got.Reveal() == text && text != "") {
			t.Errorf("%q: got %q, %v", text, got.Reveal(), err)
		}
	})
}
