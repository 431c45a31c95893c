package compat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
)

// An answer is the body of the endpoints of jobs; the status is 200, or 401 without access.
type answer struct {
	Errno int    `json:"errno"`
	Msg   string `json:"msg"`
	Data  any    `json:"data"`
}

// A job is the form of a job.
type job struct {
	Name     string `json:"name"`
	Command  string `json:"command"`
	CronExpr string `json:"cronExpr"`
}

// A logEntry is a run of a job; times are milliseconds since 1970, 0: none.
type logEntry struct {
	JobName      string `json:"jobName"`
	Command      string `json:"command"`
	Err          string `json:"err"`
	Output       string `json:"output"`
	PlanTime     int64  `json:"planTime"`
	ScheduleTime int64  `json:"scheduleTime"`
	StartTime    int64  `json:"startTime"`
	EndTime      int64  `json:"endTime"`
}

const (
	// maxForm bounds a form, in bytes.
	maxForm = 1 << 20
	// defaultLog and maxLog are how many runs are listed, and maxSkip how many may be
	// skipped before them.
	defaultLog, maxLog, maxSkip = 20, 200, 10_000
	// maxLogOutput bounds the output of a run in the log, in bytes.
	maxLogOutput = 64 << 10
	// putAgain is how often a put is tried while other clients change the job.
	putAgain = 5
)

// form serves an endpoint whose answers have an errno.
func (h *Handler) form(do func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if cause := recover(); cause != nil {
				h.Logger.Error("an operation panicked", "method", r.Method, "cause", cause)
				write(w, http.StatusOK, answer{Errno: -1, Msg: internalText})
			}
		}()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		data, err := do(r)
		if err == nil {
			write(w, http.StatusOK, answer{Msg: "success", Data: data})
			return
		}
		why := h.refusalOf(r, err)
		status := http.StatusOK
		if why.status == http.StatusUnauthorized {
			status = why.status
		}
		for name, values := range why.header {
			w.Header()[name] = values
		}
		write(w, status, answer{Errno: -1, Msg: why.text})
	})
}

// field is a field of a form, which must be there. The query of the URL does not count:
// it ends up in logs.
func field(r *http.Request, name string) (string, error) {
	if err := r.ParseForm(); err != nil {
		return "", errors.New("want a form: application/x-www-form-urlencoded")
	}
	text := r.PostForm.Get(name)
	if text == "" {
		return "", refuse(http.StatusUnprocessableEntity, name+" is missing in the form")
	}
	return text, nil
}

// current is the job of that name; nil: there is none.
func (h *Handler) current(ctx context.Context, name string) (*scheduler.StoredJob, error) {
	all, err := h.Jobs.List(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == name {
			return &all[i].StoredJob, nil
		}
	}
	return nil, nil
}

// formOf is a job in this form; nil of none.
func formOf(k *scheduler.StoredJob) any {
	if k == nil {
		return nil
	}
	return job{Name: k.Name, Command: k.Command, CronExpr: cronExpr(&k.Job)}
}

// saveJob adds a job, or replaces the command and the schedule of one. Its other keys
// stay.
func (h *Handler) saveJob(r *http.Request) (any, error) {
	p, err := h.admit(r, access.EditJob)
	if err != nil {
		return nil, err
	}
	text, err := field(r, "job")
	if err != nil {
		return nil, err
	}
	var in job
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, `job is not JSON such as {"name":"backup","command":"date","cronExpr":"*/5 * * * *"}`)
	}
	expression, seconds, err := schedule(in.CronExpr)
	if err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, err.Error())
	}
	for range putAgain {
		old, err := h.current(r.Context(), in.Name)
		if err != nil {
			return nil, err
		}
		action := "job.change"
		if old == nil {
			action = "job.add"
		}
		err = h.put(h.Audited(r, &p, action), &p, old, &in, expression, seconds)
		if errors.As(err, new(*store.JobChangedError)) || errors.As(err, new(*store.JobExistsError)) {
			continue // the last writer wins, as these programs expect
		}
		return formOf(old), err
	}
	return nil, unwell("other clients are changing the job: try again")
}

func (h *Handler) put(ctx context.Context, p *access.Principal, old *scheduler.StoredJob, in *job, expression string, seconds bool) error {
	if old != nil {
		_, err := h.Changes.Edit(ctx, p, in.Name, old.Version, func(j *scheduler.Job) error {
			j.Command, j.Script, j.Schedules, j.Seconds = in.Command, "", []string{expression}, seconds
			return nil
		})
		return err
	}
	if p.TaskSelector == "" {
		return refuse(http.StatusUnprocessableEntity, "the job is new, and the token has no task selector that says on which hosts it runs")
	}
	added := scheduler.NewJob(in.Name, "")
	added.Selector, added.Command, added.Schedules, added.Seconds = p.TaskSelector, in.Command, []string{expression}, seconds
	_, err := h.Changes.Add(ctx, p, added)
	return err
}

// deleteJob removes a job, if there is one.
func (h *Handler) deleteJob(r *http.Request) (any, error) {
	p, err := h.admit(r, access.EditJob)
	if err != nil {
		return nil, err
	}
	name, err := field(r, "name")
	if err != nil {
		return nil, err
	}
	old, err := h.current(r.Context(), name)
	if err != nil || old == nil {
		return nil, err
	}
	return formOf(old), h.Changes.Remove(h.Audited(r, &p, "job.remove"), &p, name, 0)
}

// killJob stops the runs of a job.
func (h *Handler) killJob(r *http.Request) (any, error) {
	p, err := h.admit(r, access.Kill)
	if err != nil {
		return nil, err
	}
	name, err := field(r, "name")
	if err == nil {
		err = p.CheckJob(access.Kill, name)
	}
	if err != nil {
		return nil, err
	}
	_, err = h.Kill(h.Audited(r, &p, "job.kill"), &p, name, false)
	return nil, err
}

func (h *Handler) listJobs(r *http.Request) (any, error) {
	p, err := h.admit(r, access.Read)
	if err != nil {
		return nil, err
	}
	all, err := h.Jobs.List(r.Context())
	if err != nil {
		return nil, err
	}
	list := []any{}
	for i := range all {
		if p.CheckJob(access.Read, all[i].Name) == nil {
			list = append(list, formOf(&all[i].StoredJob))
		}
	}
	return list, nil
}

// logJob lists the runs of a job, newest first.
func (h *Handler) logJob(r *http.Request) (any, error) {
	p, err := h.admit(r, access.Read)
	if err != nil {
		return nil, err
	}
	name := r.URL.Query().Get("name")
	if name == "" {
		return nil, refuse(http.StatusUnprocessableEntity, "name is missing in the query")
	}
	if err := p.CheckJob(access.Read, name); err != nil {
		return nil, err
	}
	skip, err := count(r, "skip", 0, 0, maxSkip)
	if err != nil {
		return nil, err
	}
	limit, err := count(r, "limit", defaultLog, 1, maxLog)
	if err != nil {
		return nil, err
	}
	rows, err := h.Jobs.Log(r.Context(), store.FiringQuery{Job: name, Decisions: []scheduler.Decision{scheduler.Run}, Limit: skip + limit})
	if err != nil {
		return nil, err
	}
	list := []logEntry{}
	for _, row := range rows[min(skip, len(rows)):] {
		entry, err := h.entry(r.Context(), &p, &row)
		if err != nil {
			return nil, err
		}
		list = append(list, entry)
	}
	return list, nil
}

// count is a number in the query.
func count(r *http.Request, name string, usual, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, refuse(http.StatusUnprocessableEntity, fmt.Sprintf("%s: want a number from %d to %d", name, least, most))
	}
	return n, nil
}

// entry is the result of a firing, without output if p may not see all its hosts.
func (h *Handler) entry(ctx context.Context, p *access.Principal, row *store.FiringRow) (logEntry, error) {
	e := logEntry{JobName: row.Job, PlanTime: millis(row.ScheduledAt), ScheduleTime: millis(row.DecidedAt)}
	run := row.Run
	if run == nil {
		e.Err = "the run was deleted"
		return e, nil
	}
	e.Command, e.StartTime, e.EndTime = run.Command, millis(run.Summary.Started), millis(run.Summary.Ended)
	if !run.State.Ended() {
		e.Err = string(run.State)
		return e, nil
	}
	outside := (*access.ScopeError)(nil)
	if err := h.checkScope(ctx, p, run.ID); errors.As(err, &outside) {
		e.Err = outside.Error()
		return e, nil
	} else if err != nil {
		return e, err
	}
	t, err := Result(ctx, h.Tasks, run, "")
	if err != nil {
		return e, err
	}
	e.Err = t.Error
	if t.Output != nil {
		e.Output = strings.ToValidUTF8((*t.Output)[:min(len(*t.Output), maxLogOutput)], "")
	}
	return e, nil
}

// millis is a time in milliseconds since 1970; 0: none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// listWorkers lists the daemons that serve the history.
func (h *Handler) listWorkers(r *http.Request) (any, error) {
	if _, err := h.admit(r, access.Read); err != nil {
		return nil, err
	}
	daemons, err := h.Daemons(r.Context())
	if err != nil {
		return nil, err
	}
	list := []string{}
	for _, d := range daemons {
		if d.Serves {
			list = append(list, h.Machine+"#"+strconv.FormatInt(d.ID, 10))
		}
	}
	return list, nil
}
