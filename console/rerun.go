package console

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tutti/api"
)

// newKey is a key for Idempotency-Key: what a form that is sent twice does once.
func newKey() string { return "console-" + rand.Text() }

// A rerunPage is the form for running a run again.
type rerunPage struct {
	*runHead
	Key string
	// Choices are the outcomes that hosts of the run have.
	Choices []rerunChoice
	All     bool
	Values  map[string]string
}

// A rerunChoice is an outcome, and how many hosts have it.
type rerunChoice struct {
	count
	Checked bool
}

// rerunFields are the settings that may be changed.
var rerunFields = []string{"fanout", "timeout", "note"}

func showRerun(v *visit) {
	p := rerunPageOf(v)
	for i := range p.Choices {
		p.Choices[i].Checked = p.Choices[i].State != "ok"
	}
	p.Key = newKey()
	v.show("rerun", "Run "+v.r.PathValue("run")+" again", p)
}

func rerunPageOf(v *visit) *rerunPage {
	p := &rerunPage{runHead: headOf(v, "rerun"), Values: map[string]string{}}
	for _, c := range p.Tally.Some() {
		if c.State != "running" && c.State != "waiting" {
			p.Choices = append(p.Choices, rerunChoice{count: c})
		}
	}
	p.CLI = "tutti rerun " + v.r.PathValue("run")
	return p
}

func takeRerun(v *visit) {
	number, title := v.r.PathValue("run"), "Run "+v.r.PathValue("run")+" again"
	body := api.RerunRequest{All: v.form("all") != ""}
	if !body.All {
		body.Outcomes = v.r.PostForm["outcome"]
	}
	body.Timeout, body.Note = strings.TrimSpace(v.form("timeout")), strings.TrimSpace(v.form("note"))
	var a *answer
	if v.problem = setNumber(&body.Fanout, "fanout", v.form("fanout")); v.problem == nil {
		a = v.post(question{
			method: http.MethodPost, path: at("/runs/{run}/rerun", number), body: body, header: map[string]string{"Idempotency-Key": v.form("key")},
		})
	}
	if v.problem == nil {
		leaveForRun(v, a)
		return
	}
	problem := v.problem
	v.problem = nil
	p := rerunPageOf(v)
	v.problem = problem
	for i := range p.Choices {
		p.Choices[i].Checked = slices.Contains(v.r.PostForm["outcome"], p.Choices[i].State)
	}
	p.All, p.Key = body.All, newKey()
	for _, name := range rerunFields {
		p.Values[name] = v.form(name)
	}
	v.again("rerun", title, p)
}

// leaveForRun takes the browser to the run that was started.
func leaveForRun(v *visit, a *answer) {
	var run api.StartedRun
	if err := json.Unmarshal(a.body.Bytes(), &run); err != nil {
		v.leave("/runs")
		return
	}
	v.leave("/runs/" + strconv.FormatInt(run.Run.Run, 10))
}

// setNumber reads a number of a form; an empty text is none.
func setNumber(to **int, key, text string) *api.Problem {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return &api.Problem{Status: http.StatusUnprocessableEntity, Title: "A number is wrong", Errors: []api.ProblemError{api.At("/"+key, "want a whole number")}}
	}
	*to = &n
	return nil
}
