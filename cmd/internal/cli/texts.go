package cli

import (
	"fmt"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/internal/quantity"
	"tutti/internal/sanitize"
	"tutti/store"
)

// ClockText is how a time is written for people: as the clock shows it in the
// location of t, with the zone. JSON, logs and the history have UTC instead.
func ClockText(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }

// OneLine cuts text for a column of a table.
func OneLine(text string, most int) string {
	text = strings.Join(strings.Fields(sanitize.Visible(text)), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// CommandOf is what a run executed, with its note.
func CommandOf(r store.Run) string {
	text := r.Command
	if text == "" {
		text = "(ping)"
	}
	if r.Note != "" {
		text += "  # " + r.Note
	}
	return text
}

// ResultText is the result of a run, in a word or in counts.
func ResultText(r store.Run) string {
	var words []string
	for _, o := range fanout.Outcomes() {
		if n := r.Summary.Counts[o]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, o))
		}
	}
	text := strings.Join(words, ", ")
	if r.State != store.Finished {
		text = strings.TrimSuffix(string(r.State)+": "+text, ": ")
	}
	return text
}

// TookText is how long a run took; "-" if that is not known.
func TookText(r store.Run) string {
	if r.Summary.Ended.IsZero() || r.State == store.Interrupted {
		return "-"
	}
	took := r.Summary.Ended.Sub(r.Summary.Started)
	if took > time.Second {
		took = took.Round(100 * time.Millisecond)
	}
	return quantity.FormatDuration(took.Round(time.Millisecond))
}

// WhenText is a time in a table; what is when it is none.
func WhenText(at time.Time, none string) string {
	if at.IsZero() {
		return none
	}
	return ClockText(at.Local())
}

// OrDash is text, or - in place of none.
func OrDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
