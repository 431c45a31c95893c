package cmd

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/request"
	"tutti/fanout"
	"tutti/internal/sanitize"
	"tutti/output"
	"tutti/runner"
)

func newPingCmd(c *console) *cobra.Command {
	o := newLaunchOptions()
	cmd := &cobra.Command{
		Use:   "ping [flags] SELECTOR",
		Short: "Log in to each host and report how long each step took",
		Long:  request.SelectorHelp,
		Example: `  tutti ping all
  tutti ping -w db1:2222,db2 --connect-timeout 3s`,
	}
	c.selectsHosts(cmd, o, "missing SELECTOR", func(ctx context.Context, selector string, rest []string) error {
		if len(rest) > 0 {
			return hint(syntaxf("tutti ping runs no command: unexpected %q", rest[0]), "use tutti run")
		}
		if o.isSubmitted() {
			return c.submit(ctx, cmd, o, selector, fanout.Task{Action: fanout.Ping{}}, "")
		}
		return c.launch(ctx, o, selector, &runner.PreparedTask{Task: fanout.Task{Action: fanout.Ping{}}})
	})
	help.Set(cmd, exitHelp,
		help.Group{Title: "HOSTS", Add: o.Flags().AddHosts},
		help.Group{Title: "LIMITS", Add: o.Flags().AddConnect},
		help.Group{Title: "LOGIN", Add: o.Flags().AddLogin},
		help.Group{Title: "OUTPUT", Add: o.outputOptions.addPingFlags},
		help.Group{Title: "RECORD", Add: o.Flags().AddRecord},
		help.Group{Title: "SAFETY", Add: o.addCareFlags},
		o.remote.Group(),
	)
	return cmd
}

// pingLines prints at the end of a ping a line for every host that was reached, in
// the order of the plan: how long each step of the login took. The hosts that were
// not reached are in the summary.
func pingLines(w *output.Writer) fanout.Sink {
	reached := map[int]fanout.Event{}
	return fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		switch {
		case e.Kind == fanout.TargetFinished && e.Result.Outcome == fanout.OK:
			reached[e.Target.Index] = e
		case e.Kind == fanout.RunFinished:
			var rows [][]string
			for _, i := range slices.Sorted(maps.Keys(reached)) {
				rows = append(rows, pingRow(reached[i]))
			}
			return writeAligned(w, rows)
		}
		return nil
	})
}

// pingRow is the words of a line: the host, its address, the whole time, and that
// of each step; a step that took none is empty.
func pingRow(e fanout.Event) []string {
	r := e.Result.Report
	row := []string{e.Target.Name + ":", r.Address, "in " + milliseconds(r.Resolve+r.Dial+r.Login)}
	for _, step := range []struct {
		name string
		took time.Duration
	}{{"resolve", r.Resolve}, {"dial", r.Dial}, {"login", r.Login}} {
		word := ""
		if step.took > 0 || step.name == "login" { // of a record, which has whole milliseconds, all may be 0
			word = step.name + " " + milliseconds(step.took) + ","
		}
		row = append(row, word)
	}
	for i := len(row) - 1; i > 2; i-- {
		if row[i] != "" {
			row[i] = strings.TrimSuffix(row[i], ",") + ")"
			break
		}
	}
	return row
}

// writeAligned writes rows of words: the first two columns from the left, those of
// numbers from the right.
func writeAligned(w io.Writer, rows [][]string) error {
	var widths [6]int
	for _, row := range rows {
		for i, word := range row {
			widths[i] = max(widths[i], len(word))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, word := range row {
			switch {
			case i < 2:
				fmt.Fprintf(&b, "%-*s ", widths[i], sanitize.Visible(word))
			case i == 2:
				fmt.Fprintf(&b, "%*s (", widths[i], word)
			case widths[i] > 0:
				fmt.Fprintf(&b, "%*s ", widths[i], word)
			}
		}
		text := strings.TrimRight(b.String(), " ")
		b.Reset()
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
