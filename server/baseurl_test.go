package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tutti/console"
	"tutti/server/operation"
)

func TestParseBaseURL(t *testing.T) {
	for text, want := range map[string][2]string{
		"https://ops.example":                {"https://ops.example", ""},
		"http://ops.example:8420/":           {"http://ops.example:8420", ""},
		"https://ops.example/tutti":          {"https://ops.example", "/tutti"},
		"https://ops.example/a/b.c-d_~/":     {"https://ops.example", "/a/b.c-d_~"},
		"ops.example":                        {},
		"ftp://ops.example":                  {},
		"https://ann:secret@ops.example":     {},
		"https://ops.example/tutti?x":        {},
		"https://ops.example/tutti?":         {},
		"https://ops.example/tutti#x":        {},
		"https://ops.example/a//b":           {},
		"https://ops.example/../b":           {},
		"https://ops.example/a%2fb":          {},
		"https://ops.example/a b":            {},
		"https://ops.example/a;path=/":       {},
		"https://ops.example/runs":           {},
		"https://ops.example/api/v1":         {},
		"https://ops.example/tutti\r\nSet:x": {},
	} {
		origin, prefix, err := ParseBaseURL(text)
		if want[0] == "" {
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: got %s %q, %v, want an error", text, origin, prefix, err)
			}
			continue
		}
		if err != nil || origin.String() != want[0] || prefix != want[1] {
			t.Errorf("%q: got %s %q, %v, want %q", text, origin, prefix, err, want)
		}
	}
}

// A path that begins as something that is served is refused as one of a base URL.
func TestOwnPaths(t *testing.T) {
	own := map[string]bool{"api": true, "problems": true}
	patterns := []string{"/task", "/job", "/worker", "/hosts"} // of server/compat
	for pattern := range (&console.Console{}).Pages() {
		patterns = append(patterns, pattern)
	}
	for pattern := range (&API{}).healthPages() {
		patterns = append(patterns, pattern)
	}
	for _, pattern := range patterns {
		_, path, _ := strings.Cut(pattern, "/")
		if first, _, _ := strings.Cut(path, "/"); first != "{$}" {
			own[first] = true
		}
	}
	for first := range own {
		if _, _, err := ParseBaseURL("https://ops.example/" + first); !errors.Is(err, errOwnPath) {
			t.Errorf("/%s: got %v", first, err)
		}
	}
	if len(own) != len(ownPaths) {
		t.Errorf("got %d of %q", len(own), ownPaths)
	}
}

// Over TLS a cookie for a path cannot be one for the whole host.
func TestCookieOfAPath(t *testing.T) {
	for prefix, want := range map[string]string{
		"":     "__Host-tutti=x; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax",
		"/ops": "__Secure-tutti=x; Path=/ops; Max-Age=604800; HttpOnly; Secure; SameSite=Lax",
	} {
		var got string
		h := operation.Below(prefix, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = sessionCookie(r, "x").String()
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "https://ops.example"+prefix+"/", nil))
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
