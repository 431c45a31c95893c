package account

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tutti/access"
	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
	"tutti/inventory"
	"tutti/store"
)

// exitHelpAccess is the table of the commands about users, tokens and the audit.
const exitHelpAccess = `EXIT STATUS
  0  done
  1  local error (file, history, disk)
  2  usage error: flags, no such user or token, the last admin`

// withAccounts does something with the users and tokens of a server, or of a history.
// There is no history, and no mistake in that, if missing is place.NoHistory.
func withAccounts(cmd *cobra.Command, std cli.Streams, p *place.Place, missing place.Missing, do func(accounts) error) error {
	remote, err := p.Client(std, cmd)
	if err != nil {
		return err
	}
	if remote != nil {
		defer remote.Close()
		return usageOfAccess(do(remote.Accounts()))
	}
	return withStoredAccounts(cmd.Context(), std, p.History, missing, func(s *storedAccounts) error { return do(s) })
}

// usageOfAccess makes mistakes about users and tokens mistakes of the caller.
func usageOfAccess(err error) error {
	for _, mistake := range []any{
		new(*access.ValueError), new(*access.MissingError), new(*access.ExistsError), new(*access.LastAdminError), new(*access.PasswordError),
		new(*store.NoJobError),
	} {
		if errors.As(err, mistake) {
			return fault.Usage(err)
		}
	}
	return place.UsageOfRun(err)
}

// roleHelp is the part of help about roles.
const roleHelp = `A viewer looks, an operator runs commands and jobs, an editor changes jobs, an admin
does everything.`

// scopeOf checks the selector of a scope; empty: all hosts.
func scopeOf(text string) (string, error) {
	if text == "all" {
		return "", nil
	}
	return hostSelector("--scope", text)
}

// hostSelector checks a selector of hosts of the daemon's inventory; empty: none.
func hostSelector(flag, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	err := inventory.CheckScope(text)
	if errors.As(err, new(*inventory.ScopeError)) {
		return "", fault.Usagef("%s %q: %w", flag, text, err)
	}
	if err != nil {
		return "", fault.Usagef("%s: %w", flag, err)
	}
	return text, nil
}

// scopeText is a scope for people.
func scopeText(scope string) string {
	if scope == "" {
		return "all"
	}
	return scope
}

// onText is a scope in a sentence.
func onText(scope string) string {
	if scope == "" {
		return "on all hosts"
	}
	return "on " + scope
}

// oneName is the argument of a command about one user, or token.
func oneName(args []string, what string) (string, error) {
	switch len(args) {
	case 0:
		return "", fault.Hint(fault.Syntaxf("missing %s name", what), "tutti "+what+" list lists the "+what+"s")
	case 1:
		return args[0], nil
	}
	return "", fault.Syntaxf("only one %s can be given: unexpected %q", what, args[1])
}

// completeNames completes the first word with names from the history; one that cannot
// be read completes nothing.
func completeNames(std cli.Streams, history *string, names func(context.Context, access.Store) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var all []string
		completion.FromHistory(cmd.Context(), std, *history, func(s store.Store) (err error) {
			all, err = names(cmd.Context(), s.Access())
			return err
		})
		return slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, toComplete) }), cobra.ShellCompDirectiveNoFileComp
	}
}

func userNames(ctx context.Context, s access.Store) ([]string, error) {
	users, err := s.Users(ctx)
	var names []string
	for i := range users {
		names = append(names, users[i].Name)
	}
	return names, err
}

func tokenNames(ctx context.Context, s access.Store) ([]string, error) {
	tokens, err := s.Tokens(ctx)
	var names []string
	for i := range tokens {
		names = append(names, tokens[i].Name)
	}
	return names, err
}
