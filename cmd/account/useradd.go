package account

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
	"tutti/internal/quantity"
	"tutti/internal/terminal"
	"tutti/internal/typed"
)

type userAddOptions struct {
	place.Place
	role     typed.Choice
	scope    string
	password bool
}

func (o *userAddOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.role, "role", "what the user may do: `ROLE` is viewer, operator, editor or admin")
	f.StringVar(&o.scope, "scope", "", "only on the hosts of `SELECTOR`; default all")
	f.BoolVar(&o.password, "password-stdin", false, "read a password from standard input, and make no login link")
	o.AddHistory(f)
}

func newUserAddCmd(std cli.Streams) *cobra.Command {
	o := &userAddOptions{role: typed.Choice{Of: access.Roles(), Word: access.Viewer.String()}}
	cmd := &cobra.Command{
		Use:   "add [flags] NAME",
		Short: "Add a user, and print the secret of a login link",
		Long: `The secret lets the user choose a password, once and within 15 minutes: tutti login
--link URL asks for it; the page in a browser is URL/login/SECRET. tutti user passwd
--link prints another.
` + roleHelp,
		Example: `  tutti user add ann --role admin
  tutti user add bob --role operator --scope 'web,!web13'
  tutti user add ci --role viewer --password-stdin < password`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneName(args, "user")
			if err != nil {
				return err
			}
			want := api.UserRequest{User: name, Role: o.role.Word}
			if want.Scope, err = scopeOf(o.scope); err != nil {
				return err
			}
			return addUser(cmd, std, o, want)
		},
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// addUser adds a user with a password, or with a link to choose one.
func addUser(cmd *cobra.Command, std cli.Streams, o *userAddOptions, want api.UserRequest) error {
	if err := access.CheckName("user", want.User); err != nil {
		return fault.Usage(err)
	}
	var password []byte
	if o.password {
		var err error
		if password, err = passwordFrom(std.In); err != nil {
			return err
		}
		defer clear(password)
	}
	return withAccounts(cmd, std, &o.Place, place.MakesHistory, func(a accounts) error {
		added, err := a.AddUser(cmd.Context(), want, password)
		if err != nil {
			return err
		}
		if err := std.Say("user " + added.User + " added: " + added.Role + ", " + onText(added.Scope)); err != nil || o.password {
			return err
		}
		return printLink(cmd.Context(), std, a, added.User)
	})
}

// printLink prints the secret of a login link, alone on stdout.
func printLink(ctx context.Context, std cli.Streams, a accounts, user string) error {
	secret, err := a.NewLink(ctx, user)
	if err != nil {
		return err
	}
	text := user + " chooses a password with this secret, once, within " + quantity.FormatDuration(access.LinkLife) + ", by tutti login --link URL, or in a browser at URL/login/SECRET:"
	if err := std.Say(text); err != nil {
		return err
	}
	return std.Print("%s\n", secret)
}

// passwordFrom reads a password from a stream: its one line, or what is there without
// an end of line.
func passwordFrom(in io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, access.MaxPassword+3)) // one byte and an end of line more
	if err != nil {
		return nil, err
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if bytes.ContainsAny(data, "\r\n") {
		return nil, fault.Usagef("--password-stdin: more than one line on standard input")
	}
	if err := access.CheckPassword(data); err != nil {
		return nil, fault.Usagef("--password-stdin: %w", err)
	}
	return data, nil
}

type userPasswdOptions struct {
	place.Place
	stdin, link bool
}

func (o *userPasswdOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.stdin, "password-stdin", false, "read the password from standard input")
	f.BoolVar(&o.link, "link", false, "print the secret of a login link instead, with which the user chooses one")
	o.AddHistory(f)
}

func newUserPasswdCmd(std cli.Streams, asks Asker) *cobra.Command {
	o := &userPasswdOptions{}
	cmd := &cobra.Command{
		Use:   "passwd [flags] NAME",
		Short: "Set a user's password, and end its sessions",
		Long:  `The password is asked for twice. It has at least 12 characters.`,
		Example: `  tutti user passwd ann
  tutti user passwd ann --link
  tutti user passwd ann --password-stdin < password`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeNames(std, &o.History, userNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneName(args, "user")
			if err == nil && o.stdin && o.link {
				err = fault.Syntaxf("--password-stdin and --link cannot be combined")
			}
			if err != nil {
				return err
			}
			return withAccounts(cmd, std, &o.Place, place.WantsHistory, func(a accounts) error {
				return setPassword(cmd.Context(), &operator{std, asks}, a, name, o)
			})
		},
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

func setPassword(ctx context.Context, op *operator, a accounts, name string, o *userPasswdOptions) error {
	if _, err := a.User(ctx, name); err != nil {
		return err
	}
	if o.link {
		return printLink(ctx, op.Streams, a, name)
	}
	read := func() ([]byte, error) { return newPassword(ctx, op, name) }
	if o.stdin {
		read = func() ([]byte, error) { return passwordFrom(op.In) }
	}
	password, err := read()
	if err != nil {
		return err
	}
	defer clear(password)
	text := string(password)
	if _, err := a.ChangeUser(ctx, name, api.UserChange{Password: &text}); err != nil {
		return err
	}
	return op.Say("password of " + name + " set; its sessions have ended")
}

// An Asker asks the operator at the terminal for a line that is not shown.
type Asker func(ctx context.Context, question string) ([]byte, error)

// An operator is who gives the command, and can be asked.
type operator struct {
	cli.Streams
	asks Asker
}

// newPassword asks for a password on the terminal, twice.
func newPassword(ctx context.Context, op *operator, name string) ([]byte, error) {
	if !terminal.Attended() {
		return nil, fault.Hint(fault.Usagef("no terminal to ask for the password of %s", name), "--password-stdin reads it from standard input; --link prints a secret with which the user chooses one")
	}
	return passwordTwice(ctx, op.asks, "new password of "+name+": ")
}

// passwordTwice asks for a password that is good enough, twice.
func passwordTwice(ctx context.Context, asks Asker, question string) ([]byte, error) {
	first, err := asks(ctx, question)
	if err != nil {
		return nil, err
	}
	if err := access.CheckPassword(first); err != nil {
		clear(first)
		return nil, fault.Usage(err)
	}
	second, err := asks(ctx, "again: ")
	defer clear(second)
	if err == nil && !bytes.Equal(first, second) {
		err = fault.Usage(errors.New("the two passwords differ; nothing was changed"))
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}
