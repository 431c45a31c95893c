package cmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tutti/fanout"
	"tutti/output"
)

func newPingCmd(a *app) *cobra.Command {
	o := newLaunchOptions()
	cmd := &cobra.Command{
		Use:   "ping [flags] SELECTOR",
		Short: "Log in to every selected host and run nothing; the time of each step per host",
		Long:  selectorHelp,
		Example: `  tutti ping all
  tutti ping -w db1:2222,db2 --connect-timeout 3s`,
	}
	a.goesOut(cmd, o, "which hosts?", func(ctx context.Context, selector string, rest []string) error {
		if len(rest) > 0 {
			return hint(syntaxf("ping runs no command: unexpected %q", rest[0]), "tutti run runs one")
		}
		return a.launch(ctx, o, selector, &readiness{})
	})
	setHelp(cmd, exitHelp,
		flagGroup{"HOSTS", o.selectOptions.addFlags},
		flagGroup{"LIMITS", o.limitOptions.addConnectFlags},
		flagGroup{"LOGIN", o.loginOptions.addFlags},
		flagGroup{"OUTPUT", o.outputOptions.addPingFlags},
		flagGroup{"RECORD", o.recordOptions.addFlags},
		flagGroup{"CARE", o.addCareFlags},
	)
	return cmd
}

// pingLines prints a line for every host that a ping has reached: how long each
// step of the login took. The hosts it has not reached are in the summary.
func pingLines(w *output.Writer) fanout.Sink {
	return fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		if e.Kind != fanout.TargetFinished || e.Result.Outcome != fanout.OK {
			return nil
		}
		r := e.Result.Report
		steps := []string{}
		for _, step := range []struct {
			name string
			took time.Duration
		}{{"resolve", r.Resolve}, {"dial", r.Dial}, {"login", r.Login}} {
			if step.took > 0 {
				steps = append(steps, fmt.Sprintf("%s %s", step.name, milliseconds(step.took)))
			}
		}
		total := r.Resolve + r.Dial + r.Login
		_, err := fmt.Fprintf(w, "%s: %s in %s (%s)\n", e.Target.Name, r.Address, milliseconds(total), strings.Join(steps, ", "))
		return err
	})
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
