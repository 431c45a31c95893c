package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tutti/api"
)

// yamlType is the media type of a file of jobs.
const yamlType = "application/yaml"

// A jobYAML is the page that changes a job as the text of a file of jobs.
type jobYAML struct {
	Name, Version, Text string
	// Differences are what saving would change, if that was asked for; Checked: it was.
	Checked     bool
	Differences []string
	// Saved is the job as another user has saved it meanwhile; empty: none has.
	Saved string
	CLI   string
}

func newJobYAML(v *visit) *jobYAML {
	name := v.r.PathValue("job")
	return &jobYAML{Name: name, CLI: "tutti job export " + name}
}

// exported is the job of the page as text, and its version.
func exported(v *visit) (text, version string) {
	job, _ := askJob(v)
	if v.problem != nil {
		return "", ""
	}
	query := url.Values{"job": {v.r.PathValue("job")}}
	a := v.ask(v.r, question{method: http.MethodGet, path: withQuery("/export", query), header: map[string]string{"Accept": yamlType}})
	v.problem = a.problem()
	return a.body.String(), strconv.FormatInt(job.Version, 10)
}

func showJobYAML(v *visit) {
	p := newJobYAML(v)
	p.Text, p.Version = exported(v)
	v.show("jobyaml", "Edit the job "+p.Name+" as YAML", p)
}

// changeJobYAML applies the text, which has to change that job alone, as the version that
// the page was opened with.
func changeJobYAML(v *visit) {
	p := newJobYAML(v)
	p.Text, p.Version, p.Checked = strings.ReplaceAll(v.form("text"), "\r\n", "\n"), v.form("version"), v.form("do") == "check"
	tag, plan := p.plan(v)
	if v.problem == nil {
		p.compare(v)
	}
	if v.problem == nil && !p.Checked && len(plan.Changed) > 0 {
		v.post(p.file("/apply", map[string]string{"If-Match": tag}))
	}
	if v.problem != nil || p.Checked {
		status := http.StatusOK
		if v.problem != nil {
			status = v.problem.Status
		}
		v.render(v, status, "jobyaml", "Edit the job "+p.Name+" as YAML", p)
		return
	}
	v.leave(at("/jobs/{job}", p.Name))
}

// file is the text as a question.
func (p *jobYAML) file(path string, header map[string]string) question {
	return question{method: http.MethodPost, path: path, raw: []byte(p.Text), media: yamlType, header: header}
}

// plan is what applying the text would do, and the tag of exactly that.
func (p *jobYAML) plan(v *visit) (tag string, plan api.JobsPlan) {
	a := v.post(p.file("/apply?dry_run=true", nil))
	if v.problem != nil {
		return "", plan
	}
	if err := json.Unmarshal(a.body.Bytes(), &plan); err != nil {
		v.problem = &api.Problem{Title: "The answer cannot be read", Status: http.StatusInternalServerError}
		return "", plan
	}
	others := slices.Clone(plan.Added)
	for _, c := range plan.Changed {
		if c.Job != p.Name {
			others = append(others, c.Job)
			continue
		}
		p.Differences = c.Differences
	}
	if len(others) > 0 || plan.Same+len(plan.Changed) != 1 || slices.Contains(plan.Left, p.Name) {
		v.problem = &api.Problem{
			Title: "The text is not that of this job alone", Status: http.StatusUnprocessableEntity,
			Detail: "it has to have the job " + p.Name + " and no other", Hint: "a job keeps its name; tutti job apply reads files with several jobs",
		}
	}
	return a.header.Get("Etag"), plan
}

// compare finds out whether the job is still the one that the page was opened with.
// What is applied then is what was planned before: the tag sees to that.
func (p *jobYAML) compare(v *visit) {
	saved, version := exported(v)
	if v.problem != nil || version == p.Version {
		return
	}
	p.Saved, p.Version = saved, version
	v.problem = &api.Problem{
		Title: "The job was changed", Status: http.StatusPreconditionFailed, Detail: "another user saved version " + version + " meanwhile",
		Hint: "saving again replaces it with the text below",
	}
}
