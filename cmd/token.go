package cmd

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tutti/api"
	"tutti/output"
)

// newTokenCmd makes tutti token and what is below it.
func newTokenCmd(std Streams) *cobra.Command {
	return parentOf(&cobra.Command{
		Use:   "token COMMAND",
		Short: "Manage the tokens that let programs use the API",
		Long: `A token has a role and a scope of its own, and never more than its owner has.
A token with --job may start, stop and read these jobs, as they are, and nothing else.`,
		Example: `  tutti token add ci --role operator --scope web > token
  tutti token list
  tutti token rm ci`,
	},
		newTokenAddCmd(std),
		newTokenListCmd(std),
		newCallbackSecretCmd(std, "token", tokenNames, `  tutti token callback-secret ci
  tutti token callback-secret ci | ssh hooks 'cat > tutti.secret'`, tokenSubject),
		newRemoveCmd(std, "token", tokenNames, &cobra.Command{
			Short: "Remove a token; what uses it is refused from then on",
			Example: `  tutti token rm ci
  tutti audit --object token:ci`,
		}, accounts.RemoveToken),
	)
}

func newTokenListCmd(std Streams) *cobra.Command {
	return newListCmd(std, &cobra.Command{
		Short: "List tokens: rights, expiry, last use; never the secret",
		Example: `  tutti token list
  tutti token list --json | jq -r 'select(.expires_at < (now + 604800 | todate)).token'`,
	}, listTokens)
}

func listTokens(ctx context.Context, std Streams, a accounts, json bool) error {
	tokens, err := a.Tokens(ctx)
	if err != nil {
		return err
	}
	l := &roster[api.Token]{
		columns: []output.Column{
			{Title: "TOKEN"}, {Title: "OWNER"}, {Title: "RIGHTS", Least: leastJobColumn}, {Title: "EXPIRES"}, {Title: "LAST USED", Optional: true},
		},
		row: func(t *api.Token) []string {
			return []string{t.Token, orDash(t.Owner), tokenText(t), expiryText(t, std.now()), whenText(api.AtOf(t.UsedAt), "never")}
		},
		none: "no tokens yet; add one with tutti token add NAME",
	}
	return l.write(std, tokens, json)
}

// tokenText says on a line what a token may do.
func tokenText(t *api.Token) string {
	words := []string{t.Role + " " + onText(t.Scope)}
	for _, list := range []struct {
		before string
		items  []string
	}{{"only job ", t.Jobs}, {"as ", t.Users}, {"from ", t.AllowFrom}} {
		if len(list.items) > 0 {
			words = append(words, list.before+strings.Join(list.items, ","))
		}
	}
	if t.Sudo {
		words = append(words, "sudo")
	}
	return strings.Join(words, "; ")
}

// expiryText says until when a token is good.
func expiryText(t *api.Token, now time.Time) string {
	at := time.Time(t.ExpiresAt)
	if !now.Before(at) {
		return "expired " + clockText(at.Local())
	}
	return clockText(at.Local())
}
