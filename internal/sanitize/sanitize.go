// Package sanitize makes text that a host sent fit to be shown: it reaches a
// terminal, a log or a report without control characters and, in messages, within
// bounds. There is one notation for what a terminal would obey; see [Visible].
package sanitize

import (
	"strings"
	"unicode/utf8"
)

// Line makes what a host sent fit for one line of a message: control
// and invisible characters become visible, and it is no longer than limit
// bytes, which the middle gives way to.
func Line(s string, limit int) string {
	return shorten(Visible(strings.Join(strings.Fields(strings.ToValidUTF8(shorten(s, limit), "\uFFFD")), " ")), limit)
}

// Text does the same for several lines.
func Text(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(Cut(s, limit), "\uFFFD"), "\r\n", "\n")
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = Cut(Visible(strings.ReplaceAll(l, "\t", " ")), limit)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n ")
}

// shorten takes from the middle of s what is over limit bytes: what matters most
// may stand at the end.
func shorten(s string, limit int) string {
	const gap = " ... "
	if len(s) <= limit || limit < 4*len(gap) {
		return Cut(s, limit)
	}
	head := Cut(s, (limit-len(gap))/2)
	tail := len(s) - (limit - len(gap) - len(head))
	for tail < len(s) && !utf8.RuneStart(s[tail]) {
		tail++
	}
	return head + gap + s[tail:]
}

// Cut shortens s to at most limit bytes, not in the middle of a character.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
