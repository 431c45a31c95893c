package client

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func address(tb testing.TB, text string) Address {
	tb.Helper()
	a, err := ParseAddress(text, true)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func TestKeyring(t *testing.T) {
	k := Keyring{Path: filepath.Join(t.TempDir(), "config", "tutti", "servers.yaml")}
	if all, err := k.Servers(); err != nil || all != nil {
		t.Errorf("got %v, %v of no file", all, err)
	}
	ops, lab := address(t, "https://ops.example"), address(t, "http://lab:80")
	first := Server{Token: `tutti_"a\b`, Name: "cli-x", User: "änn: #1", CA: "/etc/ca.pem"}
	if err := k.Put(ops, first); err != nil {
		t.Fatal(err)
	}
	if err := k.Put(lab, Server{Token: "tutti_b", Insecure: true}); err != nil {
		t.Fatal(err)
	}
	all, err := k.Servers()
	if want := map[string]Server{"https://ops.example": first, "http://lab": {Token: "tutti_b", Insecure: true}}; err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("got %+v, %v, want %+v", all, err, want)
	}
	info, err := os.Stat(k.Path)
	dir, dirErr := os.Stat(filepath.Dir(k.Path))
	if err != nil || dirErr != nil || info.Mode().Perm() != 0o600 || dir.Mode().Perm() != 0o700 {
		t.Errorf("got modes %v and %v", info.Mode(), dir.Mode())
	}
	if err := k.Remove(ops); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := k.Server(ops); ok || err != nil {
		t.Errorf("it is still there: %v", err)
	}
	if s, ok, err := k.Server(lab); !ok || err != nil || s.Token != "tutti_b" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// A file that others can read, or that is damaged, is refused without showing its tokens.
func TestBadKeyrings(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"open", "servers: {}", 0o644, "can be read by other users"},
		{"group", "servers: {}", 0o640, "can be read by other users"},
		{"damaged", "servers: {https://a: {token: tutti_secret", 0o600, "servers.yaml"},
		{"unknown", "servers: {https://a: {tokn: tutti_secret}}", 0o600, "servers.yaml"},
		{"something else", "tutti_secret", 0o600, "servers.yaml"},
		{"large", strings.Repeat("# tutti_secret\n", maxKeyring/10), 0o600, "larger"},
	} {
		path := filepath.Join(t.TempDir(), "servers.yaml")
		if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		_, err := Keyring{Path: path}.Servers()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if err := (Keyring{Path: path}).Put(address(t, "https://b"), Server{Token: "x"}); err == nil {
			t.Errorf("%s: it was written", tt.name)
		}
	}
}

func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		"tutti_abc\n": "tutti_abc", "  tutti_abc\r\n": "tutti_abc", "": "", "\n": "", "a b": "", "a\nb": "", "a\x00b": "", "ä": "", strings.Repeat("x", maxToken+1): "",
	} {
		if got, err := ReadToken(strings.NewReader(text)); got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q: got %.20q, %v", text, got, err)
		}
	}
	path := filepath.Join(t.TempDir(), "token")
	for mode, fine := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o644: false, 0o660: false, 0o602: false} {
		if err := os.WriteFile(path, []byte("tutti_abc"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if token, err := ReadTokenFile(path); (err == nil) != fine || fine != (token == "tutti_abc") || err != nil && strings.Contains(err.Error(), "tutti_abc") {
			t.Errorf("%v: got %q, %v", mode, token, err)
		}
		_ = os.Remove(path)
	}
}
