package cmd

import (
	"context"
	"strings"

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
			return withAccess(cmd.Context(), std, o.history, noHistory, func(k *keeper) error {
				return listAudit(cmd.Context(), k, o)
			})
		},
	}
	setHelp(cmd, exitHelpAccess, flagGroup{"FILTERS", o.addFilters}, flagGroup{"OUTPUT", o.addFlags})
	return cmd
}

func listAudit(ctx context.Context, k *keeper, o *auditOptions) error {
	entries, err := k.Store.Audit(ctx, o.query)
	if err != nil {
		return err
	}
	l := &roster[access.Entry]{
		columns: []output.Column{
			{Title: "TIME"},
			{Title: "ACTOR", Least: leastJobColumn},
			{Title: "FROM", Optional: true},
			{Title: "ACTION"},
			{Title: "OBJECT", Least: leastJobColumn},
			{Title: "OUTCOME"},
			{Title: "DETAILS", Least: leastJobColumn},
		},
		row: func(e *access.Entry) []string {
			from := strings.TrimSuffix(string(e.Via)+" "+e.Remote, " ")
			return []string{clockText(e.At.Local()), orDash(e.Actor), from, e.Action, orDash(e.Object), string(e.Outcome), detailsText(e)}
		},
		form: func(e *access.Entry) any { return api.NewAuditEntry(e) },
		none: "no matching entries",
	}
	return l.write(k.Streams, entries, o.json)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// detailsText is what it was and became.
func detailsText(e *access.Entry) string {
	switch {
	case e.Before != nil && e.After != nil:
		return string(e.Before) + " → " + string(e.After)
	case e.Before != nil:
		return "was " + string(e.Before)
	}
	return orDash(string(e.After))
}
