package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
	"tutti/output"
)

func newUserCmd(c *console) *cobra.Command {
	return parentOf(&cobra.Command{
		Use:   "user COMMAND",
		Short: "Manage the users of the API and the console",
		Long: `Users log in with a password; a role says what each may do, and a scope on which hosts.
Who can write the history is admin anyway, and needs no user.
` + roleHelp,
		Example: `  tutti user add ann --role admin
  tutti user list
  tutti user role bob operator --scope 'web,!web13'`,
	},
		newUserAddCmd(c.Streams),
		newUserListCmd(c.Streams),
		newUserShowCmd(c.Streams),
		newUserPasswdCmd(c),
		newUserRoleCmd(c.Streams),
		newUserDisableCmd(c.Streams),
		newUserEnableCmd(c.Streams),
		newCallbackSecretCmd(c.Streams, "user", userNames, `  tutti user callback-secret ann
  tutti user callback-secret ann | ssh hooks 'cat > tutti.secret'`, userSubject),
		newUserRemoveCmd(c.Streams),
	)
}

// listOptions are those of a command that lists what is in the history.
type listOptions struct {
	historyOption
	json bool
}

func (o *listOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON, one object per line")
	o.historyOption.addFlags(f)
}

func newUserListCmd(std Streams) *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Aliases: []string{"ls"},
		Short:   "List users: role, scope, state, last login",
		Example: `  tutti user list
  tutti user list --json | jq -r 'select(.role == "admin").user'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAccess(cmd.Context(), std, o.history, noHistory, func(k *keeper) error {
				return listUsers(cmd.Context(), k, o.json)
			})
		},
	}
	setHelp(cmd, exitHelpAccess, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

func listUsers(ctx context.Context, k *keeper, json bool) error {
	users, err := k.Store.Users(ctx)
	if err != nil {
		return err
	}
	l := &roster[access.User]{
		columns: []output.Column{{Title: "USER"}, {Title: "ROLE"}, {Title: "STATE"}, {Title: "SCOPE", Least: leastJobColumn}, {Title: "LAST LOGIN"}},
		row: func(u *access.User) []string {
			return []string{u.Name, u.Role.String(), userState(u), scopeText(u.Scope), whenText(u.Login, "never")}
		},
		form: func(u *access.User) any { return api.NewUser(u) },
		none: "no users yet; add one with tutti user add NAME --role admin",
	}
	return l.write(k.Streams, users, json)
}

// userState says whether a user can log in.
func userState(u *access.User) string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.Password == "":
		return "no password"
	}
	return "active"
}

func newUserShowCmd(std Streams) *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use:   "show [flags] NAME",
		Short: "Show a user and its tokens",
		Example: `  tutti user show ann
  tutti user show ann --json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeNames(std, &o.history, userNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneName(args, "user")
			if err != nil {
				return err
			}
			return withAccess(cmd.Context(), std, o.history, wantsHistory, func(k *keeper) error {
				return showUser(cmd.Context(), k, name, o.json)
			})
		},
	}
	setHelp(cmd, exitHelpAccess, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

func showUser(ctx context.Context, k *keeper, name string, json bool) error {
	u, err := k.Store.User(ctx, name)
	if err != nil {
		return err
	}
	if json {
		return output.WriteJSON(k.Out, api.NewUser(&u))
	}
	tokens, err := k.Store.Tokens(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s, %s\n", u.Name, u.Role, userState(&u))
	fmt.Fprintf(&b, "  scope       %s\n  last login  %s\n", scopeText(u.Scope), whenText(u.Login, "never"))
	fmt.Fprintf(&b, "  added       %s\n  changed     %s by %s\n", whenText(u.Created, ""), whenText(u.Updated, ""), u.UpdatedBy)
	for i := range tokens {
		if t := &tokens[i]; t.Owner == u.ID {
			fmt.Fprintf(&b, "  token       %s: %s; %s\n", t.Name, tokenText(t), expiryText(t, k.now()))
		}
	}
	return k.print("%s", b.String())
}
