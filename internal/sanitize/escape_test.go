package sanitize

import "testing"

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"plain é":                "plain é",
		"red\x1b[31m":            `red^[[31m`,
		"two\nlines\tand\u202eB": `two\nlines\tand\u202eB`,
		"it's '\x00'":            `it's '^@'`,
	} {
		if got := Escape(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
