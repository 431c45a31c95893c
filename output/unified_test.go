package output

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	tests := []struct{ name, before, after, want string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"both empty", "", "", ""},
		{"from nothing", "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"to nothing", "a\n", "", "@@ -1 +0,0 @@\n-a\n"},
		{"one line", "4.2.0\n", "4.1.9\n", "@@ -1 +1 @@\n-4.2.0\n+4.1.9\n"},
		{"newline lost", "a\nb\n", "a\nb", "@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n"},
		{"newline won", "a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{
			"context", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nX\n6\n7\n8\n9\n",
			"@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n",
		},
		{
			"changes with six lines between are one hunk", "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
			"@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n",
		},
		{
			"with seven they are two", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "1\n2\n3\n4\n5\n6\n7\nB\n",
			"@@ -1,4 +1,3 @@\n-a\n 1\n 2\n 3\n@@ -6,4 +5,4 @@\n 5\n 6\n 7\n-b\n+B\n",
		},
		{"the fewest edits", "a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", "@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := unified(tt.before, tt.after)
			if got != tt.want || !ok {
				t.Errorf("got %q, %v, want %q", got, ok, tt.want)
			}
		})
	}
}

// Beyond the bound of edits texts are split at what both have once, so that a
// large change does not hide what stayed.
func TestUnifiedKeepsUniqueLines(t *testing.T) {
	var before, after strings.Builder
	for i := range 40 {
		fmt.Fprintf(&before, "section %d\n%s", i, strings.Repeat("old\n", 20))
		fmt.Fprintf(&after, "section %d\n%s", i, strings.Repeat("new\n", 20))
	}
	got, ok := unified(before.String(), after.String())
	if !ok || strings.Count(got, "\n section ") != 40 || strings.Count(got, "\n-old") != 800 {
		t.Errorf("got %d sections unchanged and %d lines gone, want 40 and 800",
			strings.Count(got, "\n section "), strings.Count(got, "\n-old"))
	}
}

// The worst cases take time and memory that grow with the lines, not with the
// product of both sides.
func TestUnifiedIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	shuffled := func(kinds int) string {
		var b strings.Builder
		for range 50_000 {
			fmt.Fprintln(&b, random.IntN(kinds))
		}
		return b.String()
	}
	for _, kinds := range []int{2, 1000, 100_000} {
		before, after := shuffled(kinds), shuffled(kinds)
		hunks, ok := unified(before, after)
		if !ok {
			t.Fatalf("%d kinds of lines: not compared", kinds)
		}
		if got := applied(t, before, hunks); got != after {
			t.Errorf("%d kinds of lines: the difference does not lead from one to the other", kinds)
		}
	}
	for name, text := range map[string]string{
		"lines": strings.Repeat("\n", maxDiffLines+1),
		"bytes": strings.Repeat("x", maxDiffBytes+1),
	} {
		if _, ok := unified("", text); ok {
			t.Errorf("too many %s: compared", name)
		}
		if _, ok := unified(text, ""); ok {
			t.Errorf("too many %s before: compared", name)
		}
	}
}

func TestIsBinary(t *testing.T) {
	for text, want := range map[string]bool{"": false, "a\tb\r\n\x1b[1m\xff": false, "a\x00b": true} {
		if got := isBinary(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// applied is before with hunks applied, as patch would without any fuzz.
func applied(tb testing.TB, before, hunks string) string {
	tb.Helper()
	old := textLines(before)
	var b strings.Builder
	at := 0
	take := func(line string) {
		if at >= len(old) || old[at] != line {
			tb.Fatalf("line %d of the text is not %q", at+1, line)
		}
		at++
	}
	lines := textLines(hunks)
	for i, line := range lines {
		text := line[1:]
		if i+1 < len(lines) && lines[i+1][0] == '\\' {
			text = strings.TrimSuffix(text, "\n")
		}
		switch line[0] {
		case '@':
			first, size := 0, 1
			if n, _ := fmt.Sscanf(line, "@@ -%d,%d", &first, &size); n < 1 {
				tb.Fatalf("header %q", line)
			}
			if size > 0 {
				first--
			}
			for at < first {
				b.WriteString(old[at])
				at++
			}
		case ' ':
			take(text)
			b.WriteString(text)
		case '-':
			take(text)
		case '+':
			b.WriteString(text)
		case '\\':
		default:
			tb.Fatalf("line %q is of no kind", line)
		}
	}
	return b.String() + strings.Join(old[at:], "")
}

// FuzzUnified: the hunks lead from one text to the other, and nothing is said
// about equal ones.
func FuzzUnified(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd")
	f.Add("", "\n\n")
	f.Add("x\nx\nx\ny\n", "y\nx\nx\n")
	f.Add("@@ -1 +1 @@\n-a\n+b\n", "\\ No newline at end of file\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		hunks, ok := unified(before, after)
		if !ok {
			t.Skip("too large")
		}
		if (hunks == "") != (before == after) {
			t.Fatalf("got %q for equal %v", hunks, before == after)
		}
		if got := applied(t, before, hunks); got != after {
			t.Fatalf("got %q, want %q, by %q", got, after, hunks)
		}
	})
}
