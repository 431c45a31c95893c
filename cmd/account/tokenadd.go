package account

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
	"tutti/internal/quantity"
	"tutti/internal/typed"
)

type tokenAddOptions struct {
	place.Place
	owner, scope, expires  string
	taskSelector           string
	role                   typed.Choice
	jobs, users, allowFrom []string
	sudo                   bool
}

func (o *tokenAddOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.role, "role", "what the token may do: `ROLE` is viewer, operator, editor or admin")
	f.StringVar(&o.scope, "scope", "", "only on the hosts of `SELECTOR`; default all")
	f.StringVar(&o.owner, "owner", "", "limit it to what `USER` may do, and remove it with USER; default: no owner, over a server the user who asks")
	f.StringSliceVar(&o.jobs, "job", nil, "only start, stop and read `JOB`, as it is; may be repeated")
	f.StringSliceVar(&o.users, "user", nil, "may log in to the hosts as `USER` too; may be repeated")
	f.BoolVar(&o.sudo, "sudo", false, "may use sudo on the hosts")
	f.StringVar(&o.taskSelector, "task-selector", "", "run tasks of the compatible endpoints that name no host on the hosts of `SELECTOR`")
	f.StringSliceVar(&o.allowFrom, "allow-from", nil, "only from addresses in `NETWORK`; may be repeated")
	f.StringVar(&o.expires, "expires", quantity.FormatDuration(access.TokenLife), "expire after, or on, `WHEN`: 12h, 90d, 2027-03-31; at most a year")
	o.AddHistory(f)
}

func newTokenAddCmd(std cli.Streams) *cobra.Command {
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
			want, err := o.request(name, std.Time())
			if err != nil {
				return usageOfAccess(err)
			}
			return withAccounts(cmd, std, &o.Place, place.MakesHistory, func(a accounts) error {
				return addToken(cmd.Context(), std, a, want)
			})
		},
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// request is what the flags say.
func (o *tokenAddOptions) request(name string, now time.Time) (want api.TokenRequest, err error) {
	want = api.TokenRequest{
		Token: name, Owner: o.owner, Role: o.role.Word, Jobs: o.jobs, Users: o.users, Sudo: o.sudo, AllowFrom: o.allowFrom,
	}
	if err := access.CheckName("token", name); err != nil {
		return want, err
	}
	if want.Scope, err = scopeOf(o.scope); err != nil {
		return want, err
	}
	if want.TaskSelector, err = hostSelector("--task-selector", o.taskSelector); err != nil {
		return want, err
	}
	if _, err = access.ParseNetworks(o.allowFrom); err != nil {
		return want, fault.Usagef("--allow-from: %w", err)
	}
	expires, err := parseExpiry(o.expires, now)
	if err != nil {
		return want, err
	}
	want.Expires = expires.UTC().Format(time.RFC3339Nano)
	for _, user := range o.users {
		if access.CheckLoginName(user) != nil {
			return want, fault.Usagef("--user %q: not the name of a user", user)
		}
	}
	return want, nil
}

// parseExpiry reads how long a token is good, or until which day.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		if !day.After(now) {
			return day, fault.Usagef("--expires %s: that is over", text)
		}
		return day, nil
	}
	d, err := quantity.ParseDuration(text)
	if err != nil {
		return time.Time{}, fault.Usagef("--expires %w, or a day such as 2027-03-31", err)
	}
	return now.Add(d), nil
}

// addToken creates a token and prints its secret, alone on stdout.
func addToken(ctx context.Context, std cli.Streams, a accounts, want api.TokenRequest) error {
	role, err := access.ParseRole(want.Role)
	if err != nil {
		return err
	}
	if want.Owner != "" {
		owner, err := a.User(ctx, want.Owner)
		if err != nil {
			return err
		}
		if most, err := access.ParseRole(owner.Role); err == nil && role > most {
			std.Warn(owner.User + " is " + owner.Role + ", and so is the token at most")
		}
	}
	made, err := a.AddToken(ctx, want)
	if err != nil {
		return err
	}
	if !role.May(access.Run) {
		if len(want.Jobs) > 0 {
			std.Warn("a " + want.Role + " may read the jobs and not start them: --role operator")
		}
		if want.Sudo || len(want.Users) > 0 {
			std.Warn("--sudo and --user have no effect for a " + want.Role + ": --role operator")
		}
	}
	text := "token " + made.Token.Token + ": " + tokenText(&made.Token) + "; expires " + cli.ClockText(time.Time(made.ExpiresAt).Local()) + "; its secret is shown only now:"
	if err := std.Say(text); err != nil {
		return err
	}
	return std.Print("%s\n", made.Secret)
}
