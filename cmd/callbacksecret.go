package cmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/daemon"
	"tutti/runner"
)

// newCallbackSecretCmd prints the secret that signs what is sent for a user or a token.
func newCallbackSecretCmd(
	std Streams, what string, names func(context.Context, access.Store) ([]string, error), example string, subject func(ctx context.Context, accounts access.Store, name string) (string, error),
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
			return withStoredAccounts(cmd.Context(), std, history, wantsHistory, func(a *storedAccounts) error {
				of, err := subject(cmd.Context(), a.gate.Store, name)
				if err != nil {
					return err
				}
				return printCallbackSecret(std, history, of)
			})
		},
	}
	setHelp(cmd, exitHelpAccess, flagGroup{"FLAGS", func(f *pflag.FlagSet) { addHistoryFlag(f, &history) }})
	return cmd
}

func printCallbackSecret(std Streams, history, subject string) error {
	path, err := (&runner.History{Path: history, Getenv: std.Getenv}).Location()
	if err != nil {
		return err
	}
	key, err := daemon.SigningKey(path)
	if err != nil {
		return err
	}
	return std.print("%s\n", key.Secret(subject).Reveal())
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
	return "", usage(&access.MissingError{What: "token", Name: name})
}
