// Package help gives commands their flags and the help about them: in groups, short or
// whole, through a pager; and completes the words that flags have.
package help

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/internal/terminal"
)

// A Group is a set of flags that help shows under one title.
type Group struct {
	Title string
	Add   func(*pflag.FlagSet)
}

// helpWidth is how wide the descriptions of flags may get.
const helpWidth = 100

// Set gives cmd the flags of groups and a help text that ends with
// exitStatus.
func Set(cmd *cobra.Command, exitStatus string, groups ...Group) {
	sets := make([]*pflag.FlagSet, len(groups))
	for i, g := range groups {
		sets[i] = pflag.NewFlagSet(g.Title, pflag.ContinueOnError)
		sets[i].SortFlags = false
		g.Add(sets[i])
		refuseEmptyFiles(sets[i])
		cmd.Flags().AddFlagSet(sets[i])
		completeFlags(cmd, sets[i])
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		out := cmd.OutOrStdout()
		if wantsShortHelp(args) {
			_, _ = io.WriteString(out, shortHelp(cmd, helpWidthOf(out)))
			return
		}
		showHelp(out, fullHelp(cmd, exitStatus, groups, sets, helpWidthOf(out)))
	})
}

// wantsShortHelp reports whether args, the words of the command line, ask for help
// by -h: --help and tutti help show all.
func wantsShortHelp(args []string) bool {
	return len(args) > 0 && !slices.Contains(args, "--help")
}

// helpWidthOf is how wide help may get on out.
func helpWidthOf(out io.Writer) int {
	if width := terminal.Width(terminalOf(out)); width > 0 {
		return min(helpWidth, width)
	}
	return helpWidth
}

// usedMost are the flags that -h shows of a command that has many.
var usedMost = []string{
	"inventory", "hosts", "exclude", "env", "sudo", "fanout", "timeout", "retries", "batch", "user", "ask-pass",
	"fold", "json", "quiet", "dry-run", "recursive", "preserve", "mode", "force", "tail",
}

// manyFlags is the number of flags from which -h leaves some out.
const manyFlags = 17

// shortHelp fits on a screen: the usage, an example, and the flags used most.
func shortHelp(cmd *cobra.Command, width int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\nUSAGE\n  %s\n", cmd.Short, cmd.UseLine())
	if cmd.HasExample() {
		example, _, _ := strings.Cut(cmd.Example, "\n")
		fmt.Fprintf(&b, "\nEXAMPLE\n%s\n", example)
	}
	writeCommands(&b, cmd)
	all, some := 0, pflag.NewFlagSet("", pflag.ContinueOnError)
	some.SortFlags = false
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			all++
		}
	})
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" && all < manyFlags {
			some.AddFlag(f)
		}
	})
	if all >= manyFlags {
		for _, name := range usedMost {
			if f := cmd.LocalFlags().Lookup(name); f != nil {
				some.AddFlag(f)
			}
		}
	}
	if some.HasFlags() {
		fmt.Fprintf(&b, "\nFLAGS\n%s", flagUsages(some, width))
	}
	fmt.Fprintf(&b, "\n%s --help shows everything.\n", cmd.CommandPath())
	return b.String()
}

// flagUsages is the library's, except that a word that may be left out is shown
// in brackets: --sudo[=USER].
func flagUsages(set *pflag.FlagSet, width int) string {
	shown := pflag.NewFlagSet("", pflag.ContinueOnError)
	shown.SortFlags = set.SortFlags
	var optional []string
	set.VisitAll(func(f *pflag.Flag) {
		one := *f
		if word, _ := pflag.UnquoteUsage(f); f.NoOptDefVal != "" && f.Value.Type() != "bool" {
			one.NoOptDefVal = ""
			optional = append(optional, "--"+f.Name+" "+word+"  ", "--"+f.Name+"[="+word+"]")
		}
		shown.AddFlag(&one)
	})
	return strings.NewReplacer(optional...).Replace(shown.FlagUsagesWrapped(width))
}

// leastNames is how wide the column with the names of commands is at least.
const leastNames = 12

func writeCommands(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	b.WriteString("\nCOMMANDS\n")
	width := leastNames
	for _, sub := range cmd.Commands() {
		width = max(width, len(sub.Name()))
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			fmt.Fprintf(b, "  %-*s %s\n", width, sub.Name(), sub.Short)
		}
	}
}

func fullHelp(cmd *cobra.Command, exitStatus string, groups []Group, sets []*pflag.FlagSet, width int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", cmd.Short)
	if cmd.Long != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(cmd.Long))
	}
	fmt.Fprintf(&b, "\nUSAGE\n  %s\n", cmd.UseLine())
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nEXAMPLES\n%s\n", cmd.Example)
	}
	writeCommands(&b, cmd)
	for i, set := range sets {
		fmt.Fprintf(&b, "\n%s\n%s", groups[i].Title, flagUsages(set, width))
	}
	fmt.Fprintf(&b, "\n%s\n", exitStatus)
	return b.String()
}

// ExitShort is the table of the commands that connect to nothing.
const ExitShort = `EXIT STATUS
  0  done
  1  local error (file, history, disk)
  2  usage error: flags, arguments, inventory, selector`

// Parent is a command that has others below it.
func Parent(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(commands...)
	Set(cmd, ExitShort)
	return cmd
}
