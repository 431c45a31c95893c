package account

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
	"tutti/output"
)

type auditOptions struct {
	listOptions
	query access.AuditQuery
	since string
}

func (o *auditOptions) addFilters(f *pflag.FlagSet) {
	f.StringVar(&o.query.Actor, "actor", "", "only what `ACTOR` did: ann, ann/ci, token:ci, unix:ops1")
	f.StringVar(&o.query.Action, "action", "", "only `ACTION`: user.add, or user for all of users")
	f.StringVar(&o.query.Object, "object", "", "only what was done to `OBJECT`: user:ann, token:ci")
	f.StringVar(&o.since, "since", "", "only since `WHEN`: 2h, 7d, 2026-11-20, 2026-11-20T14:30")
	f.IntVarP(&o.query.Limit, "limit", "n", 50, "show at most `N` entries; 0: all")
}

// NewAuditCmd makes tutti audit.
func NewAuditCmd(std cli.Streams) *cobra.Command {
	o := &auditOptions{}
	cmd := &cobra.Command{
		Use:   "audit [flags]",
		Short: "List who changed or was refused what, newest first",
		Example: `  tutti audit --since 7d
  tutti audit --object user:ann
  tutti audit --action session --json | jq 'select(.outcome == "refused")'`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.query.Limit < 0 {
				return fault.Syntaxf("--limit %d: must not be negative", o.query.Limit)
			}
			if o.query.Since, err = cli.ParseSince(o.since, std.Time()); err != nil {
				return err
			}
			return withAccounts(cmd, std, &o.Place, place.NoHistory, func(a accounts) error {
				return listAudit(cmd.Context(), std, a, o)
			})
		},
	}
	help.Set(cmd, exitHelpAccess, help.Group{Title: "FILTERS", Add: o.addFilters}, help.Group{Title: "OUTPUT", Add: o.addFlags}, o.Group())
	return cmd
}

func listAudit(ctx context.Context, std cli.Streams, a accounts, o *auditOptions) error {
	entries, err := a.Audit(ctx, o.query)
	if err != nil {
		return err
	}
	l := &cli.Roster[api.AuditEntry]{
		Columns: []output.Column{
			{Title: "TIME"},
			{Title: "ACTOR", Least: cli.LeastColumn},
			{Title: "FROM", Optional: true},
			{Title: "ACTION"},
			{Title: "OBJECT", Least: cli.LeastColumn},
			{Title: "OUTCOME"},
			{Title: "DETAILS", Least: cli.LeastColumn},
		},
		Row: func(e *api.AuditEntry) []string {
			from := strings.TrimSuffix(e.Via+" "+e.Remote, " ")
			return []string{cli.ClockText(time.Time(e.At).Local()), cli.OrDash(e.Actor), from, e.Action, cli.OrDash(e.Object), e.Outcome, detailsText(e)}
		},
		None: "no matching entries",
	}
	return l.Write(std, entries, o.json)
}

// detailsText is what it was and became.
func detailsText(e *api.AuditEntry) string {
	switch {
	case e.Before != nil && e.After != nil:
		return string(e.Before) + " → " + string(e.After)
	case e.Before != nil:
		return "was " + string(e.Before)
	}
	return cli.OrDash(string(e.After))
}
