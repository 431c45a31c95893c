package compat

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tutti/access"
	"tutti/server"
	"tutti/store"
)

const (
	// maxBody bounds the body of a request, in bytes.
	maxBody = 2 << 20
	// defaultTimeout bounds the command of a task without a timeout and a callback.
	defaultTimeout = 30 * time.Second
	// connectAllowance is how much longer than its command a task may take.
	connectAllowance = 20 * time.Second
	// maxID bounds the id of a task, in bytes.
	maxID = 255
	// OutcomeHeader has the outcome of a command that is not ok: a 500 without it is not
	// about a command.
	OutcomeHeader = "Tutti-Outcome"
)

// task serves an endpoint whose answers have the form of a Task.
func (h *Handler) task(do func(http.ResponseWriter, *http.Request) (status int, t *Task, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if cause := recover(); cause != nil {
				h.Logger.Error("an operation panicked", "method", r.Method, "cause", cause)
				h.refuseTask(w, unwell(internalText))
			}
		}()
		status, t, err := do(w, r)
		if err != nil {
			h.refuseTask(w, h.refusalOf(r, err))
			return
		}
		if t.Status == failed {
			w.Header().Set(OutcomeHeader, t.Outcome)
			if status == http.StatusOK && r.Method == http.MethodPost && !wantsStatus(r) {
				status = http.StatusInternalServerError // as callers of this form expect
			}
		}
		write(w, status, t)
	})
}

// wantsStatus reports whether the client wants 200 and reads the status in the body.
func wantsStatus(r *http.Request) bool {
	for _, header := range r.Header.Values("Prefer") {
		for word := range strings.FieldsFuncSeq(header, func(c rune) bool { return c == ',' || c == ';' }) {
			if strings.EqualFold(strings.ReplaceAll(word, " ", ""), "tutti=status") {
				return true
			}
		}
	}
	return false
}

func (h *Handler) refuseTask(w http.ResponseWriter, why *refusal) {
	for name, values := range why.header {
		w.Header()[name] = values
	}
	write(w, why.status, &Task{Status: failed, Error: why.text})
}

// refusalOf is the refusal for an error; its status is never 500.
func (h *Handler) refusalOf(r *http.Request, err error) *refusal {
	if own, ok := errors.AsType[*refusal](err); ok {
		return own
	}
	switch {
	case errors.As(err, new(*store.KeyReusedError)):
		return &refusal{status: http.StatusConflict, text: "the id was used for another task"}
	case errors.As(err, new(*store.QueueFullError)):
		return unwell("too many runs are waiting")
	}
	status, text, header := server.Explain(err)
	if status >= http.StatusInternalServerError {
		h.Logger.Warn("a request failed", "method", r.Method, "error", err)
		status = http.StatusServiceUnavailable
		if header.Get("Retry-After") == "" {
			header = unwell("").header
		}
	}
	return &refusal{status, text, header}
}

// postTask submits a task and answers when it has ended, or at once if it has a callback.
func (h *Handler) postTask(w http.ResponseWriter, r *http.Request) (status int, t *Task, err error) {
	p, err := h.admit(r, access.Run)
	if err != nil {
		return 0, nil, err
	}
	q, err := h.read(r, &p)
	if err != nil {
		return 0, nil, err
	}
	run, err := h.Tasks.Submit(h.Audited(r, &p, "run.start"), &p, q)
	if replayed, ok := errors.AsType[*store.ReplayedError](err); ok {
		run, err = replayed.Run, nil
	}
	if err != nil {
		return 0, nil, err
	}
	if q.Callback != "" {
		return http.StatusAccepted, &Task{ID: q.ID, Status: pending, Run: run}, nil
	}
	// The body is read; the deadline for that would end the wait.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // tests have no connection
	ctx, cancel := context.WithTimeout(r.Context(), q.Deadline+connectAllowance)
	defer cancel()
	ended, err := h.Tasks.Ended(ctx, run)
	if err != nil {
		return 0, nil, err
	}
	if !ended.State.Ended() {
		return 0, nil, unwell("the task is waiting or running: repeat the request with the same id")
	}
	result, err := Result(r.Context(), h.Tasks, &ended, q.ID)
	return http.StatusOK, &result, err
}

// getTask answers with the present state of a task.
func (h *Handler) getTask(_ http.ResponseWriter, r *http.Request) (status int, t *Task, err error) {
	p, err := h.admit(r, access.Read)
	if err != nil {
		return 0, nil, err
	}
	id := r.PathValue("id")
	run, err := h.Tasks.Find(r.Context(), &p, id)
	if err == nil && run == 0 {
		err = refuse(http.StatusNotFound, "you have submitted no such task in the last 24 hours")
	}
	if err != nil {
		return 0, nil, err
	}
	if err := h.checkScope(r.Context(), &p, run); err != nil {
		return 0, nil, err
	}
	now, cancel := context.WithCancel(r.Context())
	cancel() // do not wait
	ended, err := h.Tasks.Ended(now, run)
	if err != nil {
		return 0, nil, err
	}
	result, err := Result(r.Context(), h.Tasks, &ended, id)
	return http.StatusOK, &result, err
}

// body is what a client sends. Other keys are ignored.
type body struct {
	Command  string   `json:"command"`
	ID       string   `json:"id"`
	Timeout  *float64 `json:"timeout"`
	Callback string   `json:"callback"`
	Selector string   `json:"selector"`
	Host     string   `json:"host"`
}

// read reads the task that p submits.
func (h *Handler) read(r *http.Request, p *access.Principal) (*Request, error) {
	data, err := readJSON(r)
	if err != nil {
		return nil, err
	}
	var b body
	if err := json.Unmarshal(data, &b); err != nil {
		if errors.As(err, new(*json.UnmarshalTypeError)) {
			return nil, refuse(http.StatusUnprocessableEntity, "want an object with command, and id, timeout (in seconds), callback, selector or host as they are needed")
		}
		return nil, refuse(http.StatusBadRequest, "the body is not JSON")
	}
	if host := r.PathValue("host"); host != "" {
		b.Host, b.Selector = host, ""
	}
	q := &Request{ID: b.ID, Selector: b.Selector, Host: b.Host, Command: b.Command, Callback: b.Callback, Body: data}
	if q.Selector == "" && q.Host == "" {
		q.Selector = p.TaskSelector
	}
	if q.ID == "" {
		var random [16]byte
		_, _ = rand.Read(random[:]) // it never fails
		q.ID = hex.EncodeToString(random[:])
	}
	return q, h.check(q, b.Timeout)
}

// readJSON reads the body of a request.
func readJSON(r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || r.Header.Get("Content-Encoding") != "" {
		return nil, refuse(http.StatusUnsupportedMediaType, "want Content-Type: application/json")
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "the body could not be read to its end")
	case len(data) > maxBody:
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body has more than 2 MiB")
	case !utf8.Valid(data):
		return nil, refuse(http.StatusBadRequest, "the body is not UTF-8")
	}
	return data, nil
}

// check refuses a task that is not valid, and sets its times.
func (h *Handler) check(q *Request, timeout *float64) error {
	bad := func(text string) error { return refuse(http.StatusUnprocessableEntity, text) }
	switch {
	case strings.TrimSpace(q.Command) == "":
		return bad("command is missing")
	case len(q.ID) > maxID || strings.ContainsFunc(q.ID, func(c rune) bool { return !unicode.IsPrint(c) }):
		return bad("id: want at most 255 printable characters")
	case q.Selector != "" && q.Host != "":
		return bad("selector and host exclude each other")
	case q.Selector == "" && q.Host == "":
		return bad("selector or host is missing, and the token has no task selector")
	case timeout != nil && !(*timeout > 0 && *timeout <= math.MaxInt32):
		return bad("timeout: want seconds, more than 0")
	}
	if timeout != nil {
		q.Timeout = time.Duration(*timeout * float64(time.Second)).Round(time.Millisecond)
	}
	if q.Callback != "" {
		if err := h.CheckCallback(q.Callback); err != nil {
			return bad("callback: " + err.Error())
		}
		return nil
	}
	if timeout == nil {
		q.Timeout = min(defaultTimeout, h.MaxWait)
	}
	if q.Timeout > h.MaxWait {
		return bad("timeout: longer than a client may wait on this server; use callback")
	}
	q.Timeout = max(q.Timeout, time.Millisecond)
	q.Deadline = q.Timeout + connectAllowance
	return nil
}
