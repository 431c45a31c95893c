package cmd

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/internal/typed"
	"tutti/runner"
	"tutti/store"
)

const noFiles = cobra.ShellCompDirectiveNoFileComp

const (
	// completedRuns is how many runs are offered, the newest.
	completedRuns = 50
	// completionTime is how long an inventory that is a program may take: the operator
	// is waiting at the prompt.
	completionTime = 3 * time.Second
)

// shells are those whose completion is built in, with how to use it.
var shells = map[string]func(*cobra.Command, io.Writer) error{
	"bash": writeBashCompletion,
	"zsh":  writeZshCompletion,
	"fish": writeFishCompletion,
}

// newCompletionCmd makes tutti completion.
func newCompletionCmd(std Streams) *cobra.Command {
	names := slices.Sorted(maps.Keys(shells))
	cmd := &cobra.Command{
		Use:                   "completion bash|zsh|fish",
		DisableFlagsInUseLine: true,
		Short:                 "Print a shell completion script",
		Long: `Install the script where the shell reads it at startup: for bash, source it in
~/.bashrc, or save it as a file if bash-completion is installed; zsh needs
"autoload -U compinit; compinit" in ~/.zshrc.`,
		Example: `  echo 'source <(tutti completion bash)' >> ~/.bashrc
  tutti completion bash > ~/.local/share/bash-completion/completions/tutti
  tutti completion fish > ~/.config/fish/completions/tutti.fish
  tutti completion zsh > "${fpath[1]}/_tutti"
  source <(tutti completion bash)     for this shell only`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.FixedCompletions(names, noFiles),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return syntaxf("missing shell: want one of %s", strings.Join(names, ", "))
			}
			if len(args) > 1 {
				return syntaxf("only one shell can be given: unexpected %q", args[1])
			}
			write := shells[args[0]]
			if write == nil {
				err := syntaxf("no completion for %q: want one of %s", args[0], strings.Join(names, ", "))
				if near := nearest(args[0], names); near != "" {
					return hint(err, "did you mean "+near+"?")
				}
				return err
			}
			return write(cmd.Root(), std.Out)
		},
	}
	setHelp(cmd, exitHelpShort)
	return cmd
}

// isCompletion reports whether args ask for the completion of a word.
func isCompletion(args []string) bool {
	return len(args) >= 2 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
}

// plainUsages takes the marks of placeholders out of what is said of flags;
// completion shows it as it is.
func plainUsages(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	for _, sub := range cmd.Commands() {
		plainUsages(sub)
	}
}

// completeBehindSelector lets flags behind SELECTOR complete, in args that ask
// for that, as words reads them: they end at the first word of COMMAND.
func completeBehindSelector(root *cobra.Command, args []string) {
	cmd, rest, err := root.Find(args[1 : len(args)-1])
	if err != nil {
		return
	}
	names := 0 // before SELECTOR
	switch cmd.CommandPath() {
	case "tutti run", "tutti script", "tutti ping":
	case "tutti job add", "tutti job edit":
		names = 1
	default:
		return
	}
	f := cmd.Flags()
	begun := func() bool { return f.NArg() > 0 }
	// A flag that waits for its value is an error here, and no word either.
	err = f.Parse(rest)
	for i := 0; err == nil && begun() && (i < names || i == names && !f.Changed("hosts")); i++ {
		err = f.Parse(f.Args()[1:])
	}
	f.SetInterspersed(err != nil || !begun())
}

// completeRuns completes up to most numbers of runs, the newest first, with
// what they ran. A history that cannot be read completes nothing.
func completeRuns(std Streams, history *string, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, noFiles
		}
		var out []string
		for _, ref := range recentRuns(cmd.Context(), std, *history) {
			if strings.HasPrefix(ref.name, toComplete) && !slices.Contains(args, ref.name) {
				out = append(out, ref.name+"\t"+completedRun(ref.run))
			}
		}
		return out, noFiles | cobra.ShellCompDirectiveKeepOrder
	}
}

// A runRef is a run under a name by which it can be asked for.
type runRef struct {
	name string
	run  store.Run
}

// recentRuns are those that are offered; none, if the history cannot be read.
func recentRuns(ctx context.Context, std Streams, history string) []runRef {
	h := &runner.History{Path: history, Getenv: std.Getenv, Warn: func(string) {}}
	defer h.Close()
	s, err := h.ForReading(ctx)
	if err != nil {
		return nil
	}
	var refs []runRef
	if last, err := s.Run(ctx, "last", std.userName()); err == nil {
		refs = append(refs, runRef{"last", last})
	}
	runs, err := s.Runs(ctx, store.Query{Limit: completedRuns})
	if err != nil {
		return refs
	}
	for _, r := range runs {
		refs = append(refs, runRef{strconv.FormatInt(r.ID, 10), r})
	}
	return refs
}

// completedRun describes a run on a line.
func completedRun(r store.Run) string {
	return fmt.Sprintf("%s, on %s: %s", oneLine(commandOf(r), 60), oneLine(r.Selector, 30), oneLine(resultText(r), 60))
}

// completeFlags makes the flags in set complete their words. Where a flag takes
// neither words nor a file, nothing is offered.
func completeFlags(cmd *cobra.Command, set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if slices.Contains(itemFlags, f.Name) {
			return // see completeItemFlags
		}
		complete := cobra.NoFileCompletions
		if words, list := wordsFor(f.Value); len(words) > 0 {
			complete = completeWords(words, list)
		} else {
			switch placeholder, _ := pflag.UnquoteUsage(f); {
			case strings.HasPrefix(placeholder, "FILE"):
				return // what shells do by themselves
			case placeholder == "DIR":
				complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
			}
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
			panic(err) // a flag that is defined twice
		}
	})
}

// wordsFor are those that a flag's value is made of; none: it is made of others.
func wordsFor(v pflag.Value) (words []string, list bool) {
	if v, ok := v.(typed.Worded); ok {
		return v.Words()
	}
	return nil, false
}

// completeWords completes the word, or the last of a list.
func completeWords(words []string, list bool) cobra.CompletionFunc {
	if !list {
		return cobra.FixedCompletions(words, noFiles)
	}
	return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		before := toComplete[:strings.LastIndexByte(toComplete, ',')+1]
		var out []string
		for _, word := range words {
			if !slices.Contains(strings.Split(before, ","), word) && (word != "all" || before == "") {
				out = append(out, before+word)
			}
		}
		return out, noFiles | cobra.ShellCompDirectiveNoSpace
	}
}
