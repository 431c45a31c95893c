package compat

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"tutti/access"
	"tutti/scheduler"
	"tutti/server"
	"tutti/store"
)

// Tasks submits runs, and reads their results.
type Tasks interface {
	store.Views
	// Submit decides a run for p and puts it into the queue. The error is one of package
	// access if p may not do that; for an ID that was used before it is a
	// *store.ReplayedError, or for another request a *store.KeyReusedError.
	Submit(ctx context.Context, p *access.Principal, r *Request) (run int64, err error)
	// Find is the run of a task of p; 0: there is none.
	Find(ctx context.Context, p *access.Principal, id string) (run int64, err error)
	// Ended is a run once it has ended, or as it is when ctx ends, which is no error.
	Ended(ctx context.Context, run int64) (store.Run, error)
}

// A Request is a task that is to be submitted.
type Request struct {
	// ID is the client's name for it.
	ID string
	// Selector chooses its hosts, or Host is the only one.
	Selector, Host string
	Command        string
	// Timeout bounds the command, and Deadline the whole run; 0: no limit.
	Timeout, Deadline time.Duration
	// Callback is the URL that gets its result; empty: none.
	Callback string
	// Body is the request as it was sent.
	Body []byte
}

// A Handler serves these interfaces. Its fields are set before Pages is called.
type Handler struct {
	Tasks   Tasks
	Jobs    server.Jobs
	Changes server.JobChanges
	// Kill stops, or halts, the runs of a job; see [server.API.KillJob].
	Kill func(ctx context.Context, p *access.Principal, job string, halt bool) ([]int64, error)
	// Scopes are the names of the hosts that each selector chooses.
	Scopes func(ctx context.Context, selectors []string) ([]map[string]bool, error)
	// Daemons are those that serve the history, and Machine is the name of their machine.
	Daemons func(ctx context.Context) ([]scheduler.Controller, error)
	Machine string
	// Admit is the principal of a request, if it may do that; see [server.API.Admit].
	Admit func(r *http.Request, action access.Action) (access.Principal, error)
	// Audited is the context of a request whose change, by p, is in the audit as that
	// action; see [server.Audited].
	Audited func(r *http.Request, p *access.Principal, action string) context.Context
	// CheckCallback is an error if nothing would be sent to a URL, and says why.
	CheckCallback func(url string) error
	// MaxWait bounds the command of a task whose client waits for it.
	MaxWait time.Duration
	// Logger gets the causes of failures, which clients do not see.
	Logger *slog.Logger
}

// Pages are the handlers by pattern.
func (h *Handler) Pages() map[string]http.Handler {
	pages := map[string]http.Handler{
		"POST /task":              h.task(h.postTask),
		"POST /hosts/{host}/task": h.task(h.postTask),
		"GET /task/{id}":          h.task(h.getTask),
	}
	for pattern, do := range map[string]func(*http.Request) (any, error){
		"POST /job/save":   h.saveJob,
		"POST /job/delete": h.deleteJob,
		"POST /job/kill":   h.killJob,
		"GET /job/list":    h.listJobs,
		"GET /job/log":     h.logJob,
		"GET /worker/list": h.listWorkers,
	} {
		pages[pattern] = h.form(do)
	}
	return pages
}

// admit is the principal of the token of a request, if it may do that. A session or the
// local socket is not enough: a page in a browser, or another program, could use those of
// its user.
func (h *Handler) admit(r *http.Request, action access.Action) (access.Principal, error) {
	if r.Header.Get("Authorization") == "" {
		return access.Principal{}, &access.AuthError{What: "token", Why: access.Unknown}
	}
	return h.Admit(r, action)
}

// A refusal is what is wrong with a request, and the status of the answer.
type refusal struct {
	status int
	text   string
	header http.Header
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, text string) error { return &refusal{status: status, text: text} }

// internalText is all that a client sees of a panic.
const internalText = "internal error on the server"

// unwell is a refusal that is no mistake of the client: never 500, which these programs
// take for the failure of a command.
func unwell(text string) *refusal {
	return &refusal{http.StatusServiceUnavailable, text, http.Header{"Retry-After": {"5"}}}
}

// checkScope is an *access.ScopeError if p may not see all hosts of a run.
func (h *Handler) checkScope(ctx context.Context, p *access.Principal, run int64) error {
	if len(p.Scopes) == 0 {
		return nil
	}
	sets, err := h.Scopes(ctx, p.Scopes)
	if err != nil {
		return err
	}
	groups, err := h.Tasks.Groups(ctx, run, nil)
	if err != nil {
		return err
	}
	var names []string
	for i := range groups {
		names = append(names, groups[i].Hosts...)
	}
	return access.CheckScope(sets, names)
}

// write writes a body of JSON.
func write(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil { // it is made of texts and numbers
		data = []byte("null")
	}
	data = append(data, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may have gone
}
