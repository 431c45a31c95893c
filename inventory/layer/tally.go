package layer

import (
	"fmt"

	"tutti/internal/hostlist"
)

// A Tally counts for the readers of all files together: the names that they have used
// up, and their warnings.
type Tally struct {
	// Warnings are about what was read and is ignored, a line each.
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
