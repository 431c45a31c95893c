// Package account has the commands about who may use the API: users, their tokens, the audit;
// and about who one is at a server: login, logout, whoami.
package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/output"
)

// NewUserCmd makes tutti user and what is below it; asks asks for passwords.
func NewUserCmd(std cli.Streams, asks Asker) *cobra.Command {
	return help.Parent(&cobra.Command{
		Use:   "user COMMAND",
		Short: "Manage the users of the API and the console",
		Long: `Users log in with a password; a role says what each may do, and a scope on which hosts.
Who can write the history is admin anyway, and needs no user.
` + roleHelp,
		Example: `  tutti user add ann --role admin
  tutti user list
  tutti user role bob operator --scope 'web,!web13'`,
	},
		newUserAddCmd(std),
		newUserListCmd(std),
		newUserShowCmd(std),
		newUserPasswdCmd(std, asks),
		newUserRoleCmd(std),
		newUserDisableCmd(std),
		newUserEnableCmd(std),
		newCallbackSecretCmd(std, "user", userNames, `  tutti user callback-secret ann
  tutti user callback-secret ann | ssh hooks 'cat > tutti.secret'`, userSubject),
		newUserRemoveCmd(std),
	)
}

// listOptions are those of a command that lists users, tokens, or the audit.
type listOptions struct {
	place.Place
	json bool
}

func (o *listOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON, one object per line")
	o.AddHistory(f)
}

// newListCmd makes of cmd one that lists what accounts have.
func newListCmd(std cli.Streams, cmd *cobra.Command, list func(ctx context.Context, std cli.Streams, a accounts, json bool) error) *cobra.Command {
	o := &listOptions{}
	cmd.Use, cmd.Aliases, cmd.Args = "list [flags]", []string{"ls"}, cli.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withAccounts(cmd, std, &o.Place, place.NoHistory, func(a accounts) error {
			return list(cmd.Context(), std, a, o.json)
		})
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

func newUserListCmd(std cli.Streams) *cobra.Command {
	return newListCmd(std, &cobra.Command{
		Short: "List users: role, scope, state, last login",
		Example: `  tutti user list
  tutti user list --json | jq -r 'select(.role == "admin").user'`,
	}, listUsers)
}

func listUsers(ctx context.Context, std cli.Streams, a accounts, json bool) error {
	users, err := a.Users(ctx)
	if err != nil {
		return err
	}
	l := &cli.Roster[api.User]{
		Columns: []output.Column{{Title: "USER"}, {Title: "ROLE"}, {Title: "STATE"}, {Title: "SCOPE", Least: cli.LeastColumn}, {Title: "LAST LOGIN"}},
		Row: func(u *api.User) []string {
			return []string{u.User, u.Role, userState(u), scopeText(u.Scope), cli.WhenText(api.AtOf(u.LoginAt), "never")}
		},
		None: "no users yet; add one with tutti user add NAME --role admin",
	}
	return l.Write(std, users, json)
}

// userState says whether a user can log in.
func userState(u *api.User) string {
	switch {
	case u.Disabled:
		return "disabled"
	case !u.Password:
		return "no password"
	}
	return "active"
}

func newUserShowCmd(std cli.Streams) *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use:   "show [flags] NAME",
		Short: "Show a user and its tokens",
		Example: `  tutti user show ann
  tutti user show ann --json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeNames(std, &o.History, userNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneName(args, "user")
			if err != nil {
				return err
			}
			return withAccounts(cmd, std, &o.Place, place.WantsHistory, func(a accounts) error {
				return showUser(cmd.Context(), std, a, name, o.json)
			})
		},
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

func showUser(ctx context.Context, std cli.Streams, a accounts, name string, json bool) error {
	u, err := a.User(ctx, name)
	if err != nil {
		return err
	}
	if json {
		return output.WriteJSON(std.Out, u)
	}
	tokens, err := a.Tokens(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s, %s\n", u.User, u.Role, userState(&u))
	fmt.Fprintf(&b, "  scope       %s\n  last login  %s\n", scopeText(u.Scope), cli.WhenText(api.AtOf(u.LoginAt), "never"))
	fmt.Fprintf(&b, "  added       %s\n  changed     %s by %s\n", cli.WhenText(time.Time(u.CreatedAt), ""), cli.WhenText(time.Time(u.UpdatedAt), ""), u.UpdatedBy)
	for i := range tokens {
		if t := &tokens[i]; t.Owner == u.User {
			fmt.Fprintf(&b, "  token       %s: %s; %s\n", t.Token, tokenText(t), expiryText(t, std.Time()))
		}
	}
	return std.Print("%s", b.String())
}
