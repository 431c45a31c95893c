package sanitize

import (
	"strings"
	"testing"
)

// TestShorten: what is too long loses its middle, and never a part of a
// character.
func TestShorten(t *testing.T) {
	long := "the beginning " + strings.Repeat("é", 500) + " the end"
	got := Line(long, 100)
	if len(got) > 100 || len(got) < 95 || !strings.HasPrefix(got, "the beginning é") || !strings.HasSuffix(got, "é the end") || !strings.Contains(got, " ... ") || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("got %d bytes %q, want both ends of it", len(got), got)
	}
}

// TestControlCharacters: what a terminal would obey is shown instead.
func TestControlCharacters(t *testing.T) {
	if got, want := Line("go\x1b[2J\n away\u202e", 100), "go^[[2J away\\u202e"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Text("one\ttwo\r\nthree\x07\n\n", 100), "one two\nthree^G"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
