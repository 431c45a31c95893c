package console

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tutti/api"
)

// A jobField is a key that the form has a field for.
type jobField struct {
	Key, Label, Help string
	Long             bool     // it has lines
	Of               []string // the words that it may be
	list             bool     // several lines are a list
}

// jobFields are those fields; other keys are edited as JSON.
var jobFields = []jobField{
	{Key: "schedule", Label: "Schedule", Help: "30 2 * * *, @hourly, @every 90s; one on each line", Long: true, list: true},
	{Key: "zone", Label: "Zone", Help: "Europe/Madrid"},
	{Key: "selector", Label: "Hosts", Help: "a selector"},
	{Key: "command", Label: "Command", Help: "executed by the login shell of each host", Long: true},
	{Key: "timeout", Label: "Timeout of each host", Help: "none; 30s, 5m"},
	{Key: "deadline", Label: "Deadline of the run", Help: "1d"},
	{Key: "fanout", Label: "At once", Help: "50"},
	{Key: "overlap", Label: "While an earlier one runs", Of: []string{"skip", "queue", "allow", "replace"}},
	{Key: "catch_up", Label: "After the daemon was away", Of: []string{"latest", "none", "all"}},
}

// notEdited are keys that are changed elsewhere.
var notEdited = []string{"name", "paused"}

// A jobForm is the page that adds or changes a job.
type jobForm struct {
	Name string
	// New: there is no such job yet.
	New     bool
	Version string
	// Base is the job when the form was opened, as JSON.
	Base   string
	Values map[string]string
	Fields []jobField
	// Others are the keys without a field, as JSON.
	Others string
	// Conflicts are the keys that another user has changed meanwhile; nil: none.
	Conflicts []conflict
	// Key is for a new one.
	Key string
}

// A conflict is a key as it was, as somebody saved it, and as it is in the form.
type conflict struct {
	Key, Was, Theirs, Mine string
	// Both: both changed it, to other values.
	Both bool
}

// formOf is the form for the keys of a job.
func formOf(spec jobSpec) *jobForm {
	f := &jobForm{Values: map[string]string{}, Fields: jobFields}
	others := maps.Clone(spec)
	for _, key := range notEdited {
		delete(others, key)
	}
	base, _ := json.Marshal(others) // it was JSON
	f.Base = string(base)
	for _, field := range jobFields {
		f.Values[field.Key] = spec.text(field.Key)
		delete(others, field.Key)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(others) // it was JSON
	f.Others = strings.TrimSpace(b.String())
	return f
}

func showJobForm(v *visit) {
	f := formOf(jobSpec{"zone": json.RawMessage(strconv.Quote(v.clock.Zone())), "selector": json.RawMessage(quoted(v.r.URL.Query().Get("selector")))})
	f.New, f.Base, f.Key = true, "{}", newKey()
	v.show("jobedit", "New job", f)
}

func quoted(text string) string {
	data, _ := json.Marshal(text) // a text always is
	return string(data)
}

func showJobEdit(v *visit) {
	job, row := askJob(v)
	f := formOf(row.spec)
	f.Name, f.Version = job.Job.Job, strconv.FormatInt(job.Version, 10)
	v.show("jobedit", "Edit the job "+f.Name, f)
}

// sentForm is the form as it was sent, and the keys in it.
func sentForm(v *visit) (*jobForm, jobSpec, *api.Problem) {
	f := &jobForm{Name: strings.TrimSpace(v.form("job")), Version: v.form("version"), Base: v.form("base"), Others: v.form("others"), Values: map[string]string{}, Fields: jobFields}
	if name := v.r.PathValue("job"); name != "" {
		f.Name = name
	}
	spec := jobSpec{}
	if text := strings.TrimSpace(f.Others); text != "" {
		if err := json.Unmarshal([]byte(text), &spec); err != nil {
			for _, field := range jobFields {
				f.Values[field.Key] = v.form(field.Key)
			}
			return f, nil, &api.Problem{
				Status: http.StatusUnprocessableEntity, Title: "The other keys cannot be read",
				Errors: []api.ProblemError{api.At("/others", "want a JSON object: "+err.Error())},
			}
		}
	}
	for _, field := range jobFields {
		text := strings.TrimSpace(strings.ReplaceAll(v.form(field.Key), "\r\n", "\n"))
		f.Values[field.Key] = text
		if text != "" {
			spec[field.Key] = json.RawMessage(field.value(text))
		}
	}
	return f, spec, nil
}

// value is the text of a field as JSON.
func (f *jobField) value(text string) string {
	if f.list && strings.Contains(text, "\n") {
		var lines []string
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		data, _ := json.Marshal(lines) // texts always are
		return string(data)
	}
	if f.Key == "fanout" {
		if _, err := strconv.Atoi(text); err == nil {
			return text
		}
	}
	return quoted(text)
}

func addJob(v *visit) {
	f, spec, wrong := sentForm(v)
	f.New, f.Key = true, v.form("key")
	if v.problem = wrong; wrong == nil {
		data, _ := json.Marshal(spec) // it was JSON
		v.post(question{method: http.MethodPost, path: "/jobs", body: api.JobRequest{Job: f.Name, Spec: data}, header: map[string]string{"Idempotency-Key": pick(v.form("key"), newKey())}})
	}
	if v.problem != nil {
		v.again("jobedit", "New job", f)
		return
	}
	v.leave(at("/jobs/{job}", f.Name))
}

// changeJob sends the keys that differ from what the form was opened with. If another user
// saved another version meanwhile, it shows the three.
func changeJob(v *visit) {
	f, spec, wrong := sentForm(v)
	if v.problem = wrong; wrong == nil {
		v.post(question{
			method: http.MethodPatch, path: at("/jobs/{job}", f.Name), body: changesOf(specOf(json.RawMessage(f.Base)), spec),
			header: map[string]string{"If-Match": strconv.Quote(f.Version)},
		})
	}
	if v.problem == nil {
		v.leave(at("/jobs/{job}", f.Name))
		return
	}
	if v.problem.Status == http.StatusPreconditionFailed {
		problem := v.problem
		v.problem = nil
		job, row := askJob(v)
		if v.problem != nil {
			v.fail(v, v.problem)
			return
		}
		v.problem = problem
		f.Conflicts = conflicts(specOf(json.RawMessage(f.Base)), row.spec, spec)
		f.Version = strconv.FormatInt(job.Version, 10)
	}
	v.again("jobedit", "Edit the job "+f.Name, f)
}

// changesOf is the merge patch that makes was of is; keys that are gone are null.
func changesOf(was, is jobSpec) map[string]json.RawMessage {
	patch := map[string]json.RawMessage{}
	for key, value := range is {
		if !sameJSON(was[key], value) {
			patch[key] = value
		}
	}
	for key := range was {
		if _, there := is[key]; !there && !slices.Contains(notEdited, key) {
			patch[key] = json.RawMessage("null")
		}
	}
	return patch
}

// sameJSON reports whether two values are the same, however they are written.
func sameJSON(a, b json.RawMessage) bool {
	plain := func(x json.RawMessage) string {
		var value any
		if len(x) == 0 || json.Unmarshal(x, &value) != nil {
			return string(x)
		}
		data, _ := json.Marshal(value) // it was JSON
		return string(data)
	}
	return plain(a) == plain(b)
}

// conflicts are the keys that differ between the three.
func conflicts(base, theirs, mine jobSpec) []conflict {
	keys := map[string]bool{}
	for _, s := range []jobSpec{base, theirs, mine} {
		for key := range s {
			keys[key] = !slices.Contains(notEdited, key)
		}
	}
	var all []conflict
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		a, b := !sameJSON(base[key], theirs[key]), !sameJSON(base[key], mine[key])
		if keys[key] && (a || b) {
			all = append(all, conflict{key, base.text(key), theirs.text(key), mine.text(key), a && b && !sameJSON(theirs[key], mine[key])})
		}
	}
	return all
}
