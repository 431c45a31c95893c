package cmd

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/completion"
	"tutti/cmd/internal/request"
	"tutti/internal/yamltree"
	"tutti/runner"
)

// firstWord refuses a first word that is no command, also in tutti help WORD, where the
// library would show root's help. If the word names hosts, it suggests run.
func firstWord(ctx context.Context, std Streams, root *cobra.Command, args []string) error {
	if len(args) == 0 || completion.Asked(args) {
		return nil
	}
	root.InitDefaultHelpCmd() // or help would be no command yet
	cmd, rest, err := root.Find(args)
	if err != nil || cmd != root || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil
	}
	if len(rest) == 2 && (rest[1] == "--help" || rest[1] == "-h") {
		rest = rest[:1]
	}
	if way := runWithout(ctx, std, rest); way != "" {
		return hint(syntaxf("unknown command %q", rest[0]), way)
	}
	return unknownCommand(root, rest[0])
}

// runWithout is the command line with run for words typed without it; empty if the
// first word names no hosts.
func runWithout(ctx context.Context, std Streams, words []string) string {
	command := "COMMAND..."
	if len(words) > 1 {
		command = shellWords(words[1:])
	}
	ctx, cancel := context.WithTimeout(ctx, completion.Patience)
	defer cancel()
	history := &runner.History{Getenv: std.Getenv, Warn: func(string) {}}
	defer history.Close()
	if _, err := request.Choose(ctx, std, &request.Options{}, words[0], history); err == nil {
		return "tutti run " + shellWord(words[0]) + " " + command
	}
	if strings.ContainsAny(words[0], ".@") && !strings.ContainsAny(words[0], "/ \t") {
		return "tutti run -w " + shellWord(words[0]) + " " + command
	}
	return ""
}

// refuseUnknown makes cmd, and what is below it, show their help where they only have
// commands below them, and refuse a word that is none of these.
func refuseUnknown(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		refuseUnknown(sub)
	}
	if cmd.Runnable() {
		return
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
}

// unknownCommand says that cmd has no subcommand of that name, and which it may
// be.
func unknownCommand(cmd *cobra.Command, name string) error {
	err := syntaxf("unknown command %q", name)
	habits := commandHabits
	if cmd.HasParent() {
		habits = habitsBelow[cmd.Name()]
	}
	if advice := adviceFor(habits, cmd, strings.ToLower(name)); advice != "" {
		return hint(err, advice)
	}
	near := slices.DeleteFunc(cmd.SuggestionsFor(name), func(known string) bool { return !alike(name, known) })
	if len(near) > 0 {
		return hint(err, "did you mean "+strings.Join(near, " or ")+"?")
	}
	return err
}

// alike reports whether more than half of the letters of word are in known: two
// wrong letters of three are another word, two that have changed places are not.
func alike(word, known string) bool {
	common := 0
	for _, letter := range strings.ToLower(word) {
		if i := strings.IndexRune(known, letter); i >= 0 {
			known = known[:i] + known[i+1:]
			common++
		}
	}
	return 2*common > len(word)
}

// nearestFlag is the long flag of cmd whose name is most like name, empty if
// none is.
func nearestFlag(cmd *cobra.Command, name string) string {
	name, _, _ = strings.Cut(name, "=")
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return yamltree.Nearest(name, names)
}
