package cmd

import (
	"context"
	"fmt"
	"strings"

	"tutti/scheduler"
)

// fewJobs is how many jobs are too few for most of them to mean anything.
const fewJobs = 10

// removesMost reports whether p removes so many of all jobs that the file is
// more likely to be wrong, cut off or another one than the jobs are.
func (p *jobsPlan) removesMost(all int) bool {
	n := len(p.removed)
	return n > 0 && n == all || all >= fewJobs && 2*n > all
}

// confirmRemovals asks before p removes every one of all jobs, or most of many.
func confirmRemovals(ctx context.Context, p *jobsPlan, all int, yes bool) error {
	if yes || !p.removesMost(all) {
		return nil
	}
	removes := fmt.Sprintf("--prune removes %d of %s (%s)", len(p.removed), count(all, "job"), oneLine(removedNames(p.removed), maxDiffLine))
	if !hasTerminal() {
		return hint(usagef("%s, and there is no terminal to confirm that at; nothing was changed", removes),
			"--dry-run shows what would be changed; --yes confirms it")
	}
	agreed, err := askYes(ctx, removes+". Go on? [yes/no] ")
	if err == nil && !agreed {
		err = usagef("%s: not confirmed, nothing was changed", removes)
	}
	return err
}

func removedNames(jobs []scheduler.Kept) string {
	names := make([]string, len(jobs))
	for i := range jobs {
		names[i] = jobs[i].Name
	}
	return strings.Join(names, ", ")
}
