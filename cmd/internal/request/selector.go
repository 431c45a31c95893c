package request

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"tutti/cmd/internal/cli"
	"tutti/internal/fault"
	"tutti/internal/phrase"
	"tutti/runner"
)

// Choose loads the inventory and selects from it.
func Choose(ctx context.Context, std cli.Streams, o *Options, selector string, history *runner.History) (*runner.Selection, error) {
	o.Runs = earlierRuns(std, history)
	return std.Env().Choose(ctx, &o.Request, &o.Lookup, selector)
}

// earlierRuns are those of history.
func earlierRuns(std cli.Streams, history *runner.History) runner.EarlierRuns {
	return runner.EarlierRuns{Open: history.ForReading, User: std.UserName()}
}

// OneSelector refuses more than one argument.
func OneSelector(_ *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return fault.Hint(fault.Syntaxf("one SELECTOR at a time: unexpected %q", args[1]), "separate items with commas: "+phrase.ShellWord(strings.Join(args, ",")))
}

// SelectorHelp is the part of help that every command with a SELECTOR shows.
const SelectorHelp = `A SELECTOR is a list of items, separated by commas:
  web, web01.fra       a group or a host
  all                  every host
  web[01-20].fra       a range; db[1-3/2] with steps, db[1,3] as a list
  web*, ~^web\d+\.     host names by wildcard or regular expression
  dc=fra, role!=primary   a label
  @FILE                the items in a file, one per line
  run:142, run:last:failed   the hosts of an earlier run
  &ITEM, !ITEM         keep only, or exclude, the hosts of another item,
                       which must be in the inventory`
