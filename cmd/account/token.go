package account

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/output"
)

// NewTokenCmd makes tutti token and what is below it.
func NewTokenCmd(std cli.Streams) *cobra.Command {
	return help.Parent(&cobra.Command{
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

func newTokenListCmd(std cli.Streams) *cobra.Command {
	return newListCmd(std, &cobra.Command{
		Short: "List tokens: rights, expiry, last use; never the secret",
		Example: `  tutti token list
  tutti token list --json | jq -r 'select(.expires_at < (now + 604800 | todate)).token'`,
	}, listTokens)
}

func listTokens(ctx context.Context, std cli.Streams, a accounts, json bool) error {
	tokens, err := a.Tokens(ctx)
	if err != nil {
		return err
	}
	l := &cli.Roster[api.Token]{
		Columns: []output.Column{
			{Title: "TOKEN"}, {Title: "OWNER"}, {Title: "RIGHTS", Least: cli.LeastColumn}, {Title: "EXPIRES"}, {Title: "LAST USED", Optional: true},
		},
		Row: func(t *api.Token) []string {
			return []string{t.Token, cli.OrDash(t.Owner), tokenText(t), expiryText(t, std.Time()), cli.WhenText(api.AtOf(t.UsedAt), "never")}
		},
		None: "no tokens yet; add one with tutti token add NAME",
	}
	return l.Write(std, tokens, json)
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
		return "expired " + cli.ClockText(at.Local())
	}
	return cli.ClockText(at.Local())
}
