package hostlist

import (
	"strconv"
	"strings"
	"unicode"
)

// ValidName reports whether text is made of the characters of names.
func ValidName(text string) bool {
	for i := range len(text) {
		if !NameChar(text[i]) {
			return false
		}
	}
	return text != ""
}

// NameChar reports whether c may stand in a name.
func NameChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_' || c == '.' || c == ':' || c == '-'
}

// CheckName explains why text cannot be the name of a host or a group, or
// returns nil. A host's name may be an IPv6 address in brackets where that is
// allowed. The offset is that of the first bad character.
func CheckName(text string, brackets bool) *SyntaxError {
	if inner, ok := strings.CutPrefix(text, "["); ok && brackets {
		if inner, ok = strings.CutSuffix(inner, "]"); ok && IsIPv6(inner) {
			return nil
		}
	}
	switch {
	case text == "":
		return Errorf(0, "empty name")
	case len(text) > maxLiteral:
		return Errorf(0, "name longer than %d characters", maxLiteral)
	case text == "all":
		return Errorf(0, `the name "all" is reserved for every host`)
	case strings.HasPrefix(text, "run:"):
		return Errorf(0, `%q: names that begin with "run:" are reserved for earlier runs`, text)
	case text[0] == '-':
		return Errorf(0, "the name %q begins with a dash, like an option", text)
	case text == "." || text == "..":
		return Errorf(0, "the name %q means a directory", text)
	}
	for i, c := range text {
		if c > 0x7f || !NameChar(byte(c)) {
			return Errorf(i, "%q is not allowed in the name %s: want letters, digits and _ . : -", c, Quote(text))
		}
	}
	return nil
}

// compareNatural orders names as people do: runs of digits by their value, and
// by their length where the values are equal.
func compareNatural(a, b string) int {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if !isDigit(a[i]) || !isDigit(b[j]) {
			if a[i] != b[j] {
				return int(a[i]) - int(b[j])
			}
			i, j = i+1, j+1
			continue
		}
		da, db := digits(a[i:]), digits(b[j:])
		if c := compareDigits(da, db); c != 0 {
			return c
		}
		i, j = i+len(da), j+len(db)
	}
	return (len(a) - i) - (len(b) - j)
}

// digits is the run of digits that text begins with.
func digits(text string) string {
	i := 0
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return text[:i]
}

// compareDigits orders numbers of any length by value, then by length.
func compareDigits(a, b string) int {
	va, vb := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(va) != len(vb) {
		return len(va) - len(vb)
	}
	if c := strings.Compare(va, vb); c != 0 {
		return c
	}
	return len(a) - len(b)
}

// Printable is unchecked text made safe for a terminal.
func Printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// IsSpace reports whether c is white space.
func IsSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
