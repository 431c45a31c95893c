package output

import (
	"fmt"
	"strings"
)

// The limits of texts that are compared line by line. Larger texts are only reported
// as different: such a difference is too long to read, and memory and time need a
// bound.
const (
	maxDiffBytes = 8 << 20
	maxDiffLines = 200_000
)

// diffContext is how many unchanged lines stand around a change.
const diffContext = 3

// isBinary reports whether text has a NUL byte, as grep and git decide it.
func isBinary(text string) bool { return strings.IndexByte(text, 0) >= 0 }

// unified returns how after differs from before, as the hunks of a unified diff
// without the names above them; nothing if they are equal. It is not ok if one
// of them is too large to be compared line by line.
func unified(before, after string) (hunks string, ok bool) {
	if before == after {
		return "", true
	}
	for _, text := range []string{before, after} {
		if len(text) > maxDiffBytes || strings.Count(text, "\n") > maxDiffLines {
			return "", false
		}
	}
	a, b := textLines(before), textLines(after)
	pairs := pairLines(a, b)
	var w strings.Builder
	for rest := changesOf(pairs, len(a), len(b)); len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].a0-rest[n-1].a1 <= 2*diffContext {
			n++
		}
		writeHunk(&w, a, b, rest[:n])
		rest = rest[n:]
	}
	return w.String(), true
}

// textLines cuts text behind every newline; a last line may be without one.
func textLines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// A change replaces the lines a0 to a1, exclusive, by the lines b0 to b1 of the
// other text. One of the two may be empty.
type change struct{ a0, a1, b0, b1 int }

// changesOf is what lies between the lines that pairs keeps, see pairLines.
func changesOf(pairs []int32, a, b int) []change {
	var changes []change
	i, j := 0, 0
	for i < a || j < b {
		if i < a && int(pairs[i]) == j {
			i, j = i+1, j+1
			continue
		}
		c := change{a0: i, b0: j}
		for i < a && pairs[i] < 0 {
			i++
		}
		j = b
		if i < a {
			j = int(pairs[i])
		}
		c.a1, c.b1 = i, j
		changes = append(changes, c)
	}
	return changes
}

// writeHunk writes changes that are close together, with the lines around and
// between them.
func writeHunk(w *strings.Builder, a, b []string, changes []change) {
	first, last := changes[0], changes[len(changes)-1]
	lead := min(diffContext, first.a0)
	trail := min(diffContext, len(a)-last.a1)
	fmt.Fprintf(w, "@@ -%s +%s @@\n",
		lineRange(first.a0-lead, last.a1+trail), lineRange(first.b0-lead, last.b1+trail))
	at := first.a0 - lead
	for _, c := range changes {
		writeLines(w, ' ', a[at:c.a0])
		writeLines(w, '-', a[c.a0:c.a1])
		writeLines(w, '+', b[c.b0:c.b1])
		at = c.a1
	}
	writeLines(w, ' ', a[at:last.a1+trail])
}

// lineRange is the lines from first to end, exclusive and counted from 0, as a
// hunk's header has them: from 1, and an empty one by the line before it.
func lineRange(first, end int) string {
	switch end - first {
	case 0:
		return fmt.Sprintf("%d,0", first)
	case 1:
		return fmt.Sprint(end)
	}
	return fmt.Sprintf("%d,%d", first+1, end-first)
}

func writeLines(w *strings.Builder, mark byte, lines []string) {
	for _, line := range lines {
		w.WriteByte(mark)
		w.WriteString(line)
		if !strings.HasSuffix(line, "\n") {
			w.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
