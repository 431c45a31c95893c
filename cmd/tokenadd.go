package cmd

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/internal/quantity"
	"tutti/internal/typed"
)

type tokenAddOptions struct {
	historyOption
	owner, scope, expires  string
	taskSelector           string
	role                   typed.Choice
	jobs, users, allowFrom []string
	sudo                   bool
}

func (o *tokenAddOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.role, "role", "what the token may do: `ROLE` is viewer, operator, editor or admin")
	f.StringVar(&o.scope, "scope", "", "only on the hosts of `SELECTOR`; default all")
	f.StringVar(&o.owner, "owner", "", "limit it to what `USER` may do, and remove it with USER; default: no owner")
	f.StringSliceVar(&o.jobs, "job", nil, "only start, stop and read `JOB`, as it is; may be repeated")
	f.StringSliceVar(&o.users, "user", nil, "may log in to the hosts as `USER` too; may be repeated")
	f.BoolVar(&o.sudo, "sudo", false, "may use sudo on the hosts")
	f.StringVar(&o.taskSelector, "task-selector", "", "run tasks of the compatible endpoints that name no host on the hosts of `SELECTOR`")
	f.StringSliceVar(&o.allowFrom, "allow-from", nil, "only from addresses in `NETWORK`; may be repeated")
	f.StringVar(&o.expires, "expires", quantity.FormatDuration(access.TokenLife), "expire after, or on, `WHEN`: 12h, 90d, 2027-03-31; at most a year")
	o.historyOption.addFlags(f)
}

func newTokenAddCmd(std Streams) *cobra.Command {
	o := &tokenAddOptions{role: typed.Choice{Of: access.Roles(), Word: access.Viewer.String()}}
	cmd := &cobra.Command{
		Use:   "add [flags] NAME",
		Short: "Create a token, and print its secret once",
		Long: `The secret alone is printed on stdout; it is kept nowhere. Who may run commands has all
that the SSH login has on these hosts: to give less, name jobs with --job.
` + roleHelp,
		Example: `  tutti token add ci --role operator --scope web --expires 30d > token
  tutti token add nightly --role operator --job backup --allow-from 10.0.0.0/8
  tutti token add deploy --owner ann --role operator --user deploy --sudo`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneName(args, "token")
			if err != nil {
				return err
			}
			t, err := o.token(name, std.now())
			if err != nil {
				return usageOfAccess(err)
			}
			return withAccess(cmd.Context(), std, o.history, makesHistory, func(k *keeper) error {
				return addToken(cmd.Context(), k, o.owner, t)
			})
		},
	}
	setHelp(cmd, exitHelpAccess, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

// token is what the flags say.
func (o *tokenAddOptions) token(name string, now time.Time) (t access.Token, err error) {
	t = access.Token{Name: name, Jobs: o.jobs, Users: o.users, Sudo: o.sudo}
	if err := access.CheckName("token", name); err != nil {
		return t, err
	}
	if t.Role, err = access.ParseRole(o.role.Word); err != nil {
		return t, err
	}
	if t.Scope, err = scopeOf(o.scope); err != nil {
		return t, err
	}
	if t.TaskSelector, err = hostSelector("--task-selector", o.taskSelector); err != nil {
		return t, err
	}
	if t.AllowFrom, err = access.ParseNetworks(o.allowFrom); err != nil {
		return t, usagef("--allow-from: %w", err)
	}
	if t.Expires, err = parseExpiry(o.expires, now); err != nil {
		return t, err
	}
	for _, user := range o.users {
		if user == "" || strings.ContainsFunc(user, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }) {
			return t, usagef("--user %q: not the name of a user", user)
		}
	}
	return t, nil
}

// parseExpiry reads how long a token is good, or until which day.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		if !day.After(now) {
			return day, usagef("--expires %s: that is over", text)
		}
		return day, nil
	}
	d, err := quantity.ParseDuration(text)
	if err != nil {
		return time.Time{}, usagef("--expires %w, or a day such as 2027-03-31", err)
	}
	return now.Add(d), nil
}

// addToken creates a token and prints its secret, alone on stdout.
func addToken(ctx context.Context, k *keeper, owner string, t access.Token) error {
	if owner != "" {
		u, err := k.Store.User(ctx, owner)
		if err != nil {
			return err
		}
		t.Owner = u.ID
		if t.Role > u.Role {
			k.warn(owner + " is " + u.Role.String() + ", and so is the token at most")
		}
	}
	for _, job := range t.Jobs {
		if _, err := k.history.Job(ctx, job); err != nil {
			return err
		}
	}
	if !t.Role.May(access.Run) {
		if len(t.Jobs) > 0 {
			k.warn("a " + t.Role.String() + " may read the jobs and not start them: --role operator")
		}
		if t.Sudo || len(t.Users) > 0 {
			k.warn("--sudo and --user have no effect for a " + t.Role.String() + ": --role operator")
		}
	}
	secret, added, err := k.AddToken(ctx, t, k.by())
	if err != nil {
		return err
	}
	if err := k.say("token " + added.Name + ": " + tokenText(&added) + "; expires " + clockText(added.Expires.Local()) + "; its secret is shown only now:"); err != nil {
		return err
	}
	return k.print("%s\n", secret.Reveal())
}
