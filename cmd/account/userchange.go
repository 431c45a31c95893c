package account

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
)

type userRoleOptions struct {
	place.Place
	scope string
}

func (o *userRoleOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.scope, "scope", "", "and only on the hosts of `SELECTOR`; all for every host; default: as it is")
	o.AddHistory(f)
}

func newUserRoleCmd(std cli.Streams) *cobra.Command {
	o := &userRoleOptions{}
	cmd := &cobra.Command{
		Use:   "role [flags] NAME ROLE",
		Short: "Change what a user may do, and on which hosts; also of its tokens and open sessions",
		Long:  roleHelp,
		Example: `  tutti user role bob operator
  tutti user role bob operator --scope 'web,!web13'
  tutti user role bob editor --scope all`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return access.Roles(), cobra.ShellCompDirectiveNoFileComp
			}
			return completeNames(std, &o.History, userNames)(cmd, args, toComplete)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return fault.Syntaxf("missing role")
			}
			if len(args) > 2 {
				return fault.Syntaxf("unexpected %q", args[2])
			}
			name, err := oneName(args[:min(len(args), 1)], "user")
			if err != nil {
				return err
			}
			role, err := access.ParseRole(args[1])
			if err != nil {
				return fault.Usage(err)
			}
			scope, err := scopeOf(o.scope)
			if err != nil {
				return err
			}
			word := role.String()
			change := api.UserChange{Role: &word}
			if cmd.Flags().Changed("scope") {
				change.Scope = &scope
			}
			return changeUser(cmd, std, &o.Place, name, change)
		},
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// changeUser changes a user and says what it is now.
func changeUser(cmd *cobra.Command, std cli.Streams, p *place.Place, name string, change api.UserChange) error {
	return withAccounts(cmd, std, p, place.WantsHistory, func(a accounts) error {
		u, err := a.ChangeUser(cmd.Context(), name, change)
		if err != nil {
			return err
		}
		return std.Print("user %s is %s, %s, %s\n", u.User, u.Role, onText(u.Scope), userState(&u))
	})
}

func newUserDisableCmd(std cli.Streams) *cobra.Command {
	return newUserSwitchCmd(std, true, &cobra.Command{
		Use:   "disable [flags] NAME",
		Short: "Disable a user: its sessions end, its tokens and its password are refused",
		Example: `  tutti user disable bob
  tutti user list`,
	})
}

func newUserEnableCmd(std cli.Streams) *cobra.Command {
	return newUserSwitchCmd(std, false, &cobra.Command{
		Use:   "enable [flags] NAME",
		Short: "Let a disabled user log in again",
		Example: `  tutti user enable bob
  tutti user list`,
	})
}

func newUserSwitchCmd(std cli.Streams, disabled bool, cmd *cobra.Command) *cobra.Command {
	o := &place.Place{}
	cmd.Args = cobra.ArbitraryArgs
	cmd.ValidArgsFunction = completeNames(std, &o.History, userNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := oneName(args, "user")
		if err != nil {
			return err
		}
		return changeUser(cmd, std, o, name, api.UserChange{Disabled: &disabled})
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: o.AddHistory}, o.Group())
	return cmd
}

func newUserRemoveCmd(std cli.Streams) *cobra.Command {
	return newRemoveCmd(std, "user", userNames, &cobra.Command{
		Short: "Remove a user, with its tokens and sessions; the audit keeps what it did",
		Example: `  tutti user rm bob
  tutti user disable bob          keep it, but let it do nothing`,
	}, accounts.RemoveUser)
}

// newRemoveCmd makes of cmd one that removes a user, or a token.
func newRemoveCmd(
	std cli.Streams, what string, names func(context.Context, access.Store) ([]string, error), cmd *cobra.Command, remove func(accounts, context.Context, string) error,
) *cobra.Command {
	o := &place.Place{}
	cmd.Use, cmd.Aliases, cmd.Args = "rm [flags] NAME", []string{"remove", "delete", "del"}, cobra.ArbitraryArgs
	cmd.ValidArgsFunction = completeNames(std, &o.History, names)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := oneName(args, what)
		if err != nil {
			return err
		}
		return withAccounts(cmd, std, o, place.WantsHistory, func(a accounts) error {
			if err := remove(a, cmd.Context(), name); err != nil {
				return err
			}
			return std.Print("%s %s removed\n", what, name)
		})
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: o.AddHistory}, o.Group())
	return cmd
}
