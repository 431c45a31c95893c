package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/internal/yamltree"
)

// A flagGroup is a set of flags that help shows under one title.
type flagGroup struct {
	title string
	add   func(*pflag.FlagSet)
}

// helpWidth is how wide the descriptions of flags may get.
const helpWidth = 100

// setHelp gives cmd the flags of groups and a help text that ends with
// exitStatus.
func setHelp(cmd *cobra.Command, exitStatus string, groups ...flagGroup) {
	sets := make([]*pflag.FlagSet, len(groups))
	for i, g := range groups {
		sets[i] = pflag.NewFlagSet(g.title, pflag.ContinueOnError)
		sets[i].SortFlags = false
		g.add(sets[i])
		cmd.Flags().AddFlagSet(sets[i])
		completeFlags(cmd, sets[i])
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		writeHelp(cmd.OutOrStdout(), cmd, exitStatus, groups, sets)
	})
}

func writeHelp(w io.Writer, cmd *cobra.Command, exitStatus string, groups []flagGroup, sets []*pflag.FlagSet) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", cmd.Short)
	if cmd.Long != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(cmd.Long))
	}
	fmt.Fprintf(&b, "\nUSAGE\n  %s\n", cmd.UseLine())
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nEXAMPLES\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCOMMANDS\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(&b, "  %-12s %s\n", sub.Name(), sub.Short)
			}
		}
	}
	for i, set := range sets {
		fmt.Fprintf(&b, "\n%s\n%s", groups[i].title, set.FlagUsagesWrapped(helpWidth))
	}
	fmt.Fprintf(&b, "\n%s\n", exitStatus)
	_, _ = io.WriteString(w, b.String())
}

// newHelpCmd is root's help command; the one that cobra brings does not mind a
// command that does not exist.
func newHelpCmd(root *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Say more about a command",
		Example: "  tutti help run",
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, sub := range root.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name()+"\t"+sub.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, strings.Join(args, " "))
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
	setHelp(cmd, exitHelpShort)
	return cmd
}

// nearestFlag is the long flag of cmd whose name is most like name, empty if
// none is.
func nearestFlag(cmd *cobra.Command, name string) string {
	name, _, _ = strings.Cut(name, "=")
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return nearest(name, names)
}

// nearest is the word of known that is most like word, empty if none is.
func nearest(word string, known []string) string { return yamltree.Nearest(word, known) }
