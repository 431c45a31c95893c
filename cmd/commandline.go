package cmd

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"tutti/cmd/completion"
	"tutti/cmd/internal/request"
)

// selectsHosts makes cmd a command on the hosts of a SELECTOR: it calls do with the
// selector and the words behind it, once o has the flags on both sides. question is the
// error if no hosts are named.
func (c *console) selectsHosts(cmd *cobra.Command, o *launchOptions, question string, do func(ctx context.Context, selector string, rest []string) error) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.ValidArgsFunction = completion.Selector(c.Streams, &o.Request)
	takesFlagsBehind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		selector, rest, err := words(cmd, args)
		if err != nil {
			return err
		}
		if wantsHelp(cmd) {
			return helpFor(cmd, args)
		}
		if selector == "" && !cmd.Flags().Changed("hosts") {
			return syntaxf("%s", question)
		}
		closeServer, err := o.dialServer(c.Streams, cmd)
		if err != nil {
			return err
		}
		defer closeServer()
		if o.stdinTaken, err = request.TakeHosts(cmd.Flags(), c.In); err != nil {
			return err
		}
		if err := o.finalize(cmd.Flags(), c.Getenv); err != nil {
			return err
		}
		return do(cmd.Context(), selector, rest)
	}
}

// takesFlagsBehind lets cmd have flags behind its first words, which words reads.
func takesFlagsBehind(cmd *cobra.Command) {
	cmd.Flags().SetInterspersed(false)
	cmd.Annotations = map[string]string{flagsBehind: ""}
}

// words parses the words of a command that takes flags before and after its
// SELECTOR: cobra has parsed the flags before it, args begins with it. Flags
// end at the first word after SELECTOR that is not one. With -w there is no
// SELECTOR.
func words(cmd *cobra.Command, args []string) (selector string, rest []string, err error) {
	adHoc := func() bool { return cmd.Flags().Changed("hosts") }
	if adHoc() {
		return "", args, actsHere(cmd)
	}
	if len(args) == 0 {
		return "", nil, actsHere(cmd)
	}
	selector = args[0]
	if err := cmd.Flags().Parse(args[1:]); err != nil {
		return "", nil, flagError(cmd, err)
	}
	if adHoc() {
		return "", nil, syntaxf("-w/--hosts replaces SELECTOR: remove %q", selector)
	}
	return selector, cmd.Flags().Args(), actsHere(cmd)
}

// checkTrailing refuses --dry-run behind COMMAND, where it would be a word of the
// command, which would run. Behind -- it may be one.
func checkTrailing(cmd *cobra.Command, rest []string) error {
	if len(rest) < 2 || rest[len(rest)-1] != "--dry-run" || cmd.Flags().ArgsLenAtDash() >= 0 {
		return nil
	}
	return hint(syntaxf("--dry-run after the command would be part of it, and the command would be run"),
		"put flags before the command; if this word belongs to the command, put -- before the command")
}

// wantsHelp reports whether --help stood behind SELECTOR, where cobra does not
// see it.
func wantsHelp(cmd *cobra.Command) bool {
	help, err := cmd.Flags().GetBool("help")
	return err == nil && help
}

// helpFor shows the help that args, with a flag behind SELECTOR, ask for.
func helpFor(cmd *cobra.Command, args []string) error {
	cmd.HelpFunc()(cmd, args)
	return nil
}

// commandText joins the words of a command as ssh does.
func commandText(words []string) string { return strings.Join(words, " ") }
