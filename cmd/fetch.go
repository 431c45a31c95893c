package cmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/request"
	"tutti/internal/typed"
	"tutti/runner"
)

func newFetchCmd(c *console) *cobra.Command {
	o := newFetchOptions()
	cmd := &cobra.Command{
		Use:   "fetch [flags] SELECTOR SRC... DIR",
		Short: "Fetch files and directories from every selected host, into DIR/HOST/",
		Long: `Every SRC of a host becomes DIR/HOST/NAME, NAME being the last element of its path.
SRC may be a pattern such as '/var/log/*.log', which the host expands. Nothing is
written outside DIR, and a file that is there with another content is not replaced
without --force. Control characters and the like in names become %XX. Files go over
SFTP, or through the login shell where there is none and with --sudo. A host is
retried twice when it is unreachable or lost.

` + request.SelectorHelp,
		Example: `  tutti fetch web /etc/nginx/nginx.conf configs/
  tutti fetch --tail 64KiB web '/var/log/nginx/*.log' logs/
  tutti fetch --sudo -r -p db /etc/postgresql backup/`,
	}
	c.selectsHosts(cmd, o.launchOptions, "missing SELECTOR, SRC and DIR", func(ctx context.Context, selector string, rest []string) error {
		if len(rest) < 2 {
			return hint(syntaxf("missing SRC and DIR to fetch from %s", o.Hosts.Describe(selector)), "tutti fetch SELECTOR SRC... DIR")
		}
		task, err := c.Env().PrepareFetch(&o.Task, o.request(rest))
		if err != nil {
			return err
		}
		defer task.Close()
		defer runner.CloseTransfer(task.Task)
		return c.launch(ctx, o.launchOptions, selector, task)
	})
	help.Set(cmd, exitHelp, o.transferGroups(o.addFlags)...)
	return cmd
}

// fetchOptions are the options of tutti fetch.
type fetchOptions struct {
	*launchOptions
	recursive, preserve, force bool
	tail                       int64
}

func newFetchOptions() *fetchOptions { return &fetchOptions{launchOptions: newLaunchOptions()} }

func (o *fetchOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVarP(&o.recursive, "recursive", "r", false, "fetch directories with everything in them")
	f.BoolVarP(&o.preserve, "preserve", "p", false, "keep modification times and permissions (default: only you can read the files)")
	f.BoolVar(&o.force, "force", false, "replace files that are there with another content")
	f.Var((*typed.Size)(&o.tail), "tail", "fetch only the last `SIZE` of each file, such as 64KiB")
	f.Lookup("tail").DefValue = ""
	o.Flags().AddSudo(f)
}

// request is what the words of the command ask for.
func (o *fetchOptions) request(words []string) *runner.FetchRequest {
	last := len(words) - 1
	r := &runner.FetchRequest{
		Sources: words[:last], Dir: words[last],
		Trees: o.recursive, Force: o.force, Preserve: o.preserve, Last: o.tail,
	}
	r.Label = "fetch" + setFlags([]setFlag{{o.recursive, "-r"}, {o.preserve, "-p"}, {o.force, "--force"}})
	if o.tail > 0 {
		r.Label += " --tail " + (*typed.Size)(&o.tail).String()
	}
	r.Label += " " + shellWords(words)
	return r
}
