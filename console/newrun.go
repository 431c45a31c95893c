package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/internal/hostlist"
	"tutti/internal/phrase"
)

// mostUnnoticed is how many hosts a run may have without being asked whether it is meant.
const mostUnnoticed = 100

// A newRun is the form for a run.
type newRun struct {
	Values map[string]string
	Key    string
	// Plan is what it would do; nil: it was not asked for.
	Plan *planned
	// Confirm: it is asked whether so many hosts are meant; Type: their number has to be
	// typed.
	Confirm, Type bool
	CLI           string
}

// A planned is what a run would do.
type planned struct {
	Hosts    int
	Folded   string
	Batches  string
	Warnings []string
}

// newRunFields are the fields of the form.
var newRunFields = []string{
	"selector", "command", "script", "interpreter", "fanout", "timeout", "deadline", "retries", "batch", "max_fail", "sudo", "user", "dir", "env", "note",
}

// moreFields are those that are folded away.
var moreFields = []string{"script", "interpreter", "sudo", "user", "dir", "env", "deadline", "retries"}

// More: a field that is folded away has something in it.
func (p *newRun) More() bool {
	for _, name := range moreFields {
		if p.Values[name] != "" {
			return true
		}
	}
	return false
}

func newRunOf(values url.Values) *newRun {
	p := &newRun{Values: map[string]string{}}
	for _, name := range newRunFields {
		p.Values[name] = strings.ReplaceAll(values.Get(name), "\r\n", "\n")
	}
	p.CLI = p.line()
	return p
}

// line is the command line that does the same; empty without a selector.
func (p *newRun) line() string {
	if p.Values["selector"] == "" || p.Values["command"] == "" {
		return ""
	}
	words := []string{"tutti", "run"}
	for _, name := range []string{"fanout", "timeout", "deadline", "retries", "batch", "max_fail", "user", "dir", "note"} {
		if text := p.Values[name]; text != "" {
			words = append(words, "--"+strings.ReplaceAll(name, "_", "-"), text)
		}
	}
	if text := p.Values["sudo"]; text != "" {
		words = append(words, "--sudo="+text)
	}
	for line := range strings.Lines(p.Values["env"]) {
		if line = strings.TrimSpace(line); line != "" {
			words = append(words, "--env", line)
		}
	}
	return phrase.ShellWords(append(words, p.Values["selector"], p.Values["command"]))
}

// request is what the form asks for.
func (p *newRun) request() (*api.RunRequest, *api.Problem) {
	f := p.Values
	r := &api.RunRequest{Selector: strings.TrimSpace(f["selector"]), Command: f["command"]}
	if strings.TrimSpace(f["script"]) != "" {
		r.Script = &api.Script{Text: f["script"], Interpreter: strings.TrimSpace(f["interpreter"])}
	}
	r.Timeout, r.Deadline, r.Batch, r.MaxFail = f["timeout"], f["deadline"], f["batch"], f["max_fail"]
	r.Sudo, r.User, r.Dir, r.Note = f["sudo"], f["user"], f["dir"], f["note"]
	if wrong := setNumber(&r.Fanout, "fanout", f["fanout"]); wrong != nil {
		return nil, wrong
	}
	if wrong := setNumber(&r.Retries, "retries", f["retries"]); wrong != nil {
		return nil, wrong
	}
	for line := range strings.Lines(f["env"]) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, &api.Problem{Status: http.StatusUnprocessableEntity, Title: "A variable is wrong", Errors: []api.ProblemError{api.At("/env", "want NAME=VALUE on each line")}}
		}
		if r.Env == nil {
			r.Env = map[string]string{}
		}
		r.Env[name] = value
	}
	return r, nil
}

func showNewRun(v *visit) {
	p := newRunOf(v.r.URL.Query())
	p.Key = newKey()
	v.show("newrun", "New run", p)
}

// takeNewRun checks the plan, or starts the run. More than mostUnnoticed hosts are shown
// before, and the number of more than mostUnasked is typed.
func takeNewRun(v *visit) {
	p := newRunOf(v.r.PostForm)
	p.Key = pick(v.form("key"), newKey())
	r, wrong := p.request()
	if v.problem = wrong; wrong != nil {
		v.again("newrun", "New run", p)
		return
	}
	a := v.post(question{method: http.MethodPost, path: "/plan", body: r})
	if v.problem != nil {
		v.again("newrun", "New run", p)
		return
	}
	if p.Plan = plannedOf(a.body.Bytes(), r); v.form("do") != "run" {
		v.show("newrun", "New run", p)
		return
	}
	n := p.Plan.Hosts
	if p.Type = n > mostUnasked; p.Type && !typedNumber(v.form("number"), n) || n > mostUnnoticed && !p.Type && v.form("confirmed") != strconv.Itoa(n) {
		p.Confirm = true
		v.show("newrun", "New run", p)
		return
	}
	a = v.post(question{method: http.MethodPost, path: "/runs", body: r, header: map[string]string{"Idempotency-Key": p.Key}})
	if v.problem != nil {
		v.again("newrun", "New run", p)
		return
	}
	leaveForRun(v, a)
}

// plannedOf is what a plan says, in short.
func plannedOf(data []byte, r *api.RunRequest) *planned {
	var plan struct {
		Hosts []struct {
			Host string `json:"host"`
		} `json:"hosts"`
		Warnings []string `json:"warnings"`
	}
	_ = json.Unmarshal(data, &plan) // what cannot be read is no host
	p := &planned{Hosts: len(plan.Hosts), Warnings: plan.Warnings, Batches: r.Batch}
	names := make([]string, len(plan.Hosts))
	for i := range plan.Hosts {
		names[i] = plan.Hosts[i].Host
	}
	p.Folded = hostlist.Fold(names)
	return p
}
