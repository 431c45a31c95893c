package client

import (
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"
)

func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		text     string
		insecure bool
		want     string // empty: it is refused
	}{
		{"https://ops.example", false, "https://ops.example"},
		{"https://OPS.example:443/", false, "https://ops.example"},
		{"https://ops.example:8420", false, "https://ops.example:8420"},
		{"https://[2001:DB8::1]:443", false, "https://[2001:db8::1]"},
		{"http://127.0.0.1:8420", false, "http://127.0.0.1:8420"},
		{"http://[::1]:80", false, "http://[::1]"},
		{"http://localhost", false, "http://localhost"},
		{"http://ops.example", false, ""},
		{"http://ops.example", true, "http://ops.example"},
		{"http://127.0.0.1.evil.example", false, ""},
		{"http://localhost.evil.example", false, ""},
		{"/run/tutti/../tutti/api.sock", false, "unix:///run/tutti/api.sock"},
		{"unix:///run/api.sock", false, "unix:///run/api.sock"},
		{"unix:/run/api.sock", false, "unix:///run/api.sock"},
		{"unix:api.sock", false, ""},
		{"api.sock", false, ""},
		{"", false, ""},
		{"ops.example:8420", false, ""},
		{"ftp://ops.example", false, ""},
		{"https://ann:hunter2@ops.example", false, ""},
		{"https://tutti_secret@ops.example", false, ""},
		{"https://ops.example/tutti", false, "https://ops.example/tutti"},
		{"https://OPS.example:443/a/tutti//", false, "https://ops.example/a/tutti"},
		{"https://ops.example/a/../tutti", false, ""},
		{"https://ops.example/a//tutti", false, ""},
		{"https://ops.example/a%2ftutti", false, ""},
		{"https://ops.example/tutti?token=x", false, ""},
		{"https://ops.example?token=x", false, ""},
		{"https://ops.example#x", false, ""},
		{"https://ops.example:0", false, ""},
		{"https://ops.example:hunter2", false, ""},
		{"https://:8420", false, ""},
		{"https://ops.exa\x1bmple", false, ""},
	} {
		a, err := ParseAddress(tt.text, tt.insecure)
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%q: got %s, want an error", tt.text, a)
		case tt.want == "" && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secret")):
			t.Errorf("%q: a secret is in %v", tt.text, err)
		case tt.want != "" && (err != nil || a.String() != tt.want):
			t.Errorf("%q: got %s, %v, want %s", tt.text, a, err, tt.want)
		}
		if err == nil {
			if again, err := ParseAddress(a.String(), tt.insecure); err != nil || again.String() != a.String() {
				t.Errorf("%q: %s is read as %s, %v", tt.text, a, again, err)
			}
		}
	}
}
