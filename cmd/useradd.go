package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/internal/quantity"
	"tutti/internal/terminal"
	"tutti/internal/typed"
)

type userAddOptions struct {
	historyOption
	role     typed.Choice
	scope    string
	password bool
}

func (o *userAddOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.role, "role", "what the user may do: `ROLE` is viewer, operator, editor or admin")
	f.StringVar(&o.scope, "scope", "", "only on the hosts of `SELECTOR`; default all")
	f.BoolVar(&o.password, "password-stdin", false, "read a password from standard input, and print no link")
	o.historyOption.addFlags(f)
}

func newUserAddCmd(std Streams) *cobra.Command {
	o := &userAddOptions{role: typed.Choice{Of: access.Roles(), Word: access.Viewer.String()}}
	cmd := &cobra.Command{
		Use:   "add [flags] NAME",
		Short: "Add a user, and print a login link",
		Long: `The link is a path below the address of the console. It works once, within 15 minutes,
and lets the user choose a password. tutti user passwd --link prints another.
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
			u := access.User{Name: name}
			if u.Role, err = access.ParseRole(o.role.Word); err != nil {
				return err
			}
			if u.Scope, err = scopeOf(o.scope); err != nil {
				return err
			}
			return addUser(cmd.Context(), std, o, u)
		},
	}
	setHelp(cmd, exitHelpAccess, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

// addUser adds a user with a password, or with a link to choose one.
func addUser(ctx context.Context, std Streams, o *userAddOptions, u access.User) error {
	if err := access.CheckName("user", u.Name); err != nil {
		return usage(err)
	}
	var password []byte
	if o.password {
		var err error
		if password, err = passwordFrom(std.In); err != nil {
			return err
		}
		defer clear(password)
	}
	return withAccess(ctx, std, o.history, makesHistory, func(k *keeper) error {
		if o.password {
			hash, err := k.Hasher.Hash(ctx, password)
			if err != nil {
				return err
			}
			u.Password = hash
		}
		added, err := k.AddUser(ctx, u, k.by())
		if err != nil {
			return err
		}
		if err := std.say("user " + added.Name + " added: " + added.Role.String() + ", " + onText(added.Scope)); err != nil || o.password {
			return err
		}
		return printLink(ctx, k, &added)
	})
}

// loginPath is where a login link leads, below the address of the console.
const loginPath = "/login/"

// printLink prints a login link, alone on stdout.
func printLink(ctx context.Context, k *keeper, u *access.User) error {
	secret, err := k.NewLink(ctx, u, k.by())
	if err != nil {
		return err
	}
	if err := k.say("login link, below the address of the console; it works once, within " + quantity.FormatDuration(access.LinkLife) + ":"); err != nil {
		return err
	}
	return k.print("%s%s\n", loginPath, secret.Reveal())
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
		return nil, usagef("--password-stdin: more than one line on standard input")
	}
	if err := access.CheckPassword(data); err != nil {
		return nil, usagef("--password-stdin: %w", err)
	}
	return data, nil
}

type userPasswdOptions struct {
	historyOption
	stdin, link bool
}

func (o *userPasswdOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.stdin, "password-stdin", false, "read the password from standard input")
	f.BoolVar(&o.link, "link", false, "print a login link instead, by which the user chooses one")
	o.historyOption.addFlags(f)
}

func newUserPasswdCmd(c *console) *cobra.Command {
	o := &userPasswdOptions{}
	cmd := &cobra.Command{
		Use:   "passwd [flags] NAME",
		Short: "Set a user's password, and end its sessions",
		Long:  `The password is asked for twice. It has at least 12 characters.`,
		Example: `  tutti user passwd ann
  tutti user passwd ann --link
  tutti user passwd ann --password-stdin < password`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeNames(c.Streams, &o.history, userNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneName(args, "user")
			if err == nil && o.stdin && o.link {
				err = syntaxf("--password-stdin and --link cannot be combined")
			}
			if err != nil {
				return err
			}
			return withAccess(cmd.Context(), c.Streams, o.history, wantsHistory, func(k *keeper) error {
				return setPassword(cmd.Context(), c, k, name, o)
			})
		},
	}
	setHelp(cmd, exitHelpAccess, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

func setPassword(ctx context.Context, c *console, k *keeper, name string, o *userPasswdOptions) error {
	u, err := k.Store.User(ctx, name)
	if err != nil {
		return err
	}
	if o.link {
		return printLink(ctx, k, &u)
	}
	read := func() ([]byte, error) { return newPassword(ctx, c, name) }
	if o.stdin {
		read = func() ([]byte, error) { return passwordFrom(c.In) }
	}
	password, err := read()
	if err != nil {
		return err
	}
	defer clear(password)
	if err := k.SetPassword(ctx, name, password, k.by()); err != nil {
		return err
	}
	return c.say("password of " + name + " set; its sessions have ended")
}

// newPassword asks for a password on the terminal, twice.
func newPassword(ctx context.Context, c *console, name string) ([]byte, error) {
	p := &prompter{interrupts: c.interrupts}
	if !terminal.Attended() {
		return nil, hint(usagef("no terminal to ask for the password of %s", name), "--password-stdin reads it from standard input; --link prints a link by which the user chooses one")
	}
	first, err := p.secret(ctx, "new password of "+name+": ")
	if err != nil {
		return nil, err
	}
	if err := access.CheckPassword(first); err != nil {
		clear(first)
		return nil, err
	}
	second, err := p.secret(ctx, "again: ")
	defer clear(second)
	if err == nil && !bytes.Equal(first, second) {
		err = usage(errors.New("the two passwords differ; nothing was changed"))
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}
