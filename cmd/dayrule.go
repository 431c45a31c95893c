package cmd

import (
	"fmt"
	"strings"
)

// maxNames bounds a list of names in a message, in characters.
const maxNames = 300

// fewerDaysText says which of the stored jobs fire on fewer days than under
// earlier versions.
func fewerDaysText(names []string) string {
	return fmt.Sprintf("%s (%s): day of month and day of week must now both match, because one of the two begins with *; before this version either was enough. `tutti job next NAME` shows the days",
		count(len(names), "job"), oneLine(strings.Join(names, ", "), maxNames))
}
