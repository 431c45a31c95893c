package cmd

import (
	"fmt"
	"io"
	"strings"
	"time"

	"tutti/cmd/internal/cli"
	"tutti/internal/sanitize"
	"tutti/internal/terminal"
	"tutti/jobs"
	"tutti/output"
	"tutti/scheduler"
)

// writeFirings prints a line for each firing: in the zone of its schedule, in
// UTC, when it is due, and what there is to say about it.
func writeFirings(w io.Writer, indent string, firings []scheduler.Firing, jitter time.Duration) error {
	t := output.NewTable(output.Column{}, output.Column{}, output.Column{}, output.Column{Least: leastMoved})
	t.Indent = indent
	for _, f := range firings {
		line := []string{localTime(f.At), utcTime(f.At)}
		if jitter > 0 {
			line = append(line, "due "+utcTime(f.Due))
		}
		if f.Shifted != "" {
			line = append(line, "moved: "+f.Shifted)
		}
		t.Add(line...)
	}
	return t.Write(w, terminal.Width(w))
}

// leastMoved is how far what is said about a firing is cut.
const leastMoved = 20

func localTime(t time.Time) string { return t.Format("Mon ") + cli.ClockText(t) }
func utcTime(t time.Time) string   { return t.UTC().Format(time.RFC3339) }

// timesText says when a job fires, in words and by its next scheduled times.
func timesText(t *scheduler.Timing, now time.Time) (string, error) {
	next, err := jobs.Coming(t, now, jobs.ShownNext)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  fires %s\n", t.Schedule.Describe())
	if len(next) == 0 {
		b.WriteString("  never again: the schedule has no further times\n")
	}
	err = writeFirings(&b, "  next  ", next, t.Jitter)
	return sanitize.Visible(b.String()), err
}

// timesWarnings are what the author of a schedule may not have meant, and the
// scheduled times that a change of the clock moves within a year.
func timesWarnings(t *scheduler.Timing, now time.Time) ([]string, error) {
	doubts, err := jobs.DoubtsOf(t, now)
	if err != nil {
		return nil, err
	}
	all := doubts.Warnings
	for _, in := range doubts.Shifted {
		all = append(all, fmt.Sprintf("%s, and it fires at %s", in.Shifted, localTime(in.At)))
	}
	return all, nil
}
