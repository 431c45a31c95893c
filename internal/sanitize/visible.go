package sanitize

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ColourOff ends every colour.
const ColourOff = "\x1b[0m"

// maxSGR is the longest colour code that is let through, in bytes.
const maxSGR = 64

// Visible returns s with everything that a terminal would obey, and not show,
// made visible: ESC is ^[, a carriage return ^M, a byte that is not UTF-8 \x9b,
// a C1 or bidirectional control \u202e. So is what shows nothing, or nothing but
// a space, so that texts that differ look different: \u200b, \u00a0, \U000e0041.
// Newlines and tabs stay, and CRLF becomes a newline. Visible text comes back as
// it is.
func Visible(s string) string {
	if visible(s) {
		return s
	}
	var v Stream
	return string(v.Flush(v.Append(nil, []byte(s))))
}

// visible reports whether s needs no change; it may say no for one that does
// not.
func visible(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\n' && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}

// VisibleLine is [Visible] on one line, for names and messages.
func VisibleLine(s string) string {
	s = Visible(strings.TrimSpace(s))
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(s)
}

// A Stream is [Visible] for text that comes in chunks: how it is cut makes no
// difference to the result. The zero value is ready.
type Stream struct {
	// Colours lets colour codes (SGR) through, and ends them with the line.
	Colours bool

	pending []byte // an incomplete sequence at the end of a chunk
	colored bool   // a colour may be on
	midLine bool   // the line has something that a combining mark may belong to
}

// Append appends what can be said of src so far to dst.
func (v *Stream) Append(dst, src []byte) []byte {
	if len(v.pending) > 0 {
		src = append(v.pending, src...)
		v.pending = nil
	}
	for len(src) > 0 {
		if n := plain(src); n > 0 {
			dst = append(dst, src[:n]...)
			src = src[n:]
			v.midLine = true
			continue
		}
		var n int
		dst, n = v.special(dst, src)
		if n == 0 {
			v.pending = append(v.pending, src...)
			return dst
		}
		src = src[n:]
	}
	return dst
}

// Flush appends what was held back as incomplete, and leaves v as new.
func (v *Stream) Flush(dst []byte) []byte {
	for len(v.pending) > 0 {
		c := v.pending[0]
		switch {
		case c >= utf8.RuneSelf:
			dst = appendByte(dst, c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '^', c^0x40)
		default:
			dst = append(dst, c)
		}
		v.pending = v.pending[1:]
	}
	v.pending, v.midLine = nil, false
	return v.resetColor(dst)
}

// special appends the visible form of what src begins with, and returns how
// much of src that was; 0 if the end is needed to tell.
func (v *Stream) special(dst, src []byte) ([]byte, int) {
	c := src[0]
	switch {
	case c == '\n':
		v.midLine = false
		return append(v.resetColor(dst), '\n'), 1
	case c == '\r':
		if len(src) == 1 {
			return dst, 0
		}
		if src[1] == '\n' {
			return dst, 1
		}
	case c == 0x1b && v.Colours:
		switch n, ok := colorCode(src); {
		case ok && n == 0:
			return dst, 0
		case ok:
			v.colored = true
			return append(dst, src[:n]...), n
		}
	case c >= utf8.RuneSelf:
		return v.rune(dst, src)
	}
	v.midLine = true
	return append(dst, '^', c^0x40), 1
}

func (v *Stream) resetColor(dst []byte) []byte {
	if v.colored {
		v.colored = false
		dst = append(dst, ColourOff...)
	}
	return dst
}

// plain returns how many bytes at the start of src stand for themselves.
func plain(src []byte) int {
	for i, c := range src {
		if (c < ' ' && c != '\t') || c >= 0x7f {
			return i
		}
	}
	return len(src)
}

// rune appends the first rune of src, which is not ASCII, and returns its size;
// 0 if it is incomplete.
func (v *Stream) rune(dst, src []byte) ([]byte, int) {
	if !utf8.FullRune(src) {
		return dst, 0
	}
	r, size := utf8.DecodeRune(src)
	begins := !v.midLine
	v.midLine = true
	switch {
	case r == utf8.RuneError && size == 1:
		return appendByte(dst, src[0]), 1
	case Unseen(r), begins && unicode.Is(unicode.M, r): // a mark would join our prefix
		return appendEscape(dst, r), size
	}
	return append(dst, src[:size]...), size
}

// appendEscape appends r by its number.
func appendEscape(dst []byte, r rune) []byte {
	if r > 0xffff {
		return fmt.Appendf(dst, `\U%08x`, r)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}

func appendByte(dst []byte, c byte) []byte { return fmt.Appendf(dst, `\x%02x`, c) }

// Unseen reports whether r, which is not ASCII, steers a terminal, reorders
// text, or looks like a space or like nothing. It follows Unicode's own lists, which
// grow.
func Unseen(r rune) bool {
	switch {
	case r < 0x300: // C1, the space that does not break, the soft hyphen
		return r <= 0xa0 || r == 0xad
	case r > 0x3164 && r < 0xfdd0: // much of the text there is, and nothing Unseen
		return false
	case r == 0x3000: // the space of Chinese and Japanese, as wide as their characters
		return false
	case r == 0x2800: // a pattern of Braille without dots
		return true
	case unicode.In(r, unicode.Prepended_Concatenation_Mark): // formats that are seen
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Zs,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Noncharacter_Code_Point)
}

// colorCode returns the length of the SGR sequence at the start of src, which
// begins with ESC. ok with a length of 0 means that it may become one.
func colorCode(src []byte) (n int, ok bool) {
	for i, c := range src[:min(len(src), maxSGR)] {
		switch {
		case i == 0:
		case i == 1:
			if c != '[' {
				return 0, false
			}
		case c == 'm':
			return i + 1, true
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0, false
		}
	}
	return 0, len(src) < maxSGR
}
