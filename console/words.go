package console

import (
	"strconv"
	"strings"

	"tutti/internal/phrase"
	"tutti/internal/quantity"
	"tutti/internal/sanitize"
)

// grouped is a number with its thousands apart: 9,951.
func grouped(n any) string {
	var text string
	switch n := n.(type) {
	case int:
		text = strconv.Itoa(n)
	case int64:
		text = strconv.FormatInt(n, 10)
	}
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural is a number of things: 1 host, 2 hosts.
func plural(n int, thing string) string {
	text := grouped(n) + " " + thing
	if n != 1 {
		text += "s"
	}
	return text
}

// size is a number of bytes, as people read it.
func size(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " bytes"
	}
	return quantity.FormatSize(n)
}

// firstLine is the first line of a command, and whether there is more.
func firstLine(text string) (line string, more bool) {
	line, _, more = strings.Cut(strings.TrimSpace(text), "\n")
	return line, more
}

// shellWord is a word that a shell reads as text.
func shellWord(text string) string { return phrase.ShellWord(text) }

// seen is text as it is shown: what steers a terminal, reorders text or cannot be seen is
// there by its name. What a form holds, or a button copies, is not changed so.
func seen(text string) string { return sanitize.Visible(text) }
