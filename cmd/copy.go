package cmd

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/request"
	"tutti/fanout"
	"tutti/runner"
	"tutti/store"
)

func newCopyCmd(c *console) *cobra.Command {
	o := newCopyOptions()
	cmd := &cobra.Command{
		Use:   "copy [flags] SELECTOR SRC... DEST",
		Short: "Copy files and directories to every selected host",
		Long: `A file appears whole under its name or not at all. A file with the same size and
SHA-256 is left alone. If DEST ends with / or is a directory on the host, every SRC
goes into it; otherwise the only SRC becomes DEST. DEST/ is created if missing.
{host} and {label.NAME} in DEST are the host's. Symbolic links in a directory are
copied as links. Files go over SFTP, or through the login shell where there is none
and with --sudo or --owner. A host is retried twice when it is unreachable or lost.

` + request.SelectorHelp,
		Example: `  tutti copy web nginx.conf /etc/nginx/
  tutti copy --dry-run web nginx.conf /etc/nginx/
  tutti copy --sudo --owner root:www --mode 0640 --backup web site.conf /etc/nginx/site.conf
  tutti copy -r -p web site/ /srv/www/
  tutti copy web motd '/tmp/motd-{host}'`,
	}
	c.selectsHosts(cmd, o.launchOptions, "missing SELECTOR, SRC and DEST", func(ctx context.Context, selector string, rest []string) error {
		if len(rest) < 2 {
			return hint(syntaxf("missing SRC and DEST to copy to %s", o.Hosts.Describe(selector)), "tutti copy SELECTOR SRC... DEST")
		}
		r, err := o.request(rest)
		if err != nil {
			return err
		}
		task, err := c.Env().PrepareCopy(&o.Task, r)
		if err != nil {
			return err
		}
		defer task.Close()
		return c.launch(ctx, o.launchOptions, selector, task)
	})
	help.Set(cmd, exitHelp, o.transferGroups(o.addFlags)...)
	return cmd
}

// copyOptions are the options of tutti copy.
type copyOptions struct {
	*launchOptions
	recursive, preserve, backup, look bool
	mode, owner                       string
}

func newCopyOptions() *copyOptions { return &copyOptions{launchOptions: newLaunchOptions()} }

func (o *copyOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVarP(&o.recursive, "recursive", "r", false, "copy directories with everything in them")
	f.BoolVarP(&o.preserve, "preserve", "p", false, "keep modification times and permissions of SRC")
	f.StringVar(&o.mode, "mode", "", "give files the permissions `MODE`, in octal, such as 0644 (default: those of the file that is replaced, else of SRC without write permission for group and others)")
	f.StringVar(&o.owner, "owner", "", "give files and new directories to `USER[:GROUP]`; needs root or --sudo")
	f.BoolVar(&o.backup, "backup", false, "keep a file that is replaced, as NAME~")
	f.BoolVar(&o.look, "dry-run", false, "connect and compare, and only show what would be sent")
	o.Flags().AddSudo(f)
}

// request is what the words of the command ask for.
func (o *copyOptions) request(words []string) (*runner.CopyRequest, error) {
	last := len(words) - 1
	r := &runner.CopyRequest{
		Sources: words[:last], Dest: words[last], Trees: o.recursive,
		Owner: o.owner, Preserve: o.preserve, Backup: o.backup, Look: o.look,
	}
	r.Label = "copy" + setFlags([]setFlag{{o.look, "--dry-run"}, {o.recursive, "-r"}, {o.preserve, "-p"}, {o.backup, "--backup"}})
	if o.mode != "" {
		bits, err := strconv.ParseUint(o.mode, 8, 32)
		if err != nil || bits > 0o777 {
			return nil, syntaxf("--mode: %q: want permissions in octal, such as 0644", o.mode)
		}
		perm := fs.FileMode(bits)
		r.Perm = &perm
		r.Label += " --mode " + o.mode
	}
	if o.owner != "" {
		if !runner.IsOwner(o.owner) {
			return nil, syntaxf("--owner: %q: want USER, USER:GROUP or :GROUP", o.owner)
		}
		r.Label += " --owner " + o.owner
	}
	r.Label += " " + shellWords(words)
	return r, nil
}

// A setFlag is a flag that may be set, as it is typed.
type setFlag struct {
	on   bool
	text string
}

// setFlags are those that are set, each behind a space.
func setFlags(flags []setFlag) string {
	text := ""
	for _, f := range flags {
		if f.on {
			text += " " + f.text
		}
	}
	return text
}

// transferGroups are the flags of a command that moves files; files adds its own.
func (o *launchOptions) transferGroups(files func(*pflag.FlagSet)) []help.Group {
	return []help.Group{
		{Title: "HOSTS", Add: o.Flags().AddHosts},
		{Title: "FILES", Add: files},
		{Title: "LIMITS", Add: o.Flags().AddFilesLimits},
		{Title: "ROLLING", Add: o.Flags().AddRolling},
		{Title: "LOGIN", Add: o.Flags().AddFilesLogin},
		{Title: "OUTPUT", Add: o.outputOptions.addFlags},
		{Title: "RECORD", Add: o.Flags().AddRecord},
		{Title: "SAFETY", Add: func(f *pflag.FlagSet) {
			f.BoolVar(&o.yes, "yes", false, "do not ask, even if a security key needs many touches")
			f.Var(&o.exit, "exit", "exit status by `RULE`: class (see EXIT STATUS), remote (1 if a file failed, 255 for a host without a result)")
		}},
	}
}

// refuseTransferAgain refuses to repeat a run that moved files: its flags are not on
// record.
func refuseTransferAgain(run store.Run, task fanout.Task, outcomes []fanout.Outcome) error {
	if _, ok := task.Action.(*fanout.Transfer); !ok {
		return nil
	}
	what, _, _ := strings.Cut(task.Label(), " ")
	return hint(syntaxf("run %d was a tutti %s, which cannot be repeated by number", run.ID, what),
		fmt.Sprintf("tutti %s %s SRC DEST moves files again on its hosts", what, shellWord(runner.RunItem(run.ID, outcomes))))
}
