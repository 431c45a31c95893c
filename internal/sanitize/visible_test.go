package sanitize

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"text", "tabs\tand\nlines", "tabs\tand\nlines"},
		{"unicode", "naïve 日本 🎼", "naïve 日本 🎼"},
		{"replacement character", "\ufffd", "\ufffd"},
		{"csi", "\x1b[2J", "^[[2J"},
		{"osc 52", "\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"},
		{"dcs", "\x1bPq\x1b\\", "^[Pq^[\\"},
		{"crlf", "a\r\nb", "a\nb"},
		{"cr", "a\rb", "a^Mb"},
		{"cr at the end", "a\r", "a^M"},
		{"two cr", "a\r\r\n", "a^M\n"},
		{"nul and del", "\x00\x7f", "^@^?"},
		{"c1 as a byte", "\x9b31m", `\x9b31m`},
		{"c1 as a character", "\u009b31m", `\u009b31m`},
		{"bidi", "\u202e\u2066\u200f\u061c", `\u202e\u2066\u200f\u061c`},
		{"separators", "\u2028\u2029", `\u2028\u2029`},
		{"zero width", "a\u200bb\u200cc\u200dd\u2060e\u2064f\ufeffg", `a\u200bb\u200cc\u200dd\u2060e\u2064f\ufeffg`},
		{"soft hyphen and joiners", "a\u00adb\u034fc\u180ed", `a\u00adb\u034fc\u180ed`},
		{"fillers", "a\u115fb\u1160c\u3164d\uffa0e\u17b4f\u2800", `a\u115fb\u1160c\u3164d\uffa0e\u17b4f\u2800`},
		{"variation selectors", "a\ufe0fb\ufe00c\U000e0100", `a\ufe0fb\ufe00c\U000e0100`},
		{"tags", "a\U000e0001\U000e0041\U000e007f", `a\U000e0001\U000e0041\U000e007f`},
		{"deprecated and annotations", "a\u206a\u206f\ufff9\U0001d173\U0001bca0", `a\u206a\u206f\ufff9\U0001d173\U0001bca0`},
		{"spaces that are not one", "a\u00a0b\u2009c\u202fd\u205fe\u3000f\u1680", `a\u00a0b\u2009c\u202fd\u205fe` + "\u3000f" + `\u1680`},
		{"noncharacters", "a\ufdd0b\uffffc", `a\ufdd0b\uffffc`},
		{"marks", "e\u0301 ok\n\u0301\u0301a", "e\u0301 ok\n" + `\u0301` + "\u0301a"},
		{"mark at the start", "\u20dda", `\u20dda`},
		{"number signs", "\u0600\u06dd\u070f", "\u0600\u06dd\u070f"},
		{"cut character", "\xe2\x82", `\xe2\x82`},
		{"overlong", "\xc0\x9b", `\xc0\x9b`},
		{"surrogate", "\xed\xa0\x80", `\xed\xa0\x80`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Visible(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSanitizerColors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"colour", "\x1b[31mred\n", "\x1b[31mred\x1b[0m\n"},
		{"true colour", "\x1b[38:2::1:2:3mx", "\x1b[38:2::1:2:3mx\x1b[0m"},
		{"next line starts plain", "\x1b[1ma\nb\n", "\x1b[1ma\x1b[0m\nb\n"},
		{"cursor", "\x1b[31A", "^[[31A"},
		{"private mode", "\x1b[?25m", "^[[?25m"},
		{"other escape", "\x1bc", "^[c"},
		{"incomplete", "\x1b[31", "^[[31"},
		{"too long", "\x1b[" + strings.Repeat("1;", 40) + "m", "^[[" + strings.Repeat("1;", 40) + "m"},
		{"line in a colour", "\x1b[3\n1m", "^[[3\n1m"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Stream{Colours: true}
			if got := string(v.Flush(v.Append(nil, []byte(tt.in)))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzSanitizer(f *testing.F) {
	f.Add("a\x1b[31mb\x1b]0;t\x07\r\n\xe2\x82\xac\u202e\x9b", 3, true)
	f.Add("\x1b[", 1, true)
	f.Add("\r\r\n\xff\x00", 2, false)
	f.Fuzz(func(t *testing.T, in string, size int, colors bool) {
		size = max(1, size)
		whole := Stream{Colours: colors}
		want := whole.Flush(whole.Append(nil, []byte(in)))
		chunked := Stream{Colours: colors}
		var got []byte
		for rest := []byte(in); len(rest) > 0; {
			n := min(size, len(rest))
			got = chunked.Append(got, rest[:n])
			rest = rest[n:]
		}
		got = chunked.Flush(got)
		if !bytes.Equal(got, want) {
			t.Fatalf("in chunks of %d: got %q, want %q", size, got, want)
		}
		if colors {
			return
		}
		checkSafe(t, string(want))
		if again := Visible(string(want)); again != string(want) {
			t.Fatalf("again: got %q, want %q", again, want)
		}
		if Visible(in) != string(want) {
			t.Fatalf("Visible: got %q, want %q", Visible(in), want)
		}
	})
}

// checkSafe fails if a terminal would obey something in s.
func checkSafe(tb testing.TB, s string) {
	tb.Helper()
	if !utf8.ValidString(s) {
		tb.Fatalf("not UTF-8: %q", s)
	}
	const obeyed = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" +
		"\u00ad\u034f\u115f\u1160\u3164\u200b\u200c\u200d\u2060\u2064\ufeff\ufe0f\U000e0001\U000e0100"
	for _, r := range s {
		if (r < ' ' && r != '\n' && r != '\t') || (r >= 0x7f && r <= 0x9f) || strings.ContainsRune(obeyed, r) {
			tb.Fatalf("%U is left in %q", r, s)
		}
	}
}

func BenchmarkSanitizer(b *testing.B) {
	line := []byte(strings.Repeat("2026-03-04 05:06:07 host app[123]: something happened\n", 600))
	var v Stream
	dst := make([]byte, 0, 2*len(line))
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		dst = v.Append(dst[:0], line)
	}
}
