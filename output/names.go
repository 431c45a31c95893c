package output

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tutti/internal/sanitize"
)

// maxNames bounds the names on one line of a report, in bytes.
const maxNames = 400

// A member is a host in a list that is put in the order of the plan later.
type member struct {
	index int
	name  string
}

// sortedNames is the names of members, each once, in the order of the plan.
func sortedNames(members []member) []string {
	sorted := slices.Clone(members)
	slices.SortFunc(sorted, func(a, b member) int { return cmp.Compare(a.index, b.index) })
	sorted = slices.Compact(sorted)
	names := make([]string, len(sorted))
	for i, m := range sorted {
		names[i] = m.name
	}
	return names
}

// foldNames writes names with fold, or with commas if it is nil.
func foldNames(fold func([]string) string, names []string) string {
	if fold == nil {
		return strings.Join(names, ",")
	}
	return fold(names)
}

// briefNames folds as many of names as fit on a line of a report.
func briefNames(fold func([]string) string, names []string) string {
	shown := len(names)
	text := sanitize.VisibleLine(foldNames(fold, names))
	for len(text) > maxNames && shown > 1 {
		shown = max(1, min(shown/2, shown*maxNames/len(text)))
		text = sanitize.VisibleLine(foldNames(fold, names[:shown]))
	}
	if shown < len(names) {
		text += fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return text
}

// hostsText counts hosts in words.
func hostsText(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}

// moreHosts counts hosts that are left out of a list.
func moreHosts(n int) string {
	if n == 1 {
		return "1 more host"
	}
	return fmt.Sprintf("%d more hosts", n)
}
