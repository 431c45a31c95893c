package sanitize

import "strings"

// Escape is [Visible] as one line in which nothing is lost: line breaks and tabs are
// written as \n and \t.
func Escape(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(Visible(text))
}
