package cli

import (
	"fmt"
	"strings"

	"tutti/internal/phrase"
)

// maxNames bounds a list of names in a message, in characters.
const maxNames = 300

// FewerDaysText says which of the stored jobs fire on fewer days than under
// earlier versions.
func FewerDaysText(names []string) string {
	return fmt.Sprintf("%s (%s): day of month and day of week must now both match, because one of the two begins with *; before this version either was enough. `tutti job next NAME` shows the days",
		phrase.Count(len(names), "job"), OneLine(strings.Join(names, ", "), maxNames))
}
