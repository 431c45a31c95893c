package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tutti/store"
)

// tellDayRule says once, in that place, which of the stored jobs fire on fewer
// days than under earlier versions, which took either of two day fields for
// enough also where one begins with *.
func tellDayRule(ctx context.Context, s *store.Store, in store.Place, say func(string)) error {
	untold, err := s.Untold(ctx, in)
	if err != nil || len(untold) == 0 {
		return err
	}
	jobs, err := s.Kept(ctx)
	if err != nil {
		return err
	}
	var names []string
	for i := range jobs {
		k := &jobs[i]
		if k.Broken != nil || !slices.Contains(untold, k.ID) {
			continue
		}
		if t, err := k.Timing(k.UpdatedAt); err == nil && t.Schedule.BothDays() {
			names = append(names, k.Name)
		}
	}
	if len(names) > 0 {
		say(fmt.Sprintf("%s (%s): day of month and day of week now both have to match, since one of the two begins with *; until this version either did. `tutti job next NAME` shows the days",
			count(len(names), "job"), oneLine(strings.Join(names, ", "), maxDiffLine)))
	}
	return s.Told(ctx, in)
}
