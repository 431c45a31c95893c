package cmd

import (
	"context"
	"fmt"
	"strings"

	"tutti/cmd/internal/cli"
	"tutti/internal/terminal"
	"tutti/jobs"
	"tutti/scheduler"
)

// confirmRemovals asks before p removes every job, or most of many.
func confirmRemovals(ctx context.Context, p *jobs.Plan, yes bool) error {
	if yes || !p.RemovesMost() {
		p.Confirmed = yes
		return nil
	}
	removes := fmt.Sprintf("--prune removes %d of %s (%s)", len(p.Removed), count(p.All, "job"), cli.OneLine(removedNames(p.Removed), maxDiffLine))
	if !terminal.Attended() {
		return hint(usagef("%s, and there is no terminal to confirm it; nothing was changed", removes),
			"--dry-run shows what would be changed; --yes confirms it")
	}
	agreed, err := terminal.AskYes(ctx, removes+". Continue? [yes/no] ")
	if err == nil && !agreed {
		err = usagef("%s: not confirmed, nothing was changed", removes)
	}
	p.Confirmed = err == nil
	return err
}

func removedNames(removed []scheduler.StoredJob) string {
	names := make([]string, len(removed))
	for i := range removed {
		names[i] = removed[i].Name
	}
	return strings.Join(names, ", ")
}
