package cmd

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
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

// newAuditCmd makes tutti audit.
func newAuditCmd(std Streams) *cobra.Command {
	o := &auditOptions{}
	cmd := &cobra.Command{
		Use:   "audit [flags]",
		Short: "List who changed or was refused what, newest first",
		Example: `  tutti audit --since 7d
  tutti audit --object user:ann
  tutti audit --action session --json | jq 'select(.outcome == "refused")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.query.Limit < 0 {
				return syntaxf("--limit %d: must not be negative", o.query.Limit)
			}
			if o.query.Since, err = parseSince(o.since, std.now()); err != nil {
				return err
			}
			return withAccounts(cmd, std, &o.place, noHistory, func(a accounts) error {
				return listAudit(cmd.Context(), std, a, o)
			})
		},
	}
	setHelp(cmd, exitHelpAccess, flagGroup{"FILTERS", o.addFilters}, flagGroup{"OUTPUT", o.addFlags}, o.group())
	return cmd
}

func listAudit(ctx context.Context, std Streams, a accounts, o *auditOptions) error {
	entries, err := a.Audit(ctx, o.query)
	if err != nil {
		return err
	}
	l := &roster[api.AuditEntry]{
		columns: []output.Column{
			{Title: "TIME"},
			{Title: "ACTOR", Least: leastJobColumn},
			{Title: "FROM", Optional: true},
			{Title: "ACTION"},
			{Title: "OBJECT", Least: leastJobColumn},
			{Title: "OUTCOME"},
			{Title: "DETAILS", Least: leastJobColumn},
		},
		row: func(e *api.AuditEntry) []string {
			from := strings.TrimSuffix(e.Via+" "+e.Remote, " ")
			return []string{clockText(time.Time(e.At).Local()), orDash(e.Actor), from, e.Action, orDash(e.Object), e.Outcome, detailsText(e)}
		},
		none: "no matching entries",
	}
	return l.write(std, entries, o.json)
}

// orDash is text, or - in place of none.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// detailsText is what it was and became.
func detailsText(e *api.AuditEntry) string {
	switch {
	case e.Before != nil && e.After != nil:
		return string(e.Before) + " → " + string(e.After)
	case e.Before != nil:
		return "was " + string(e.Before)
	}
	return orDash(string(e.After))
}
