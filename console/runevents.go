package console

import (
	"encoding/json"
	"net/url"
	"strconv"

	"tutti/api/event"
)

// eventsPage is how many events of a run are on a page.
const eventsPage = 200

// A runEvents is the page of what happened in a run, in its order, without output.
type runEvents struct {
	*runHead
	Rows []eventRow
	// First is the number of the first one, from 0.
	First          int64
	Earlier, Later string
}

// An eventRow is an event; the fields are those of its form.
type eventRow struct {
	Type       string         `json:"type"`
	Time       event.Time     `json:"time"`
	Host       string         `json:"host"`
	Address    string         `json:"address"`
	Attempt    int            `json:"attempt"`
	Outcome    string         `json:"outcome"`
	ExitCode   *int64         `json:"exit_code"`
	Signal     string         `json:"signal"`
	Error      *event.Failure `json:"error"`
	DelayMS    int64          `json:"delay_ms"`
	DurationMS *int64         `json:"duration_ms"`
	Hosts      int            `json:"hosts"`
	Stopped    string         `json:"stopped"`
}

// What is the event in words.
func (e *eventRow) What() string {
	switch e.Type {
	case "run_started":
		return "started on " + plural(e.Hosts, "host")
	case "run_finished":
		if e.Stopped != "" && e.Stopped != "none" {
			return "ended early: " + e.Stopped
		}
		return "ended"
	case "host_started":
		if e.Attempt > 1 {
			return "command sent, attempt " + strconv.Itoa(e.Attempt)
		}
		return "command sent"
	case "host_retrying":
		return "attempt " + strconv.Itoa(e.Attempt) + " ended, another follows"
	case "host_finished":
		return "ended"
	}
	return seen(e.Type)
}

// Why is how it ended, in words.
func (e *eventRow) Why() string {
	switch {
	case e.Signal != "":
		return "signal " + seen(e.Signal)
	case e.Error != nil:
		return seen(e.Error.Message)
	case e.ExitCode != nil && (*e.ExitCode != 0 || e.Type == "run_finished"):
		return "exit " + grouped(*e.ExitCode)
	}
	return ""
}

func showRunEvents(v *visit) {
	number := v.r.PathValue("run")
	p := &runEvents{runHead: headOf(v, "events")}
	p.CLI = "tutti show --json " + number
	p.First, _ = strconv.ParseInt(v.r.URL.Query().Get("from"), 10, 64) // none is 0
	p.First = max(0, p.First)
	query := url.Values{"output": {"none"}, "until": {"record"}}
	if p.First > 0 {
		query.Set("from", strconv.FormatInt(p.First, 10))
	}
	address, later := at("/runs/{run}/events", number), false
	v.getLines(withQuery(address, query), func(line []byte) bool {
		if later = len(p.Rows) == eventsPage; later {
			return false
		}
		var row eventRow
		if json.Unmarshal(line, &row) == nil {
			p.Rows = append(p.Rows, row)
		}
		return true
	})
	to := func(from int64) string {
		return withQuery(address, url.Values{"from": {strconv.FormatInt(max(0, from), 10)}})
	}
	if p.First > 0 {
		p.Earlier = to(p.First - eventsPage)
	}
	if later && !p.Live() { // their order is not kept while the run goes on
		p.Later = to(p.First + eventsPage)
	}
	v.show("runevents", "Events of run "+number, p)
}
