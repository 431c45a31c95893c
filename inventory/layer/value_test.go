package layer

import (
	"testing"

	"tutti/internal/hostkeys"
)

func TestHostKeys(t *testing.T) {
	for _, k := range []hostkeys.Mode{hostkeys.Strict, hostkeys.AcceptNew, hostkeys.Off} {
		if got, err := hostkeys.Parse(k.String()); err != nil || got != k {
			t.Errorf("%v: got %v, %v", k, got, err)
		}
	}
	if _, err := hostkeys.Parse("Off"); err == nil {
		t.Error("Off with a capital: got no error")
	}
}

func TestParseAddress(t *testing.T) {
	tests := []struct{ in, want string }{
		{"10.0.0.1", "10.0.0.1"},
		{"db.example.com", "db.example.com"},
		{"::1", "::1"},
		{"[::1]", "::1"},
		{"fe80::1%eth0", "fe80::1%eth0"},
		{"[::1]:22", ""},
		{"10.0.0.1:22", ""},
		{"[10.0.0.1]", ""},
		{"-x", ""},
		{"a b", ""},
		{"a/b", ""},
		{"fe80::1%$(x)", ""},
	}
	for _, tt := range tests {
		if got, err := parseAddress(tt.in); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("parseAddress(%q): got %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}
