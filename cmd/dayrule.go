package cmd

import (
	"context"
	"fmt"
	"strings"

	"tutti/jobs"
	"tutti/store"
)

// tellDayRule says once, in that place, which of the stored jobs fire on fewer
// days than under earlier versions, which took either of two day fields for
// enough also where one begins with *.
func tellDayRule(ctx context.Context, s *jobs.Service, in store.Place, say func(string)) error {
	names, pending, err := s.FewerDays(ctx, in)
	if err != nil || !pending {
		return err
	}
	if len(names) > 0 {
		say(fmt.Sprintf("%s (%s): day of month and day of week now both have to match, since one of the two begins with *; until this version either did. `tutti job next NAME` shows the days",
			count(len(names), "job"), oneLine(strings.Join(names, ", "), maxDiffLine)))
	}
	return s.ToldFewerDays(ctx, in)
}
