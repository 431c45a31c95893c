package console

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"tutti/api"
	"tutti/internal/phrase"
)

// A runRow is a run in a list.
type runRow struct {
	api.Run
	Tally tally
	// Line is the first line of the command; More: there is more of it.
	Line string
	More bool
}

// By is who started it, and how.
func (r *runRow) By() string { return startedBy(&r.Run) }

// startedBy is who started a run, and how.
func startedBy(r *api.Run) string {
	if r.Job != "" {
		return "job " + r.Job
	}
	return strings.TrimSpace(r.User + " (" + r.Source + ")")
}

// Result is what stands in front of the counts: the state of a run that is not simply
// over.
func (r *runRow) Result() string { return stateWord(&r.Run) }

// stateWord is the state of a run that is not simply over; empty if it is.
func stateWord(r *api.Run) string {
	switch r.State {
	case "queued":
		return "waiting"
	case "running":
		return "running"
	case "interrupted":
		return "interrupted"
	}
	return ""
}

func newRunRow(r *api.Run) runRow {
	row := runRow{Run: *r, Tally: tallyOf(r)}
	for _, text := range []*string{&row.Run.Command, &row.Run.Note, &row.Run.Selector, &row.Run.User, &row.Run.Reason} {
		*text = seen(*text)
	}
	row.Line, row.More = firstLine(cmp.Or(row.Run.Command, "ping"))
	return row
}

// Bad are the counts of the outcomes that are not ok, and Ended those of all outcomes.
func (r *runRow) Bad() []count {
	return slices.DeleteFunc(r.Ended(), func(c count) bool { return c.State == "ok" })
}

// Ended are the counts of all outcomes that there are.
func (r *runRow) Ended() []count {
	return slices.DeleteFunc(r.Tally.Some(), func(c count) bool { return c.State == "running" || c.State == "waiting" })
}

// inForm are the filters that the form shows; others that are in the address stay.
var inForm = map[string]bool{"q": true, "outcome": true, "host": true, "since": true, "source": true}

// InForm reports whether a filter is a field of the form.
func (*view) InForm(name string) bool { return inForm[name] }

// Outcomes, Phases and Sources are what the filters offer.
func (*view) Outcomes() []string {
	return []string{"ok", "failed", "timeout", "lost", "unreachable", "canceled", "skipped"}
}

// Phases are the states of hosts of a run.
func (*view) Phases() []string { return []string{"waiting", "running", "retrying", "ended"} }

// Sources are what starts runs.
func (*view) Sources() []string { return []string{"cli", "copy", "fetch", "rerun", "job", "api"} }

// JobStates are the states of jobs.
func (*view) JobStates() []string {
	return []string{"ok", "failing", "running", "paused", "over", "broken"}
}

// Healths are the states of hosts.
func (*view) Healths() []string { return []string{"reachable", "unreachable", "unknown"} }

// runFilters are the filters of the list that its form has.
var runFilters = []string{"q", "outcome", "since", "source", "user", "state", "host", "job", "selector", "note", "rerun_of", "until"}

// A runList is the page of runs.
type runList struct {
	Rows     []runRow
	Query    url.Values
	Filtered bool
	// Older is the address of the next page; empty: there is none.
	Older string
	CLI   string
}

func showRuns(v *visit) {
	query := chosen(v.r.URL.Query(), runFilters...)
	page := runList{Query: query, Filtered: len(query) > 0}
	asked := chosen(v.r.URL.Query(), append([]string{"after"}, runFilters...)...)
	asked.Set("limit", "50")
	var list api.List[api.Run]
	v.get(&list, withQuery("/runs", asked))
	if v.problem != nil && v.problem.Status == 422 {
		page.CLI = historyLine(query)
		v.again("runs", "Runs", &page) // the filter is wrong, and says where
		return
	}
	for i := range list.Items {
		page.Rows = append(page.Rows, newRunRow(&list.Items[i]))
	}
	page.Older, page.CLI = nextPage("/runs", query, list.Next), historyLine(query)
	v.show("runs", "Runs", &page)
}

// historyLine is the command line that lists the same.
func historyLine(query url.Values) string {
	words := []string{"tutti", "history"}
	for _, name := range []string{"since", "outcome", "host", "source", "user"} {
		for _, text := range query[name] {
			words = append(words, "--"+name, text)
		}
	}
	words = append(words, strings.Fields(query.Get("q"))...)
	return phrase.ShellWords(words)
}
