package shell

import (
	"fmt"
	"strings"
)

// request is a function of the agent and its arguments.
func request(function string, args ...string) string {
	var b strings.Builder
	b.WriteString(function)
	for _, arg := range args {
		b.WriteString(" " + quote(arg))
	}
	return b.String()
}

// quote makes s one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// octal writes s on one line, for printf %b.
func octal(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '\\' || c > '~' {
			fmt.Fprintf(&b, `\0%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// dashed is path as an operand that no program takes for an option.
func dashed(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// globbed is pattern as a shell expands it: quoted but for the characters of patterns.
func globbed(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*', '?', '[', ']':
			b.WriteByte(c)
		case '-', '!', '^':
			// They have a meaning within brackets, and none outside.
			b.WriteByte(c)
		default:
			b.WriteString(quote(pattern[i : i+1]))
		}
	}
	return dashed(b.String())
}
