package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/request"
	"tutti/fanout"
	"tutti/runner"
)

func newScriptCmd(c *console) *cobra.Command {
	o := newLaunchOptions()
	cmd := &cobra.Command{
		Use:   "script [flags] SELECTOR FILE [ARG...]",
		Short: "Run a local script on every selected host, through its #! line",
		Long: `FILE is sent to every host and run by the interpreter that its first line names;
- is standard input. Nothing is left on the host: the script is stored in an
already unlinked file. The script's own path is /dev/fd/9; each ARG is passed
unchanged. Flags may come before and after SELECTOR; they end at FILE. Without
--stdin the script's standard input is empty.

` + request.SelectorHelp,
		Example: `  tutti script web ./check.sh --verbose 'two words'
  tutti script --sudo -b all ./patch.py
  tutti script -e API_TOKEN --stdin data.json web ./import.rb`,
	}
	c.selectsHosts(cmd, o, "missing SELECTOR and FILE", func(ctx context.Context, selector string, rest []string) error {
		if len(rest) == 0 || rest[0] == "" {
			return syntaxf("missing script FILE to run on %s", o.Hosts.Describe(selector))
		}
		if rest[0] == "-" && (o.Task.Stdin == "-" || o.stdinTaken) {
			return syntaxf("standard input can be only one of: the script, --stdin, the hosts of -w @-")
		}
		script, err := runner.ReadScript(ctx, c.In, rest[0])
		if err != nil {
			return err
		}
		defer func() { _ = script.Source.Close() }() // it was only read
		script.Label, script.Args = "script "+shellWords(rest), rest[1:]
		if o.isSubmitted() {
			return c.submit(ctx, cmd, o, selector, fanout.Task{Action: script}, rest[0])
		}
		return c.launchTask(ctx, o, selector, fanout.Task{Action: script})
	})
	help.Set(cmd, exitHelp, append(o.groups(o.Flags().AddHosts, o.Flags().AddTask, o.addDetachedCareFlags), o.remote.Group())...)
	return cmd
}
