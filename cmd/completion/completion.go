// Package completion completes words of the command line in shells: runs, hosts, groups and
// labels; and has the scripts for bash, zsh and fish.
package completion

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

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/internal/fault"
	"tutti/internal/yamltree"
	"tutti/runner"
	"tutti/store"
)

const noFiles = cobra.ShellCompDirectiveNoFileComp

const (
	// MaxRuns is how many runs are offered, the newest.
	MaxRuns = 50
	// Patience is how long an inventory that is a program may take: the operator
	// is waiting at the prompt.
	Patience = 3 * time.Second
)

// shells are those whose completion is built in, with how to use it.
var shells = map[string]func(*cobra.Command, io.Writer) error{
	"bash": writeBashCompletion,
	"zsh":  writeZshCompletion,
	"fish": writeFishCompletion,
}

// NewCmd makes tutti completion.
func NewCmd(std cli.Streams) *cobra.Command {
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
				return fault.Syntaxf("missing shell: want one of %s", strings.Join(names, ", "))
			}
			if len(args) > 1 {
				return fault.Syntaxf("only one shell can be given: unexpected %q", args[1])
			}
			write := shells[args[0]]
			if write == nil {
				err := fault.Syntaxf("no completion for %q: want one of %s", args[0], strings.Join(names, ", "))
				if near := yamltree.Nearest(args[0], names); near != "" {
					return fault.Hint(err, "did you mean "+near+"?")
				}
				return err
			}
			return write(cmd.Root(), std.Out)
		},
	}
	help.Set(cmd, help.ExitShort)
	return cmd
}

// Asked reports whether args ask for the completion of a word.
func Asked(args []string) bool {
	return len(args) >= 2 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
}

// PlainUsages takes the marks of placeholders out of what is said of flags;
// completion shows it as it is.
func PlainUsages(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	for _, sub := range cmd.Commands() {
		PlainUsages(sub)
	}
}

// BehindSelector lets flags behind SELECTOR complete, in args that ask
// for that, as words reads them: they end at the first word of COMMAND.
func BehindSelector(root *cobra.Command, args []string) {
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

// Runs completes up to most numbers of runs, the newest first, with
// what they ran. A history that cannot be read completes nothing.
func Runs(std cli.Streams, history *string, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, noFiles
		}
		var out []string
		for _, ref := range recentRuns(cmd.Context(), std, *history) {
			if strings.HasPrefix(ref.name, toComplete) && !slices.Contains(args, ref.name) {
				out = append(out, ref.name+"\t"+RunText(ref.run))
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
func recentRuns(ctx context.Context, std cli.Streams, history string) []runRef {
	var refs []runRef
	FromHistory(ctx, std, history, func(s store.Store) error {
		if last, err := s.Run(ctx, "last", std.UserName()); err == nil {
			refs = append(refs, runRef{"last", last})
		}
		runs, err := s.Runs(ctx, store.Query{Limit: MaxRuns})
		for _, r := range runs {
			refs = append(refs, runRef{strconv.FormatInt(r.ID, 10), r})
		}
		return err
	})
	return refs
}

// FromHistory calls read with the history at path, if it can be read. Nothing is said of
// errors: what could not be read completes nothing.
func FromHistory(ctx context.Context, std cli.Streams, path string, read func(store.Store) error) {
	h := &runner.History{Path: path, Getenv: std.Getenv, Warn: func(string) {}}
	defer h.Close()
	if s, err := h.ForReading(ctx); err == nil {
		_ = read(s) // see above
	}
}

// RunText describes a run on a line.
func RunText(r store.Run) string {
	return fmt.Sprintf("%s, on %s: %s", cli.OneLine(cli.CommandOf(r), 60), cli.OneLine(r.Selector, 30), cli.OneLine(cli.ResultText(r), 60))
}
