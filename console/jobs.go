package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tutti/access"
	"tutti/api"
)

// A jobRow is a job in a list.
type jobRow struct {
	api.Job
	spec jobSpec
	// Line is the first line of its command.
	Line string
	// Key is for the form that runs it.
	Key string
	// MayRun and MayPause are what is offered.
	MayRun, MayPause bool
}

// A jobSpec is what pages show of the keys of a job; the rest is as it is.
type jobSpec map[string]json.RawMessage

// text is a key as a form has it: a text as it is, texts a line each, what else there is as
// JSON.
func (s jobSpec) text(key string) string {
	raw, there := s[key]
	if !there {
		return ""
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return strings.Join(many, "\n")
	}
	return string(raw)
}

// specOf reads the keys of a job.
func specOf(raw json.RawMessage) jobSpec {
	s := jobSpec{}
	_ = json.Unmarshal(raw, &s) // a broken job has none
	return s
}

func newJobRow(v *visit, j *api.Job) jobRow {
	row := jobRow{Job: *j, spec: specOf(j.Spec), Key: newKey(), MayRun: v.mayTo(access.StartJob, j.Job), MayPause: v.mayTo(access.PauseJob, j.Job)}
	row.Line, _ = firstLine(row.Command())
	return row
}

// Expression, Zone, Selector and Command are keys of the job.
func (r *jobRow) Expression() string { return r.spec.text("schedule") }

// Zone is the zone of its schedule.
func (r *jobRow) Zone() string { return r.spec.text("zone") }

// Selector is which hosts it means.
func (r *jobRow) Selector() string { return seen(r.spec.text("selector")) }

// Command is what it runs.
func (r *jobRow) Command() string {
	return seen(pick(r.spec.text("command"), "script "+r.spec.text("script")))
}

// Badge is its state: a sign, and words.
func (r *jobRow) Badge() (x struct{ State, Text string }) {
	x.State, x.Text = "ok", r.State
	switch r.State {
	case "failing", "broken":
		x.State = "failed"
	case "running":
		x.State = "running"
	case "paused":
		x.State = "paused"
	case "over":
		x.State = "skipped"
	}
	if r.State == "failing" && r.Failures > 1 {
		x.Text += ", " + grouped(r.Failures) + " times"
	}
	return x
}

// A firingRow is a firing in a list.
type firingRow struct {
	api.Firing
	Tally tally
}

// Shown is its state for the sign.
func (f *firingRow) Shown() string {
	switch {
	case f.Run > 0 && !f.State.Ended():
		return pick(map[bool]string{true: "running"}[f.State == "running"], "waiting")
	case f.Run > 0 && f.ExitCode != nil && *f.ExitCode == 0:
		return "ok"
	case f.Run > 0 && f.State == "interrupted":
		return "lost"
	case f.Run > 0:
		return "failed"
	case f.Decision == "missed":
		return "missed"
	case f.Decision == "failed", f.Decision == "refused":
		return "failed"
	case f.Decision == "run", f.Decision == "queued":
		return "waiting"
	}
	return "skipped"
}

// Ended are the counts of the outcomes of its run.
func (f *firingRow) Ended() []count {
	r := runRow{Tally: f.Tally}
	return r.Ended()
}

func newFiringRow(f *api.Firing) firingRow { return firingRow{Firing: *f, Tally: newTally(f.Counts)} }

// A jobList is the page of jobs.
type jobList struct {
	Rows     []jobRow
	Last     []*firingRow // of each row; nil: it never ran
	Query    url.Values
	Filtered bool
	Next     string
	CLI      string
}

func showJobs(v *visit) {
	query := chosen(v.r.URL.Query(), "q", "state")
	p := &jobList{Query: query, Filtered: len(query) > 0, CLI: "tutti job list"}
	asked := chosen(v.r.URL.Query(), "q", "state", "after")
	var list api.List[api.Job]
	v.get(&list, withQuery("/jobs", asked))
	for i := range list.Items {
		p.Rows = append(p.Rows, newJobRow(v, &list.Items[i]))
		p.Last = append(p.Last, lastRun(&list.Items[i]))
	}
	p.Next = nextPage("/jobs", query, list.Next)
	v.show("jobs", "Jobs", p)
}

// lastRun is the newest firing of a job that was run; nil: there was none.
func lastRun(j *api.Job) *firingRow {
	ran := j.Ran
	if ran == nil {
		ran = j.Last
	}
	if ran == nil || ran.Run == 0 {
		return nil
	}
	row := newFiringRow(ran)
	return &row
}

// A jobPage is the page of a job.
type jobPage struct {
	jobRow
	Next    []api.Next
	Changes []api.Change
	Firings []firingRow
	Chart   chart
	MayEdit bool
	CLI     string
}

// askJob asks for the job of the path.
func askJob(v *visit) (api.JobDetails, jobRow) {
	var job api.JobDetails
	v.get(&job, at("/jobs/{job}", v.r.PathValue("job")))
	return job, newJobRow(v, &job.Job)
}

func showJob(v *visit) {
	name := v.r.PathValue("job")
	job, row := askJob(v)
	p := &jobPage{jobRow: row, Next: job.Next, Changes: job.Changes, MayEdit: v.mayTo(access.EditJob, name), CLI: "tutti job show " + name}
	var log api.List[api.Firing]
	v.get(&log, at("/jobs/{job}/log", name)+"?limit=100")
	for i := range log.Items {
		p.Firings = append(p.Firings, newFiringRow(&log.Items[i]))
	}
	p.Chart = chartOf(p.Firings)
	v.show("job", "Job "+name, p)
}

// act has the API do something, and goes on to another page; a refusal is a page.
func act(v *visit, q question, next string) {
	if v.post(q); v.problem != nil {
		v.fail(v, v.problem)
		return
	}
	v.leave(next)
}

func resumeJob(v *visit) {
	name := v.r.PathValue("job")
	act(v, question{method: http.MethodPost, path: at("/jobs/{job}/resume", name)}, at("/jobs/{job}", name))
}

// runJob runs the job of the path now; a form that is sent twice does it once.
func runJob(v *visit) {
	name := v.r.PathValue("job")
	act(v, question{
		method: http.MethodPost, path: at("/jobs/{job}/run", name), header: map[string]string{"Idempotency-Key": pick(v.form("key"), newKey())},
	}, at("/jobs/{job}", name))
}

// A pausePage asks until when a job is paused, and why.
type pausePage struct {
	jobRow
	Until, Note string
}

func showPause(v *visit) {
	_, row := askJob(v)
	v.show("pause", "Pause the job "+v.r.PathValue("job"), &pausePage{jobRow: row})
}

func pauseJob(v *visit) {
	name := v.r.PathValue("job")
	p := &pausePage{Until: strings.TrimSpace(v.form("until")), Note: strings.TrimSpace(v.form("note"))}
	v.post(question{method: http.MethodPost, path: at("/jobs/{job}/pause", name), body: api.PauseRequest{Until: p.Until, Note: p.Note}})
	if v.problem == nil {
		v.leave(at("/jobs/{job}", name))
		return
	}
	problem := v.problem
	v.problem = nil
	if _, p.jobRow = askJob(v); v.problem == nil {
		v.problem = problem
		v.again("pause", "Pause the job "+name, p)
		return
	}
	v.fail(v, v.problem)
}

// A removal asks whether something is to be removed.
type removal struct {
	What, Name, Back, Version string
}

func showJobRemoval(v *visit) {
	job, _ := askJob(v)
	name := v.r.PathValue("job")
	v.show("remove", "Remove the job "+name, &removal{"job", name, at("/jobs/{job}", name), strconv.FormatInt(job.Version, 10)})
}

func removeJob(v *visit) {
	act(v, question{
		method: http.MethodDelete, path: at("/jobs/{job}", v.r.PathValue("job")), header: map[string]string{"If-Match": strconv.Quote(v.form("version"))},
	}, "/jobs")
}

func restoreJob(v *visit) {
	name := v.r.PathValue("job")
	to, _ := strconv.ParseInt(v.form("to"), 10, 64) // 0 is refused
	act(v, question{
		method: http.MethodPost, path: at("/jobs/{job}/restore", name), body: api.RestoreRequest{Version: to}, header: map[string]string{"If-Match": strconv.Quote(v.form("version"))},
	}, at("/jobs/{job}", name))
}
