package access

import (
	"regexp"
	"strings"
	"unicode"
)

var properName = regexp.MustCompile(`^[a-z0-9_][a-z0-9_.@-]*$`)

const maxName = 64

// CheckName is a [*ValueError] if no user, and no token, may have that name. Names are
// of small letters, so that no two of them look alike, and without a colon, which is
// in the names of principals that are no users.
func CheckName(what, name string) error {
	if len(name) > maxName || !properName.MatchString(name) {
		return &ValueError{What: what + " name", Text: clipped(name), Want: "at most 64 small letters, digits and _ . @ -, not starting with . @ or -"}
	}
	return nil
}

// CheckLoginName is a [*ValueError] if no user of a host may have that name, as far as
// it can be said here: it is empty, or has spaces or characters that cannot be seen.
func CheckLoginName(name string) error {
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }) {
		return &ValueError{What: "user of the hosts", Text: clipped(name), Want: "a name without spaces"}
	}
	return nil
}

// clipped is text, cut to the length of a name.
func clipped(text string) string {
	if runes := []rune(text); len(runes) > maxName {
		return string(runes[:maxName]) + "…"
	}
	return text
}
