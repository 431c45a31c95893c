package sanitize

import (
	"strconv"
	"strings"
	"unicode"
)

// Escape writes what a terminal would obey as an escape sequence of Go, such as
// \x1b; line breaks and tabs too.
func Escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
