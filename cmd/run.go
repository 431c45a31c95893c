package cmd

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/request"
	"tutti/fanout"
)

func newRunCmd(c *console) *cobra.Command {
	o := newLaunchOptions()
	cmd := &cobra.Command{
		Use:   "run [flags] SELECTOR COMMAND...",
		Short: "Run a shell command on every selected host",
		Long: `The words of COMMAND are joined by spaces and run by the login shell of the remote
user, as with ssh; with --sudo, by sh. Flags may come before and after SELECTOR;
they end at the first word of COMMAND. Without --stdin, COMMAND's standard input is
empty and tutti's own is not read; data waiting in a pipe is an error, unless a
parent shell reads its script from there.

` + request.SelectorHelp,
		Example: `  tutti run web uptime
  tutti run 'web,!web13.fra' -t 30s systemctl is-active nginx
  tutti run -b all uname -r
  tutti run --diff web sysctl -a
  tutti run --outdir results --junit report.xml web make check
  tutti run --detach web 'apt-get -y upgrade'
  tutti run --sudo --ask-sudo-pass -e STAGE=prod web ./deploy
  tutti run --stdin dump.sql db psql
  tutti run -J ops@bastion.example.com web uptime
  tutti run -w 'web[1-9],root@10.0.0.7' 'df -h / | tail -1'`,
	}
	c.selectsHosts(cmd, o, "missing SELECTOR and COMMAND", func(ctx context.Context, selector string, rest []string) error {
		if err := checkTrailing(cmd, rest); err != nil {
			return err
		}
		command := commandText(rest)
		if strings.TrimSpace(command) == "" {
			return hint(syntaxf("missing COMMAND to run on %s", o.Hosts.Describe(selector)), "tutti ping logs in and runs nothing")
		}
		task := fanout.Task{Action: fanout.Command(command)}
		if o.isSubmitted() {
			return c.submit(ctx, cmd, o, selector, task, "")
		}
		return c.launchTask(ctx, o, selector, task)
	})
	help.Set(cmd, exitHelp, append(o.groups(o.Flags().AddHosts, o.Flags().AddCommandTask, o.addDetachedCareFlags), o.remote.Group())...)
	return cmd
}
