package account

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/daemon"
	"tutti/internal/fault"
	"tutti/runner"
)

// newCallbackSecretCmd prints the secret that signs what is sent for a user or a token.
func newCallbackSecretCmd(
	std cli.Streams, what string, names func(context.Context, access.Store) ([]string, error), example string, subject func(ctx context.Context, accounts access.Store, name string) (string, error),
) *cobra.Command {
	var history string
	cmd := &cobra.Command{
		Use:   "callback-secret [flags] NAME",
		Short: "Print the secret that signs callbacks and webhooks of the " + what,
		Long: `A receiver checks Tutti-Signature with it: t=SECONDS,v1=HEX, where HEX is HMAC-SHA-256
of SECONDS, a dot and the body. A user and its tokens have one secret, which is made
of the key next to the history. To replace the secrets of all, remove that file.`,
		Example:           example,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeNames(std, &history, names),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneName(args, what)
			if err != nil {
				return err
			}
			return withStoredAccounts(cmd.Context(), std, history, place.WantsHistory, func(a *storedAccounts) error {
				of, err := subject(cmd.Context(), a.gate.Store, name)
				if err != nil {
					return err
				}
				return printCallbackSecret(std, history, of)
			})
		},
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FLAGS", Add: func(f *pflag.FlagSet) { place.AddHistoryFlag(f, &history) }})
	return cmd
}

func printCallbackSecret(std cli.Streams, history, subject string) error {
	path, err := (&runner.History{Path: history, Getenv: std.Getenv}).Beside()
	if err != nil {
		return err
	}
	key, err := daemon.SigningKey(path)
	if err != nil {
		return err
	}
	return std.Print("%s\n", key.Secret(subject).Reveal())
}

// userSubject is whose secret signs for a user.
func userSubject(ctx context.Context, s access.Store, name string) (string, error) {
	u, err := s.User(ctx, name)
	return access.UserSubject(u.ID), err
}

// tokenSubject is whose secret signs for a token: its owner's, if it has one.
func tokenSubject(ctx context.Context, s access.Store, name string) (string, error) {
	tokens, err := s.Tokens(ctx)
	if err != nil {
		return "", err
	}
	for i := range tokens {
		switch t := &tokens[i]; {
		case t.Name != name:
		case t.Owner != 0:
			return access.UserSubject(t.Owner), nil
		default:
			return access.TokenSubject(t.ID), nil
		}
	}
	return "", fault.Usage(&access.MissingError{What: "token", Name: name})
}
