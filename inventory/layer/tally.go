package layer

import (
	"fmt"

	"tutti/internal/hostlist"
)

// A Tally is what the readers of all files count together: the names that they have
// used up, and what they warn about.
type Tally struct {
	// Warnings are what was read and does not count, a line each.
	Warnings []string
	names    int
}

// Warnf adds a warning.
func (t *Tally) Warnf(format string, args ...any) {
	t.Warnings = append(t.Warnings, fmt.Sprintf(format, args...))
}

// Spend counts n more names, and reports whether that many are allowed.
func (t *Tally) Spend(n int) bool {
	if n > hostlist.MaxNames-t.names {
		return false
	}
	t.names += n
	return true
}
